"""The console of a job, written with `logging` calls."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from holdfast.context.saved import compact
from holdfast.context.worker_link import WorkerLink
from holdfast.core.sizes import MAX_LOG_LEVEL, MAX_LOG_LINE, clean_text

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def console_logger(name: str, port: WorkerLink) -> logging.Logger:
    """A logger of its own, outside the logging tree: what is written to it reaches the job's console and nothing else."""
    logger = logging.Logger(name, logging.DEBUG)
    logger.propagate = False
    logger.addHandler(_ConsoleHandler(port))
    return logger


class ConsoleLine(NamedTuple):
    """What `WorkerLink.log` takes."""

    at: int
    level: str
    message: str
    fields: str | None


def console_line(record: logging.LogRecord) -> ConsoleLine:
    """A record as one line. It is mended and cut rather than refused: logging never fails a job."""
    try:
        message = str(record.getMessage())
    except (
        Exception
    ) as error:  # wrong arguments for the format, or one without a text: say so and show what there is
        message = (
            f"{shown(record.msg)} with {_arguments(record)} ({type(error).__name__}: {shown(error, str)})"
        )
    if record.exc_info:
        message = f"{message}\n{_traceback(record)}"
    level = clean_text(shown(cast(object, record.levelname), str).lower(), MAX_LOG_LINE)[:MAX_LOG_LEVEL]
    return ConsoleLine(
        int(record.created * 1_000_000), level, clean_text(message, MAX_LOG_LINE), _fields(record)
    )


def shown(value: object, how: Callable[[object], str] = repr) -> str:
    """The text of any value; of one that has none, what it is and why."""
    try:
        return how(value)
    except Exception as error:
        return f"<{type(value).__name__} object, its __{how.__name__}__ raised {type(error).__name__}>"


def _arguments(record: logging.LogRecord) -> str:
    if isinstance(record.args, tuple):
        return f"({', '.join(map(shown, record.args))})"
    return shown(record.args)


class _ConsoleHandler(logging.Handler):
    """Hands each record up as one line."""

    def __init__(self, port: WorkerLink) -> None:
        super().__init__()
        self._port = port

    def emit(self, record: logging.LogRecord) -> None:
        self._port.log(*console_line(record))


def is_console(logger: logging.Logger) -> bool:
    """Whether it is a logger of `console_logger`."""
    return any(isinstance(handler, _ConsoleHandler) for handler in logger.handlers)


def _traceback(record: logging.LogRecord) -> str:
    try:
        return logging.Formatter().formatException(cast(Any, record.exc_info))
    except Exception as error:
        return f"(no traceback: {type(error).__name__})"


def _fields(record: logging.LogRecord) -> str | None:
    """What came as `extra=`, as JSON text. What is not JSON is shown as text; what is too long is cut and called so."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if not extra:
        return None
    text = clean_text(compact(_mended(extra)), 10 * MAX_LOG_LINE)
    return text if len(text) <= MAX_LOG_LINE else compact({"cut": clean_text(text, MAX_LOG_LINE)})


def _mended(value: dict[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(value, default=lambda item: shown(item, str), allow_nan=False))
    except (TypeError, ValueError, RecursionError):  # a key that is not text, NaN, a ring of references
        return {
            clean_text(shown(name, str), 200): clean_text(shown(item), MAX_LOG_LINE)
            for name, item in value.items()
        }
