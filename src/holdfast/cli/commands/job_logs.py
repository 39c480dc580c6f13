"""The log lines of a job: all of them, the last ones, or live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from holdfast.cli.backend.protocol import Backend
from holdfast.cli.commands.job_wait import POLL_INTERVAL, OutageTimer, interrupted, poll_job
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.cli.format.job_text import printable
from holdfast.cli.format.output import Writer, as_json, as_row, as_text, picked, say
from holdfast.client.views import LogPage, LogView
from holdfast.core.states import FINAL_STATES

LEVELS = ("debug", "info", "warning", "error", "critical")
PAGE = 500
FIELDS = ("n", "at", "level", "message")


def show_logs(
    backend: Backend, writer: Writer, job_id: str, *, follow: bool, tail: int | None, level: str | None
) -> int:
    """Write the log lines of a job; with `follow` until the job has finished."""
    if level is not None and level.lower() not in LEVELS:
        raise CliError(f"Unknown level {level!r}.", f"Levels: {', '.join(LEVELS)}")
    if follow and writer.common.json:
        raise CliError("--json cannot be combined with --follow.", "Use: --follow --ndjson")
    wanted = LEVELS[LEVELS.index(level.lower()) :] if level else ()
    first = _tail(backend, job_id, tail) if tail is not None else backend.logs(job_id, after=0, limit=PAGE)
    if writer.common.json:
        items = [line for line in [*first.items, *_rest(backend, job_id, first)] if _fits(line, wanted)]
        writer.many(items, (), key="n", document=LogPage(items=items, next_after=items[-1].n if items else 0))
        return ExitCode.DONE
    try:
        _write_all(backend, writer, job_id, first, wanted, follow=follow)
    except KeyboardInterrupt:
        say(interrupted([job_id]))
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def line_text(line: LogView, *, utc: bool) -> str:
    """The text of a log line: 14:03:21 INFO  wrote part 3  part=3."""
    at = line.at.astimezone(UTC if utc else None)
    fields = "".join(f"  {name}={as_text(value)}" for name, value in (line.fields or {}).items())
    return f"{at:%H:%M:%S} {line.level.upper():<7} {printable(line.message)}{fields}"


def _tail(backend: Backend, job_id: str, tail: int) -> LogPage:
    if tail == 0:  # no existing lines; continue after the last one
        last = backend.logs(job_id, after=-1, limit=1)
        return LogPage(items=[], next_after=last.next_after)
    return backend.logs(job_id, after=-min(tail, PAGE), limit=PAGE)


def _rest(backend: Backend, job_id: str, first: LogPage) -> list[LogView]:
    found: list[LogView] = []
    page = first
    while page.items:
        page = backend.logs(job_id, after=page.next_after, limit=PAGE)
        found += page.items
    return found


def _write_all(
    backend: Backend, writer: Writer, job_id: str, page: LogPage, wanted: Sequence[str], *, follow: bool
) -> None:
    outage = OutageTimer()
    ended = False
    with backend.listen(f"id:{job_id}") as changes:
        while True:
            for line in page.items:
                if _fits(line, wanted):
                    _write(writer, line)
            if not page.items:
                if ended or not follow:
                    return
                job = poll_job(backend, job_id, outage)
                # read once more when it has finished: lines may have arrived with the end
                ended = job is not None and job.state in FINAL_STATES
                if not ended:
                    changes.wait(POLL_INTERVAL)
            page = backend.logs(job_id, after=page.next_after, limit=PAGE)


def _fits(line: LogView, wanted: Sequence[str]) -> bool:
    return not wanted or line.level.lower() in wanted or line.level.lower() not in LEVELS


def _write(writer: Writer, line: LogView) -> None:
    common = writer.common
    row = as_row(line)
    names = [name for name in (common.fields or "").split(",") if name]
    if common.ids:
        writer.lines([str(line.n)])
    elif common.ndjson:
        writer.lines([as_json(picked(row, names))])
    elif writer.terminal and not names:
        writer.lines([line_text(line, utc=common.utc)])
    else:
        writer.cells(row.get(name) for name in names or FIELDS)
