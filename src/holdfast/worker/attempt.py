"""This exists so that whatever a job function does (return, raise, be interrupted) becomes one value, in every executor."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any

from holdfast.client.task import dump_result
from holdfast.core.errors import InvalidArguments, InvalidInput, LeaseLost, StorageUnavailable
from holdfast.core.limits import MAX_TRACEBACK, clean_text
from holdfast.core.outcome import Cancel, End, Ended, ErrorInfo, Fail, Interrupted, Retry, Snooze

MAX_MESSAGE = 4_000

STORE_PAUSE = 1.0
"""Seconds after which a job that could not save comes again. Its end has to be stored first, which waits for the store."""

_OURS = str(Path(__file__).parent)


def success(value: Any) -> Ended:
    """The end of a function that returned `value`; a value that cannot be kept is a failure that says so."""
    try:
        return Ended(End.SUCCEEDED, result=dump_result(value))
    except InvalidInput as error:
        return Ended(End.FAILED_FOR_GOOD, error=error_info(error), reason="result refused")


def ending(error: BaseException) -> Ended:
    """The end of a function that raised `error`."""
    match error:
        case Interrupted():
            return Ended(End.INTERRUPTED)
        case LeaseLost():
            return Ended(End.LOST)
        case Snooze():
            return Ended(End.SNOOZE, delay=error.delay)
        case StorageUnavailable():  # a checkpoint was refused: the fault of nobody, so it costs no attempt
            return Ended(
                End.SNOOZE, error=error_info(error), delay=STORE_PAUSE, reason="the store did not answer"
            )
        case Retry():
            return Ended(End.RETRY, error=error_info(error), delay=error.delay)
        case Cancel():
            return Ended(End.CANCELLED, reason=error.reason)
        case Fail():
            return Ended(End.FAILED_FOR_GOOD, error=error_info(error), reason=error.reason)
        case InvalidArguments():
            return Ended(End.FAILED_FOR_GOOD, error=error_info(error), reason="arguments refused")
        case asyncio.CancelledError():
            return Ended(End.INTERRUPTED)
        case _:
            return Ended(End.FAILED, error=error_info(error))


def error_info(error: BaseException) -> ErrorInfo:
    """An exception as text: class, message, traceback without our own frames and without local values."""
    kind = type(error)
    known = kind.__module__ in ("builtins", "__main__") or kind.__module__.startswith("holdfast.")
    name = kind.__qualname__ if known else f"{kind.__module__}.{kind.__qualname__}"
    place = error.__traceback__
    while (
        place is not None
        and place.tb_next is not None
        and place.tb_frame.f_code.co_filename.startswith(_OURS)
    ):
        place = place.tb_next
    lines = traceback.format_exception(kind, error, place)
    return ErrorInfo(
        name, clean_text(_message(error), MAX_MESSAGE), clean_text("".join(lines), MAX_TRACEBACK)
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # the user's own __str__ must not hide the failure that it tells of
        return f"(no message: its __str__ raised {type(broken).__name__})"
