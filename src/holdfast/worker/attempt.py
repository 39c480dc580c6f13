"""The result of an attempt as a value: what the function of the job did (returned, raised, was interrupted)."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from holdfast.client.task import dump_result
from holdfast.context.worker_link import Flags, WorkerLink
from holdfast.core.errors import (
    CheckpointMismatch,
    InvalidArguments,
    InvalidInput,
    LeaseLost,
    StorageUnavailable,
    TooLarge,
)
from holdfast.core.outcome import (
    AttemptResult,
    Cancel,
    ErrorInfo,
    Fail,
    Interrupted,
    ResultKind,
    Retry,
    Snooze,
)
from holdfast.core.retry import read_delay
from holdfast.core.sizes import MAX_NAME, MAX_REASON, MAX_TRACEBACK, clean_text

MAX_MESSAGE = 4_000

STORE_PAUSE = 1.0
"""Seconds after which a job that could not save runs again. Its settlement is stored before, which waits for the store."""

_ONE_KIND = (Snooze, StorageUnavailable, Retry, Cancel, Fail, CheckpointMismatch, InvalidInput)
"""What a group of exceptions may consist of to count as one of them."""

Group = BaseExceptionGroup[BaseException]

_OURS = str(Path(__file__).parent)


def returned(value: Any, port: WorkerLink, because: str | None = None) -> AttemptResult:
    """The result of a function that returned `value`. A return after an interruption, or after the function was ended by
    force (`because`), is no success: the function may have swallowed it in the middle of its work."""
    if because is not None:
        warn(port, f"the job returned although it had been ended by force ({because}); its result is dropped")
        return AttemptResult(ResultKind.INTERRUPTED, reason=because)
    if port.flags.heard:
        return _interrupted(port)
    try:
        return success(value)
    except (
        BaseException
    ) as error:  # of a property or serializer of the user's own class, or force that comes just now
        return raised(error, port)


def raised(error: BaseException, port: WorkerLink, because: str | None = None) -> AttemptResult:
    """The result of a function that raised `error`, after it was ended by force (`because`) or not."""
    ended = ending(error, stopping=because is not None or port.flags.heard)
    if ended.end is ResultKind.FAILED and _comes_from_interruption(error):
        warn(port, f"the job was interrupted and raised this; {_what_follows(port.flags)}", error)
        ended = AttemptResult(ResultKind.INTERRUPTED)
    return ended._replace(reason=because) if ended.end is ResultKind.INTERRUPTED else ended


def conclude(ended: AttemptResult, port: WorkerLink) -> AttemptResult:
    """The result of an attempt when all that its function had started has ended too. Takes the last snapshot for the
    report."""
    if ended.end is ResultKind.SUCCEEDED and port.flags.heard:
        ended = _interrupted(port)
    if port.memory is None or ended.end is ResultKind.LOST or port.flags.lost:
        return ended
    refused = port.memory.end()
    if refused is None:
        return ended
    # it would continue from a state that is not stored
    if ended.end in (ResultKind.SNOOZE, ResultKind.RETRY, ResultKind.INTERRUPTED):
        return AttemptResult(
            ResultKind.FAILED_FOR_GOOD, error=ErrorInfo("InvalidInput", refused), reason="saved state refused"
        )
    warn(port, f"the state of the job could not be saved: {refused}")
    return ended


def warn(port: WorkerLink, message: str, error: BaseException | None = None) -> None:
    """Log a line to the job's console."""
    if error is not None:
        message = f"{message}\n{error_info(error).traceback}"
    port.log(time.time_ns() // 1_000, "warning", message, None)


def success(value: Any) -> AttemptResult:
    """The result of a function that returned `value`; a value that cannot be stored is a failure with that reason."""
    try:
        return AttemptResult(ResultKind.SUCCEEDED, result=dump_result(value))
    except InvalidInput as error:
        return AttemptResult(ResultKind.FAILED_FOR_GOOD, error=error_info(error), reason="result refused")


def encode(value: Any, what: str) -> str:
    """The result of a step, or of a call of map, as JSON text by the rules for the result of a job. Raises InvalidInput or
    TooLarge."""
    try:
        return dump_result(value)
    except TooLarge as error:
        raise TooLarge(f"{what}: {error}", error.problems) from None
    except Exception as error:  # a property or serializer of the user's own class may raise anything
        problems = error.problems if isinstance(error, InvalidInput) else ()
        raise InvalidInput(f"{what}: cannot be stored as JSON: {_message(error)}", problems) from error


def ending(error: BaseException, *, stopping: bool = False) -> AttemptResult:
    """The result of a function that raised `error`. `stopping`: the attempt was interrupted or ended by force before, so a
    CancelledError is part of that."""
    try:
        return _ending(error, stopping)
    except (
        Exception
    ):  # an exception may be made of anything: without the attributes of its class, for example
        return AttemptResult(ResultKind.FAILED, error=error_info(error))


def _ending(error: BaseException, stopping: bool) -> AttemptResult:
    match error:
        case BaseExceptionGroup():
            return _group_ending(error, stopping)
        case Interrupted():
            return AttemptResult(ResultKind.INTERRUPTED)
        case asyncio.CancelledError() if stopping:
            return AttemptResult(ResultKind.INTERRUPTED)
        case LeaseLost():
            return AttemptResult(ResultKind.LOST)
        case Snooze():
            return _delayed(ResultKind.SNOOZE, error, error.delay)
        case StorageUnavailable():  # a checkpoint was not stored, which does not count as an attempt
            return AttemptResult(
                ResultKind.SNOOZE,
                error=error_info(error),
                delay=STORE_PAUSE,
                reason="the store did not answer",
            )
        case Retry():
            if error.delay is None:
                return AttemptResult(ResultKind.RETRY, error=error_info(error))
            return _delayed(ResultKind.RETRY, error, error.delay)
        case Cancel():
            return AttemptResult(ResultKind.CANCELLED, reason=_reason(error.reason))
        case Fail():
            return AttemptResult(
                ResultKind.FAILED_FOR_GOOD, error=error_info(error), reason=_reason(error.reason)
            )
        case InvalidArguments():
            return AttemptResult(
                ResultKind.FAILED_FOR_GOOD, error=error_info(error), reason="arguments refused"
            )
        case InvalidInput():  # another attempt would pass the same
            return AttemptResult(ResultKind.FAILED_FOR_GOOD, error=error_info(error), reason="invalid input")
        case CheckpointMismatch():
            return AttemptResult(
                ResultKind.FAILED_FOR_GOOD, error=error_info(error), reason="checkpoint mismatch"
            )
        case _:
            return AttemptResult(ResultKind.FAILED, error=error_info(error))


def _delayed(end: ResultKind, error: BaseException, delay: float | str | timedelta) -> AttemptResult:
    """The result of an attempt that asks for another one after `delay`. A delay that cannot be used fails the attempt."""
    try:
        seconds = read_delay(delay)
    except Exception as refused:
        return AttemptResult(
            ResultKind.FAILED,
            error=noted(error_info(error), f"its delay cannot be used: {_message(refused)}"),
        )
    return AttemptResult(end, error=error_info(error) if end is ResultKind.RETRY else None, delay=seconds)


def noted(error: ErrorInfo, note: str) -> ErrorInfo:
    """`error` with a note after its message."""
    return ErrorInfo(error.type, clean_text(f"{error.message} ({note})", MAX_MESSAGE), error.traceback)


def _reason(value: object) -> str:
    return clean_text(_text(value), MAX_REASON)


def _group_ending(group: Group, stopping: bool) -> AttemptResult:
    """A group whose exceptions all mean the same is treated as one of them; any other group is a failure."""
    leaves = list(_leaves(group))
    interrupted = [leaf for leaf in leaves if isinstance(leaf, Interrupted)]
    echoes = [
        leaf for leaf in leaves if isinstance(leaf, asyncio.CancelledError) and (stopping or interrupted)
    ]
    lost = [leaf for leaf in leaves if isinstance(leaf, LeaseLost)]
    if len(interrupted) + len(echoes) + len(lost) == len(leaves):
        return AttemptResult(ResultKind.LOST if lost else ResultKind.INTERRUPTED)
    for kind in _ONE_KIND:
        if all(isinstance(leaf, kind) for leaf in leaves):
            return ending(leaves[0])
    return AttemptResult(ResultKind.FAILED, error=error_info(group))


def _leaves(group: Group) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(cast(Group, error))
        else:
            yield error


def _comes_from_interruption(error: BaseException) -> bool:
    """Whether it was raised while an interruption was handled; of a group, each of its exceptions."""
    if issubclass(type(error), BaseExceptionGroup):
        return all(_comes_from_interruption(leaf) for leaf in _leaves(cast(Group, error)))
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if issubclass(type(one), Interrupted):
            return True
        seen.add(id(one))
        waiting += [
            other for other in (_cause(one), _context(one)) if other is not None and id(other) not in seen
        ]
    return False


def _interrupted(port: WorkerLink) -> AttemptResult:
    warn(port, f"the job returned although it had been interrupted; {_what_follows(port.flags)}")
    return AttemptResult(ResultKind.INTERRUPTED)


def _what_follows(flags: Flags) -> str:
    if flags.cancel:
        return "it is cancelled"
    if flags.stop and not flags.pause:
        return "it is released at its checkpoint"
    return "it is paused at its checkpoint"


def error_info(error: BaseException) -> ErrorInfo:
    """An exception as text: class, message, traceback without our own frames and without local values. Never raises, not
    even for an exception whose own methods do."""
    name, message = _class_name(type(error)), _message(error)
    place = _traceback(error)
    while (
        place is not None
        and place.tb_next is not None
        and place.tb_frame.f_code.co_filename.startswith(_OURS)
    ):
        place = place.tb_next
    try:
        lines = traceback.format_exception(type(error), error, place)
    except Interrupted:
        raise
    except BaseException:  # its cause, its context or its notes cannot be read: at least where it was raised
        lines = [*traceback.format_tb(place), f"{name}: {message}\n"]
    return ErrorInfo(
        clean_text(name, MAX_NAME),
        clean_text(message, MAX_MESSAGE),
        clean_text("".join(lines), MAX_TRACEBACK),
    )


# The attributes of the exception itself: a class may put properties of its own over them, and these may raise.
_traceback = cast(
    "Callable[[BaseException], TracebackType | None]", vars(BaseException)["__traceback__"].__get__
)
_cause = cast("Callable[[BaseException], BaseException | None]", vars(BaseException)["__cause__"].__get__)
_context = cast("Callable[[BaseException], BaseException | None]", vars(BaseException)["__context__"].__get__)


def _class_name(kind: type[BaseException]) -> str:
    """The name of a class with its module, where that is none of ours and known."""
    try:
        name, module = kind.__qualname__, cast(object, kind.__module__)
    except Exception:  # of the metaclass
        return type.__repr__(kind)
    known = (
        not isinstance(module, str) or module in ("builtins", "__main__") or module.startswith("holdfast.")
    )
    return name if known else f"{module}.{name}"


def _message(error: BaseException) -> str:
    return _text(error, "no message: ")


def _text(value: object, label: str = "") -> str:
    """`str(value)` that never fails: the user's own __str__ must not hide the failure that it is part of."""
    try:
        return str.__str__(str(value))
    except Interrupted:
        raise
    except BaseException as broken:
        return f"({label}its __str__ raised {type(broken).__name__})"
