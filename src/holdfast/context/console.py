"""This exists so that a job writes to its console with the `logging` calls that everyone knows."""

from __future__ import annotations

import json
import logging
from typing import Any

from holdfast.context.port import Port
from holdfast.context.saved import compact
from holdfast.core.limits import MAX_LOG_LINE, clean_text

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def console_logger(name: str, port: Port) -> logging.Logger:
    """A logger of its own, outside the logging tree: what is written to it reaches the job's console and nothing else."""
    logger = logging.Logger(name, logging.DEBUG)
    logger.propagate = False
    logger.addHandler(_ConsoleHandler(port))
    return logger


class _ConsoleHandler(logging.Handler):
    """Hands each record up as one line. A line is mended and cut rather than refused: logging never fails a job."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        self._port = port

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception as error:  # wrong arguments for the format: say so and show what there is
            message = f"{record.msg!r} with {record.args!r} ({type(error).__name__}: {error})"
        if record.exc_info:
            message = f"{message}\n{logging.Formatter().formatException(record.exc_info)}"
        at = int(record.created * 1_000_000)
        self._port.log(at, record.levelname.lower(), clean_text(message, MAX_LOG_LINE), _fields(record))


def _fields(record: logging.LogRecord) -> str | None:
    """What came as `extra=`, as JSON text. What is not JSON is shown as text; what is too long is cut and called so."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if not extra:
        return None
    text = clean_text(compact(_mended(extra)), 10 * MAX_LOG_LINE)
    return text if len(text) <= MAX_LOG_LINE else compact({"cut": clean_text(text, MAX_LOG_LINE)})


def _mended(value: dict[str, Any]) -> Any:
    try:
        return json.loads(json.dumps(value, default=str, allow_nan=False))
    except (TypeError, ValueError, RecursionError):  # a key that is not text, NaN, a ring of references
        return {
            clean_text(str(name), 200): clean_text(repr(item), MAX_LOG_LINE) for name, item in value.items()
        }
