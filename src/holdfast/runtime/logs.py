"""The log of every process: structlog, standard logging, warnings and tracebacks in one format, on standard error."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

from holdfast.core.settings import Settings
from holdfast.runtime.output import LineStream, protect_output

JobHere = Callable[[], str | None]
"""The id of the job whose code runs here."""

log = structlog.get_logger("holdfast")


def set_up_output(settings: Settings, job_here: JobHere = lambda: None) -> None:
    """For a process that serves: output that cannot fail, then logs. With `log_format` json, what is printed becomes JSON
    lines too."""
    protect_output()
    set_up_logs(settings, job_here)
    if settings.log_format == "json":
        sys.stdout = _printed(sys.stdout, "stdout", job_here)
        sys.stderr = _printed(sys.stderr, "stderr", job_here)


def end_output() -> None:
    """Write what is not yet written, before the process ends without Python's own end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LineStream):
            stream.end()
        else:
            stream.flush()


class _LogStream(io.TextIOBase):
    """The stream that logs are written to. One that is closed or cannot be written costs the line, never its writer."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def set_up_logs(settings: Settings, job_here: JobHere = lambda: None) -> None:
    """Log to standard error, as `log_format` and `log_level` say; standard logging and warnings too.

    Control characters are escaped, so that a job name cannot forge a line. Fields bound with `structlog.contextvars` are
    part of every line; `job_here` names the job that writes it."""
    add_job = _add_job(job_here)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    render = _renderers(sys.stderr, json_lines=settings.log_format == "json")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            add_job,
            structlog.processors.add_log_level,
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _LogStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_LogStream(sys.stderr))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                add_job,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
            ],
        )
    )
    root = logging.getLogger()
    for other in [one for one in root.handlers if _writes_to_terminal(one)]:
        # of the user's program: every line would come twice, once in another format
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    if level > logging.DEBUG:
        # its start and its connections, which the supervisor reports already
        logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))
    if settings.log_format == "json":
        _log_uncaught()


def _writes_to_terminal(handler: logging.Handler) -> bool:
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return getattr(handler, "stream", None) in streams and isinstance(handler, logging.StreamHandler)


def _renderers(stream: TextIO, *, json_lines: bool) -> list[structlog.typing.Processor]:
    renderer = (
        structlog.processors.JSONRenderer()
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _one_line,
        renderer,
    ]


def _add_job(job_here: JobHere) -> structlog.typing.Processor:
    """Lines that a job writes name it."""

    def add(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if (job := job_here()) is not None:
            event.setdefault("job", job)
        return event

    return add


def _one_line(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for key, value in event.items():
        if key != "exception" and isinstance(value, str) and not value.isprintable():
            event[key] = value.encode("unicode_escape").decode("ascii")
    return event


def _printed(stream: TextIO, name: str, job_here: JobHere) -> LineStream:
    """A stream in the place of `stream` that writes each line as JSON, whatever the log level."""
    logger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_job(job_here),
            structlog.processors.add_log_level,
            *_renderers(stream, json_lines=True),
        ],
        wrapper_class=structlog.BoundLogger,
        stream=name,
    )
    return LineStream(stream, logger.info)


def _log_uncaught() -> None:
    """Exceptions that Python would print are one line of the log."""

    def uncaught(*error: Any) -> None:
        log.critical("uncaught exception", exc_info=error)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else ""
            error = (args.exc_type, args.exc_value, args.exc_traceback)
            log.critical("uncaught exception in a thread", thread=name, exc_info=error)

    def unraisable(args: Any) -> None:
        error = (args.exc_type, args.exc_value, args.exc_traceback)
        log.error(args.err_msg or "exception ignored", object=repr(args.object), exc_info=error)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
