"""The exit codes of commands, and the errors that end them."""

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
    ExitCode.FAILED: "The watched job failed, a check (doctor, db check) found a problem, or Holdfast itself failed.",
    ExitCode.USAGE: "Invalid command, argument or setting; nothing was changed.",
    ExitCode.NOT_FOUND: "No such job, type, queue or worker.",
    ExitCode.FORBIDDEN: "Not signed in, or not permitted.",
    ExitCode.CONFLICT: "Not allowed in the current state of the job, or it changed meanwhile; nothing was done.",
    ExitCode.PARTLY: "Partly done: the action succeeded for some jobs and was refused for others.",
    ExitCode.CANCELLED: "The watched job was cancelled.",
    ExitCode.UNREACHABLE: "Server or storage unavailable; safe to repeat.",
    ExitCode.TIMEOUT: "Timed out; the job continues.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C; a watched job continues.",
}


class CliError(Exception):
    """A command failed: a message, a hint on what to do, and the exit code."""

    def __init__(self, message: str, hint: str = "", exit_code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


def cli_error_for(error: Exception) -> CliError | None:
    """The error of the command line for an error of Holdfast; None for an unexpected error."""
    from holdfast.core import errors as e

    if isinstance(error, CliError):
        return error
    if isinstance(error, e.ConfigurationError):
        return _configuration(error)
    if not isinstance(error, e.HoldfastError):
        return None
    for error_type, exit_code, hint in (
        (e.UnknownJobType, ExitCode.NOT_FOUND, "List the known types: holdfast type list"),
        (e.InvalidArguments, ExitCode.USAGE, "Show the arguments of the type: holdfast type show TYPE"),
        (e.InvalidQuery, ExitCode.USAGE, "Example: state:failed type:report.* created:>2h"),
        (e.InvalidInput, ExitCode.USAGE, ""),
        (e.NotFound, ExitCode.NOT_FOUND, ""),
        (e.Conflict, ExitCode.CONFLICT, ""),
        (e.WaitTimeout, ExitCode.TIMEOUT, "Wait longer: holdfast job wait ID --timeout 10m"),
        (e.StorageUnavailable, ExitCode.UNREACHABLE, "Check the installation: holdfast doctor"),
        (e.StorageRefused, ExitCode.UNREACHABLE, "Check the installation: holdfast doctor"),
    ):
        if isinstance(error, error_type):
            return CliError(error.detail, hint, exit_code)
    return CliError(error.detail, "", ExitCode.FAILED)


def _configuration(error: Exception) -> CliError:
    from holdfast.core.errors import ConfigurationError

    assert isinstance(error, ConfigurationError)
    lines = [f"{'.'.join(map(str, problem.loc))}: {problem.msg}" for problem in error.problems]
    hints = {
        "app": "Pass --app module:attribute; the current folder is searched for the module too.",
        "host": "Example: HOLDFAST_HOST=127.0.0.1",
        "port": "Example: HOLDFAST_PORT=8601, or 0 for any free port.",
    }
    general = "Correct it in holdfast.toml or the environment, or remove it."
    return CliError("\n".join(lines), hints.get(str(error.problems[0].loc[0]), general), ExitCode.USAGE)
