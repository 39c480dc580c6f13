"""This exists so that the console of a job is read in a terminal, as a whole or while it grows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from holdfast.cli.desk import Desk
from holdfast.cli.exits import Exit, Trouble
from holdfast.cli.output import Writer, as_json, as_row, as_text, picked, say
from holdfast.cli.waiting import LOOK_AGAIN, Patience, interrupted, look
from holdfast.cli.words import printable
from holdfast.client.views import LogPage, LogView
from holdfast.core.states import FINAL_STATES

LEVELS = ("debug", "info", "warning", "error", "critical")
PAGE = 500
FIELDS = ("n", "at", "level", "message")


def show_logs(
    desk: Desk, writer: Writer, job_id: str, *, follow: bool, tail: int | None, level: str | None
) -> int:
    """Write the console of a job; with `follow` until the job has ended."""
    if level is not None and level.lower() not in LEVELS:
        raise Trouble(f"There is no level {level!r}.", f"Levels are: {', '.join(LEVELS)}")
    if follow and writer.common.json:
        raise Trouble("--json is one document and cannot follow.", "Write: --follow --ndjson")
    wanted = LEVELS[LEVELS.index(level.lower()) :] if level else ()
    first = _tail(desk, job_id, tail) if tail is not None else desk.logs(job_id, after=0, limit=PAGE)
    if writer.common.json:
        items = [line for line in [*first.items, *_rest(desk, job_id, first)] if _fits(line, wanted)]
        writer.many(items, (), key="n", document=LogPage(items=items, next_after=items[-1].n if items else 0))
        return Exit.DONE
    try:
        _write_all(desk, writer, job_id, first, wanted, follow=follow)
    except KeyboardInterrupt:
        say(interrupted([job_id]))
        return Exit.INTERRUPTED
    return Exit.DONE


def line_words(line: LogView, *, utc: bool) -> str:
    """A console line for a person: 14:03:21 INFO  wrote part 3  part=3."""
    at = line.at.astimezone(UTC if utc else None)
    fields = "".join(f"  {name}={as_text(value)}" for name, value in (line.fields or {}).items())
    return f"{at:%H:%M:%S} {line.level.upper():<7} {printable(line.message)}{fields}"


def _tail(desk: Desk, job_id: str, tail: int) -> LogPage:
    if tail == 0:  # nothing of what is there, and from its end on
        last = desk.logs(job_id, after=-1, limit=1)
        return LogPage(items=[], next_after=last.next_after)
    return desk.logs(job_id, after=-min(tail, PAGE), limit=PAGE)


def _rest(desk: Desk, job_id: str, first: LogPage) -> list[LogView]:
    found: list[LogView] = []
    page = first
    while page.items:
        page = desk.logs(job_id, after=page.next_after, limit=PAGE)
        found += page.items
    return found


def _write_all(
    desk: Desk, writer: Writer, job_id: str, page: LogPage, wanted: Sequence[str], *, follow: bool
) -> None:
    patience = Patience()
    ended = False
    with desk.listen(f"id:{job_id}") as bell:
        while True:
            for line in page.items:
                if _fits(line, wanted):
                    _write(writer, line)
            if not page.items:
                if ended or not follow:
                    return
                job = look(desk, job_id, patience)
                # and one more look when it has: lines may have come with the end
                ended = job is not None and job.state in FINAL_STATES
                if not ended:
                    bell.wait(LOOK_AGAIN)
            page = desk.logs(job_id, after=page.next_after, limit=PAGE)


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
        writer.lines([line_words(line, utc=common.utc)])
    else:
        writer.cells(row.get(name) for name in names or FIELDS)
