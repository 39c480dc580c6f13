"""This exists so that jobs can be found and read: the overview, the list with its filter, one job, its console as a file."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from holdfast.client.views import JobPage, JobView
from holdfast.core.errors import InvalidInput, InvalidQuery, NotFound
from holdfast.core.query import Query, link_term, term
from holdfast.web.dashboard.code import as_code
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.first_page import first_page, is_first
from holdfast.web.dashboard.format import number, size, words
from holdfast.web.dashboard.job_page import console, log_entry, page_title, panels
from holdfast.web.dashboard.lists import Pager, SortLink, chips_of, tabs_of
from holdfast.web.dashboard.looks import LOOKS, TABS
from holdfast.web.dashboard.markup import json_html
from holdfast.web.dashboard.overview_page import SPANS, overview_page
from holdfast.web.dashboard.pages import Frame, frame_of
from holdfast.web.dashboard.present import column_html, shown, shown_all
from holdfast.web.dashboard.view import View

DEFAULT_SORT = "-created"
PAGE_SIZE = 50
_ID_MIN = 8


@dataclass(frozen=True, slots=True)
class BulkButton:
    """A button of the selection bar."""

    key: str
    word: str
    danger: bool = False


BULK = (
    BulkButton("pause", "Pause"),
    BulkButton("resume", "Resume"),
    BulkButton("retry", "Retry"),
    BulkButton("cancel", "Cancel…", True),
    BulkButton("delete", "Delete…", True),
)


def add_job_routes(router: APIRouter, desk: Desk) -> None:
    """The pages that show jobs."""

    @router.get("/")
    def overview(request: Request, range: str = "1h") -> Response:
        frame = frame_of(desk, request)
        if is_first(desk):
            return frame.render("overview_first.html", "overview", first=first_page(desk, frame.view))
        span = range if range in SPANS else "1h"
        ranges = [
            {"word": word, "href": frame.view.url(range=key), "current": key == span}
            for key, (word, _, _) in SPANS.items()
        ]
        return frame.render(
            "overview.html",
            "overview",
            overview=overview_page(desk, frame.view, span),
            ranges=ranges,
            span=span,
            failed_href=frame.view.url("jobs", state="failed"),
            running_href=frame.view.url("jobs", state="processing"),
        )

    @router.get("/find")
    def find(request: Request, q: str = "") -> Response:
        frame = frame_of(desk, request)
        found = _by_id(desk, q.strip())
        return RedirectResponse(frame.view.url("jobs", found) if found else frame.view.url("jobs", q=q), 303)

    @router.get("/jobs")
    def jobs(
        request: Request,
        q: str = "",
        add: str = "",
        state: str = "",
        sort: str = DEFAULT_SORT,
        cursor: str = "",
        peek: str = "",
        text: str = "",
    ) -> Response:
        frame = frame_of(desk, request)
        return _jobs(frame, q, add, state, sort, cursor, peek, as_text=bool(text))

    @router.get("/jobs/{job_id}")
    def job(request: Request, job_id: str, after: int | None = None) -> Response:
        frame = frame_of(desk, request)
        return _job(frame, desk.client.job(job_id), after)

    @router.get("/jobs/{job_id}/log.txt")
    def log(job_id: str) -> Response:
        desk.client.job(job_id)
        headers = {
            "Content-Disposition": f'attachment; filename="job-{job_id[-12:]}.log"',
            "Cache-Control": "no-store",
        }
        return StreamingResponse(
            _whole_log(desk, job_id), media_type="text/plain; charset=utf-8", headers=headers
        )


def _whole_log(desk: Desk, job_id: str) -> Iterator[str]:
    after = 0
    while True:
        page = desk.client.logs(job_id, after=after, limit=500)
        for line in page.items:
            entry = log_entry(line)
            yield f"{line.at.isoformat()} {entry.level:<5} {line.message}{' ' + entry.fields if entry.fields else ''}\n"
        if len(page.items) < 500:
            return
        after = page.next_after


def _by_id(desk: Desk, text: str) -> str:
    """The id of the one job that `text` means: its whole id, or enough of it."""
    if len(text) < _ID_MIN or len(text) > 60 or not all(c.isalnum() or c == "-" for c in text):
        return ""
    try:
        return desk.client.job(text.lower()).id
    except NotFound:
        pass
    try:
        found = desk.overview.search(desk.overview.query(term("id", text.lower()) + "*"), limit=2).items
    except InvalidQuery:
        return ""
    return found[0].id if len(found) == 1 else ""


def _jobs(
    frame: Frame, q: str, add: str, state: str, sort: str, cursor: str, peek: str, *, as_text: bool
) -> Response:
    desk, view = frame.desk, frame.view
    zone = ZoneInfo(view.zone)
    source = " ".join(part for part in (q, add) if part)
    problem = ""
    try:
        query = desk.overview.query(source, zone=zone)
        if state and state not in TABS:
            raise InvalidQuery(f"There is no tab {state[:40]!r}; tabs are {', '.join(TABS)}")
    except InvalidQuery as error:
        problem, query, state = error.detail, desk.overview.query("", zone=zone), ""
    else:
        # one address for one search: words added in the box, and another spelling, become the canonical text
        if add or (query.text != q and not as_text):
            return RedirectResponse(
                view.url("jobs", q=query.text, state=state, sort="" if sort == DEFAULT_SORT else sort), 303
            )
    full = desk.overview.query(
        f"({query.text}) state:{state}"
        if query.text and state
        else query.text or (f"state:{state}" if state else ""),
        zone=zone,
    )
    try:
        page = (
            JobPage(items=[])
            if problem
            else desk.overview.search(full, sort=sort, limit=PAGE_SIZE, cursor=cursor or None)
        )
    except InvalidInput as error:
        problem, page = error.detail, JobPage(items=[])
    counts = desk.overview.count_by_state(query)
    tabs, total = tabs_of(counts, query.text, state, view)
    current = next((tab for tab in tabs if tab.current), tabs[0])
    # the counts of the tabs leave out a state that the search itself names
    counted = desk.overview.count(full) if "state:" in query.text else current
    asked_sort = "" if sort == DEFAULT_SORT else sort

    def link(**more: Any) -> str:
        return view.url("jobs", **{"q": query.text, "state": state, "sort": asked_sort, **more})

    rows = shown_all(page.items)
    pager = Pager(
        _pager_words(len(rows), counted.count, counted.capped, page, first=not cursor),
        link() if cursor else "",
        link(cursor=page.previous_cursor) if page.previous_cursor else "",
        link(cursor=page.next_cursor) if page.next_cursor else "",
    )
    only = next((one for one in desk.overview.types() if query.text == link_term("type", one.name)), None)
    peeked = _peek(frame, peek, link(cursor=cursor)) if peek else None
    return frame.render(
        "jobs.html",
        "jobs",
        status=422 if problem else 200,
        q=source if problem else query.text,
        problem=problem,
        state=state,
        sort=sort,
        default_sort=DEFAULT_SORT,
        as_text=as_text,
        chips=chips_of(query, state, asked_sort, view),
        hint=_hint(query, counted.count, counted.capped, page),
        tabs=tabs,
        total=total,
        tab=LOOKS[state].word.lower() if state else "",
        page_count=words(counted.count, "job"),
        rows=rows,
        first=not cursor,
        full_q=full.text,
        peek=peeked,
        pager=pager,
        total_known=True,
        total_text=number(counted.count) + ("+" if counted.capped else ""),
        sorts=_sorts(sort, link),
        actions=BULK,
        text_href=link(text="1"),
        clear_href=view.url("jobs", state=state),
        new_href=view.url("types", only.name, "new") if only else view.url("types"),
        example=_example(desk),
    )


def _sorts(sort: str, link: Any) -> list[SortLink]:
    plain = sort.lstrip("-")
    order = "descending" if sort.startswith("-") else "ascending"
    other = plain if sort.startswith("-") else f"-{plain}"
    word = {
        "created": "Created",
        "finished": "Finished",
        "run_at": "Run at",
        "priority": "Priority",
        "duration": "Duration",
    }.get(plain)
    return [SortLink(word or "Created", link(sort=other if word else ""), order)]


def _hint(query: Query, count: int, capped: bool, page: JobPage) -> str:
    parts = list(query.explain)
    if query.text:
        more = "at least " if capped else ""
        parts.append(f"{more}{words(count, 'job matches', 'jobs match')}".capitalize() + ".")
    if page.searched is not None:
        narrower = "Add type: or created: to look at fewer."
        parts.append(
            f"{', '.join(query.unindexed)} has no index: the newest {number(page.searched)} jobs were searched. {narrower}"
        )
    return " ".join(part if part.endswith(".") else part + "." for part in parts)


def _pager_words(shown_rows: int, count: int, capped: bool, page: JobPage, *, first: bool) -> str:
    total = number(count) + ("+" if capped else "")
    if first and page.next_cursor is None:
        return words(shown_rows, "job")
    return f"1–{shown_rows} of {total}" if first else f"{words(shown_rows, 'job')} of {total}"


def _example(desk: Desk) -> dict[str, str]:
    local = next(iter(desk.client.catalogue.registry), None)
    if local is None:
        return {"module": "your_module", "name": "count_to"}
    return {
        "module": local.source.__module__,
        "name": local.name if local.name.isidentifier() else local.source.__name__,
    }


def _peek(frame: Frame, job_id: str, close: str) -> dict[str, Any] | None:
    desk = frame.desk
    try:
        job = desk.client.job(job_id)
    except NotFound:
        return None
    lines = [log_entry(line) for line in desk.client.logs(job_id, after=-5, limit=5).items]
    return {
        "job": shown(job, worker_name=desk.worker_name(job)),
        "lines": list(reversed(lines)),
        "close": close,
    }


def _job(frame: Frame, job: JobView, after: int | None) -> Response:
    desk, view = frame.desk, frame.view
    page = panels(desk, job, view)
    options = {
        key: value
        for key, value in (
            ("queue", job.queue),
            ("priority", job.priority),
            ("tags", job.tags),
            ("owner", job.owner),
        )
        if value
    }
    text = str(json_html(job.args))
    return frame.render(
        "job.html",
        "jobs",
        job=page.job,
        page_title=page_title(page.job),
        strip=page.strip,
        left=page.left,
        saved=page.saved,
        trace=page.trace,
        timeline=page.timeline,
        console=console(desk, job, view, after),
        args_html=column_html(job, "args", job.args),
        args_size=size(len(text)) if len(text) > 10_000 else "",
        code=as_code(job.type, job.args, options, address(frame.request, view)),
        type_search=link_term("type", job.type),
    )


def address(request: Request, view: View) -> str:
    """The address of this server with its prefix, as the viewer reaches it."""
    return f"{request.url.scheme}://{request.url.netloc}{view.base}"
