"""This exists so that every way a command can end has one number, and every error one line of what and one of what to do."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    FORBIDDEN = 4
    CONFLICT = 5
    PARTLY = 6
    CANCELLED = 7
    UNREACHABLE = 69
    TIMEOUT = 124
    INTERRUPTED = 130


MEANINGS: Final[dict[ExitCode, str]] = {
    ExitCode.DONE: "Done. With --wait, watch and wait: the job succeeded.",
    ExitCode.FAILED: "The watched job failed; or a check (doctor, db check) found something; or Holdfast itself failed.",
    ExitCode.USAGE: "The command, an argument or a setting cannot be used; nothing was done.",
    ExitCode.NOT_FOUND: "There is no such job, type, queue or worker.",
    ExitCode.FORBIDDEN: "Not signed in, or not allowed.",
    ExitCode.CONFLICT: "The state of the job does not allow it, or changed meanwhile; nothing was done.",
    ExitCode.PARTLY: "Some of many were not done; the others were.",
    ExitCode.CANCELLED: "The watched job was cancelled.",
    ExitCode.UNREACHABLE: "The server or the storage does not answer; safe to repeat.",
    ExitCode.TIMEOUT: "The time to wait was over; the job goes on.",
    ExitCode.INTERRUPTED: "Ctrl-C. A watched job goes on.",
}


class CliError(Exception):
    """A command cannot be done: `what` happened, `hint` (what to do), and the exit code."""

    def __init__(self, what: str, hint: str = "", exit: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(what)
        self.message = what
        self.hint = hint
        self.exit_code = exit


def cli_error_for(error: Exception) -> CliError | None:
    """The cli_error that an error of Holdfast means on the command line; None for an error that nobody expected."""
    from holdfast.core import errors as e

    if isinstance(error, CliError):
        return error
    if isinstance(error, e.ConfigurationError):
        return _configuration(error)
    if not isinstance(error, e.HoldfastError):
        return None
    for kind, exit, hint in (
        (e.UnknownJobType, ExitCode.NOT_FOUND, "List what is known: holdfast type list"),
        (e.InvalidArguments, ExitCode.USAGE, "See what the type takes: holdfast type show TYPE"),
        (e.InvalidQuery, ExitCode.USAGE, "For example: state:failed type:report.* created:>2h"),
        (e.InvalidInput, ExitCode.USAGE, ""),
        (e.NotFound, ExitCode.NOT_FOUND, ""),
        (e.Conflict, ExitCode.CONFLICT, ""),
        (e.WaitTimeout, ExitCode.TIMEOUT, "Wait longer: holdfast job wait ID --timeout 10m"),
        (e.StorageUnavailable, ExitCode.UNREACHABLE, "Find out more: holdfast doctor"),
        (e.StorageRefused, ExitCode.UNREACHABLE, "Find out more: holdfast doctor"),
    ):
        if isinstance(error, kind):
            return CliError(error.detail, hint, exit)
    return CliError(error.detail, "", ExitCode.FAILED)


def _configuration(error: Exception) -> CliError:
    from holdfast.core.errors import ConfigurationError

    assert isinstance(error, ConfigurationError)
    lines = [f"{'.'.join(map(str, problem.loc))}: {problem.msg}" for problem in error.problems]
    hints = {
        "app": "Name it as --app module:attribute; the module is looked for in this folder too.",
        "host": "For example: HOLDFAST_HOST=127.0.0.1",
        "port": "For example: HOLDFAST_PORT=8601, or 0 for any that is free.",
    }
    general = "Correct it in holdfast.toml or the environment, or take it out."
    return CliError("\n".join(lines), hints.get(str(error.problems[0].loc[0]), general), ExitCode.USAGE)
