"""The errors that users meet: each with a stable code and a message that names the cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where (`loc`, as a path of keys) and why (`msg`)."""

    loc: tuple[str | int, ...]
    msg: str


class HoldfastError(Exception):
    """The root of all errors that Holdfast raises on purpose. `code` is stable; `status` is its HTTP meaning."""

    code = "error"
    status = 500
    title = "Something went wrong"

    @property
    def detail(self) -> str:
        """What happened and what to do, in words for a person."""
        return str(self) or self.title


class InvalidInput(HoldfastError):
    """The input is invalid. `problems` names each path and reason."""

    code = "invalid"
    status = 422
    title = "The input is not valid"

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class InvalidArguments(InvalidInput):
    """The arguments do not fit the signature of the job type."""

    code = "invalid_arguments"
    title = "The arguments do not fit the job type"


class InvalidQuery(InvalidInput):
    """The search text cannot be read."""

    code = "invalid_query"
    title = "Invalid search query"


class TooLarge(InvalidInput):
    """A value is larger than may be stored."""

    code = "too_large"
    status = 413
    title = "Too large to store"


class UnknownJobType(InvalidInput):
    """No program that uses this store has registered the job type."""

    code = "unknown_job_type"
    title = "The job type is not known"


class NotFound(HoldfastError):
    """The job, queue, type or worker does not exist (or has been removed by its retention)."""

    code = "not_found"
    status = 404
    title = "Not found"


class Conflict(HoldfastError):
    """The state of the job does not allow the action; nothing was changed."""

    code = "conflict"
    status = 409
    title = "Action not allowed in this state"


class StorageUnavailable(HoldfastError):
    """The store cannot be reached or refuses to write. Nothing was acknowledged; the call is safe to repeat."""

    code = "storage_unavailable"
    status = 503
    title = "Storage unavailable"


class StorageRefused(HoldfastError):
    """The store must not be used as it is: a network file system, a database that is too old, a schema from the future."""

    code = "storage_refused"
    title = "The storage cannot be used"


class ConfigurationError(HoldfastError):
    """The settings are not usable; every problem is listed at once."""

    code = "configuration"
    title = "The settings are not usable"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.loc))}: {p.msg}" for p in problems))
        self.problems = tuple(problems)


class WaitTimeout(HoldfastError, TimeoutError):
    """A job did not end within the timeout; the job continues."""

    code = "wait_timeout"
    status = 504
    title = "The job has not ended yet"


class LeaseLost(HoldfastError):
    """This attempt no longer holds the job: its worker was presumed dead and another attempt may run. Stop the work."""

    code = "lease_lost"
    title = "Lease lost"


class CheckpointMismatch(HoldfastError, LookupError):
    """A saved position does not fit the code or the source any more."""

    code = "checkpoint_mismatch"
    status = 409
    title = "The saved position does not fit"


def missing_driver(setting: str, scheme: str, extra: str, error: ImportError) -> ConfigurationError:
    """The error for a URL whose driver cannot be imported: it is not installed, or something that it needs itself is not."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        reason = f"needs {error.name}, which is not installed"
    else:
        reason = f"needs a driver that cannot be imported ({_first_line(error)})"
    what = f"{scheme}:// {reason}: pip install '/path/to/holdfast[{extra}]'"
    return ConfigurationError([Problem((setting,), what)])


def _first_line(error: ImportError) -> str:
    return str(error).partition("\n")[0]
