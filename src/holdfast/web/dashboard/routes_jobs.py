"""The routes of the overview, the list of jobs, one job, and its console as a file."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from holdfast.client.views import JobPage, JobView
from holdfast.core.errors import InvalidInput, InvalidQuery, NotFound
from holdfast.core.query import Query as Search
from holdfast.core.query import UnreadableQuery, link_term, term
from holdfast.web.dashboard.code import as_code, as_command, importable
from holdfast.web.dashboard.completion import completions
from holdfast.web.dashboard.console import console, log_entry
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.first_page import first_page, is_first
from holdfast.web.dashboard.format import number, words
from holdfast.web.dashboard.job_page import page_title, panels
from holdfast.web.dashboard.lists import Numbers, Pager, SortLink, chips_of, numbers_of, tabs_of
from holdfast.web.dashboard.looks import LOOKS, TABS
from holdfast.web.dashboard.overview_page import SPANS, overview_page
from holdfast.web.dashboard.pages import Frame, frame_of
from holdfast.web.dashboard.present import json_text, shown, shown_all
from holdfast.web.dashboard.templating import macros
from holdfast.web.dashboard.view import View, view_of

Line = Annotated[int, Query(ge=0, le=2**63 - 1)]
"""The key of a console line."""

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


@dataclass(frozen=True, slots=True)
class Hint:
    """What is said below the search: how times were understood, and how many jobs match."""

    text: str = ""
    lead: str = ""
    total: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is wrong with a search, and the link to the corrected one. `found`: how many jobs that has; "" = not counted."""

    problem: str
    term: str
    href: str
    found: str


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
        last: str = "",
    ) -> Response:
        frame = frame_of(desk, request)
        return _jobs(frame, q, add, state, sort, cursor, peek, last, as_text=bool(text))

    @router.get("/complete")
    def complete(request: Request, before: str = "", after: str = "") -> Response:
        view = view_of(request)
        found = completions(desk, before, after, ZoneInfo(view.zone))
        part = str(macros("complete.html", view).listbox(found)) if found.options else ""
        return HTMLResponse(part, headers={"Cache-Control": "no-store"})

    @router.get("/jobs/{job_id}")
    def job(request: Request, job_id: str, after: Line | None = None, before: Line | None = None) -> Response:
        frame = frame_of(desk, request)
        return _job(frame, desk.client.jobs.get(job_id), after, before)


def _by_id(desk: Desk, text: str) -> str:
    """The id of the one job that `text` means: its whole id, or enough of it."""
    if len(text) < _ID_MIN or len(text) > 60 or not all(c.isalnum() or c == "-" for c in text):
        return ""
    try:
        return desk.client.jobs.get(text.lower()).id
    except NotFound:
        pass
    try:
        found = desk.client.jobs.search(desk.client.jobs.query(term("id", text.lower()) + "*"), limit=2).items
    except InvalidQuery:
        return ""
    return found[0].id if len(found) == 1 else ""


def _jobs(
    frame: Frame,
    q: str,
    add: str,
    state: str,
    sort: str,
    cursor: str,
    peek: str,
    last: str,
    *,
    as_text: bool,
) -> Response:
    desk, view = frame.desk, frame.view
    zone = ZoneInfo(view.zone)
    source = " ".join(part for part in (q, add) if part)
    problem, bad = "", None
    try:
        query = desk.client.jobs.query(source, zone=zone)
        if state and state not in TABS:
            raise InvalidQuery(f"There is no tab {state[:40]!r}; tabs are {', '.join(TABS)}")
    except InvalidQuery as error:
        problem, bad = error.detail, error if isinstance(error, UnreadableQuery) else None
        query, state = _last(desk, last, zone), state if state in TABS else ""
    else:
        # one address for one search: words added in the box, and another spelling, become the canonical text
        if add or (query.text != q and not as_text):
            return RedirectResponse(
                view.url("jobs", q=query.text, state=state, sort="" if sort == DEFAULT_SORT else sort), 303
            )
    full = _full(desk, query, state, zone)
    try:
        page = (
            JobPage(items=[])
            if problem and not query.text  # a search that was to narrow the list must not show every job
            else desk.client.jobs.search(full, sort=sort, limit=PAGE_SIZE, cursor=cursor or None)
        )
    except InvalidInput as error:
        problem, page = error.detail, JobPage(items=[])
    numbers = numbers_of(desk.client.jobs, query, full, state, zone)
    asked_sort = "" if sort == DEFAULT_SORT else sort

    def link(**more: Any) -> str:
        return view.url("jobs", **{"q": query.text, "state": state, "sort": asked_sort, **more})

    rows = shown_all(page.items)
    only = next((one for one in desk.client.types.all() if query.text == link_term("type", one.name)), None)
    return frame.render(
        "jobs.html",
        "jobs",
        status=422 if problem else 200,
        q=source if problem else query.text,
        last=query.text,
        problem=problem,
        proposal=_proposal(
            desk, bad, zone, lambda text: view.url("jobs", q=text, state=state, sort=asked_sort)
        ),
        marked=_marked(source, bad),
        state=state,
        sort=sort,
        default_sort=DEFAULT_SORT,
        as_text=as_text,
        chips=chips_of(query, state, asked_sort, view),
        hint=_hint(query, full, numbers, page),
        tabs=tabs_of(numbers, view),
        total=numbers.text,
        tab=LOOKS[numbers.current[0]].word.lower() if len(numbers.current) == 1 else "",
        page_count=f"{numbers.text} {'match' if numbers.text != '1' else 'matches'}" if numbers.text else "",
        rows=rows,
        first=not cursor,
        full_q=full.text,
        peek=_peek(frame, peek, link(cursor=cursor)) if peek else None,
        pager=Pager(
            *_pager_words(len(rows), numbers, page, first=not cursor),
            link() if cursor else "",
            link(cursor=page.previous_cursor) if page.previous_cursor else "",
            link(cursor=page.next_cursor) if page.next_cursor else "",
        ),
        searched=words(page.searched, "job") if page.searched is not None else "",
        sorts=_sorts(sort, link),
        actions=BULK,
        text_href=link(text="1"),
        chips_href=link(),
        clear_href=view.url("jobs", state=state),
        new_href=view.url("types", only.name, "new") if only else view.url("types"),
        example=_example(desk),
    )


def _full(desk: Desk, query: Search, state: str, zone: ZoneInfo) -> Search:
    """The search of the list itself: with the state of the open tab."""
    if not state:
        return query
    return desk.client.jobs.query(
        f"({query.text}) state:{state}" if query.text else f"state:{state}", zone=zone
    )


def _last(desk: Desk, text: str, zone: ZoneInfo) -> Search:
    """The search that could be read before one that cannot; all jobs when there was none."""
    try:
        return desk.client.jobs.query(text, zone=zone)
    except InvalidQuery:
        return desk.client.jobs.query("", zone=zone)


def _proposal(
    desk: Desk, bad: UnreadableQuery | None, zone: ZoneInfo, link: Callable[[str], str]
) -> Proposal | None:
    """The likely correction; its jobs are counted where indexes find them, unless there is one more mistake."""
    if bad is None or bad.correction is None:
        return None
    found = ""
    try:
        corrected = desk.client.jobs.query(bad.correction.text, zone=zone)
    except InvalidQuery:
        pass
    else:
        if not corrected.unindexed:
            count = desk.client.jobs.count(corrected)
            found = words(count.count, "job") if not count.capped else f"{number(count.count)}+ jobs"
    return Proposal(f"{bad.message} ({bad.place}).", bad.correction.term, link(bad.correction.text), found)


def _marked(source: str, bad: UnreadableQuery | None) -> tuple[str, str, str]:
    """The text in three parts, of which the middle one cannot be read."""
    start, end = (bad.start, bad.end) if bad else (len(source), len(source))
    return source[:start], source[start:end], source[end:]


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


def _hint(query: Search, full: Search, numbers: Numbers, page: JobPage) -> Hint:
    times = " ".join(part if part.endswith(".") else f"{part}." for part in query.explain)
    if numbers.listed is not None:
        one = numbers.text == "1"
        least = "At least " if numbers.listed.capped else ""
        tail = "job matches." if one else "jobs match."
        return Hint(times, f"{least}", numbers.text.removesuffix("+"), tail) if query.text else Hint(times)
    names = ", ".join(full.unindexed)
    looked = f"the newest {words(page.searched, 'job')} were searched" if page.searched is not None else ""
    count = "how many match is not counted"
    said = f"{names} {'have' if len(full.unindexed) > 1 else 'has'} no index: {looked or count}"
    return Hint(
        f"{times} {said}{f', {count}' if looked else ''}. Add type: or created: to look at fewer.".strip()
    )


def _pager_words(shown_rows: int, numbers: Numbers, page: JobPage, *, first: bool) -> tuple[str, str]:
    """What stands in the pager before the number of all, and that number."""
    if first and page.next_cursor is None:
        return words(shown_rows, "job"), ""
    if not numbers.text:
        return f"{words(shown_rows, 'job')} on this page", ""
    return f"1–{shown_rows}" if first else words(shown_rows, "job"), numbers.text


def _example(desk: Desk) -> dict[str, str]:
    local = next(iter(desk.client.types.registry), None)
    if local is None:
        return {"module": "your_module", "name": "count_to"}
    return {
        "module": local.source.__module__,
        "name": local.name if local.name.isidentifier() else local.source.__name__,
    }


def _peek(frame: Frame, job_id: str, close: str) -> dict[str, Any] | None:
    desk = frame.desk
    try:
        job = desk.client.jobs.get(job_id)
    except NotFound:
        return None
    lines = [log_entry(line) for line in desk.client.jobs.logs(job_id, after=-5, limit=5).items]
    return {
        "job": shown(job, worker_name=desk.worker_name(job)),
        "lines": list(reversed(lines)),
        "close": close,
    }


def _job(frame: Frame, job: JobView, after: int | None, before: int | None) -> Response:
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
    args = json_text(job, "args", job.args)
    source = importable(desk.client.types.registry, job.type)
    here = address(frame.request, view)
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
        console=console(desk, job, view, after=after, before=before),
        args=args,
        code=as_command(job.type, options, f"job-{job.id[-12:]}-args.json")
        if args.folded
        else as_code(job.type, job.args, options, here, source),
        type_search=link_term("type", job.type),
    )


def address(request: Request, view: View) -> str:
    """The address of this server with its prefix, as the viewer reaches it."""
    return f"{request.url.scheme}://{request.url.netloc}{view.base}"
