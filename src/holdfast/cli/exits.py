"""This exists so that every way a command can end has one number, and every error one line of what and one of what to do."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
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


MEANING: Final[dict[Exit, str]] = {
    Exit.DONE: "Done. With --wait, watch and wait: the job succeeded.",
    Exit.FAILED: "The watched job failed; or a check (doctor, db check) found something; or Holdfast itself failed.",
    Exit.USAGE: "The command, an argument or a setting cannot be used; nothing was done.",
    Exit.NOT_FOUND: "There is no such job, type, queue or worker.",
    Exit.FORBIDDEN: "Not signed in, or not allowed.",
    Exit.CONFLICT: "The state of the job does not allow it, or changed meanwhile; nothing was done.",
    Exit.PARTLY: "Some of many were not done; the others were.",
    Exit.CANCELLED: "The watched job was cancelled.",
    Exit.UNREACHABLE: "The server or the storage does not answer; safe to repeat.",
    Exit.TIMEOUT: "The time to wait was over; the job goes on.",
    Exit.INTERRUPTED: "Ctrl-C. A watched job goes on.",
}


class Trouble(Exception):
    """A command cannot be done: `what` happened, `cure` (what to do), and the exit code."""

    def __init__(self, what: str, cure: str = "", exit: Exit = Exit.USAGE) -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure
        self.exit = exit


def trouble_of(error: Exception) -> Trouble | None:
    """The trouble that an error of Holdfast means on the command line; None for an error that nobody expected."""
    from holdfast.core import errors as e

    if isinstance(error, Trouble):
        return error
    if isinstance(error, e.ConfigurationError):
        return _configuration(error)
    if not isinstance(error, e.HoldfastError):
        return None
    for kind, exit, cure in (
        (e.UnknownJobType, Exit.NOT_FOUND, "List what is known: holdfast type list"),
        (e.InvalidArguments, Exit.USAGE, "See what the type takes: holdfast type show TYPE"),
        (e.InvalidQuery, Exit.USAGE, "For example: state:failed type:report.* created:>2h"),
        (e.InvalidInput, Exit.USAGE, ""),
        (e.NotFound, Exit.NOT_FOUND, ""),
        (e.Conflict, Exit.CONFLICT, ""),
        (e.WaitTimeout, Exit.TIMEOUT, "Wait longer: holdfast job wait ID --timeout 10m"),
        (e.StorageUnavailable, Exit.UNREACHABLE, "Find out more: holdfast doctor"),
        (e.StorageRefused, Exit.UNREACHABLE, "Find out more: holdfast doctor"),
    ):
        if isinstance(error, kind):
            return Trouble(error.detail, cure, exit)
    return Trouble(error.detail, "", Exit.FAILED)


def _configuration(error: Exception) -> Trouble:
    from holdfast.core.errors import ConfigurationError

    assert isinstance(error, ConfigurationError)
    lines = [f"{'.'.join(map(str, problem.loc))}: {problem.msg}" for problem in error.problems]
    cures = {
        "app": "Name it as --app module:attribute; the module is looked for in this folder too.",
        "host": "For example: HOLDFAST_HOST=127.0.0.1",
        "port": "For example: HOLDFAST_PORT=8601, or 0 for any that is free.",
    }
    general = "Correct it in holdfast.toml or the environment, or take it out."
    return Trouble("\n".join(lines), cures.get(str(error.problems[0].loc[0]), general), Exit.USAGE)
