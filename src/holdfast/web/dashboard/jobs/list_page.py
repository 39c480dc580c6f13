"""The list of jobs: its search, tabs, rows and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from starlette.responses import RedirectResponse, Response

from holdfast.client.views import JobPage
from holdfast.core.errors import InvalidInput, InvalidQuery, NotFound
from holdfast.core.query import Query as Search
from holdfast.core.query import UnreadableQuery, link_term
from holdfast.web.dashboard.format import number, pluralize
from holdfast.web.dashboard.frame import Frame
from holdfast.web.dashboard.job.console import log_entry
from holdfast.web.dashboard.jobs.filters import ListCounts, Pager, SortLink, chips_of, list_counts, tabs_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import present_job, present_jobs
from holdfast.web.dashboard.state_styles import STATE_STYLES, TABS

DEFAULT_SORT = "-created"
PAGE_SIZE = 50


BULK_BUTTONS = (
    ("pause", "Pause", False),
    ("resume", "Resume", False),
    ("retry", "Retry", False),
    ("cancel", "Cancel…", True),
    ("delete", "Delete…", True),
)
"""The buttons of the selection bar: action, label, whether it is dangerous."""

SORT_LABELS = {
    "created": "Created",
    "finished": "Finished",
    "run_at": "Run at",
    "priority": "Priority",
    "duration": "Duration",
}


@dataclass(frozen=True, slots=True)
class Hint:
    """The line below the search: how times were read, and how many jobs match. `total`: the number, between `text` and
    `tail`."""

    text: str = ""
    total: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is wrong with a search, and the link to the corrected one. `found`: how many jobs match that, "" = not
    counted."""

    problem: str
    term: str
    href: str
    found: str


def list_page(
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
    """The list of the jobs that match `q` and `add`. `last`: the search before, shown when this one is invalid."""
    data, view = frame.data, frame.view
    zone = ZoneInfo(view.zone)
    source = " ".join(part for part in (q, add) if part)
    problem, unreadable = "", None
    try:
        query = data.client.jobs.query(source, zone=zone)
        if state and state not in TABS:
            raise InvalidQuery(f"There is no tab {state[:40]!r}; tabs are {', '.join(TABS)}")
    except InvalidQuery as error:
        problem, unreadable = error.detail, error if isinstance(error, UnreadableQuery) else None
        query, state = _last_valid(data, last, zone), state if state in TABS else ""
    else:
        # one address for one search: terms added in the box, and other spellings, become the canonical text
        if add or (query.text != q and not as_text):
            return RedirectResponse(
                view.url("jobs", q=query.text, state=state, sort="" if sort == DEFAULT_SORT else sort), 303
            )
    full = _with_state(data, query, state, zone)
    try:
        page = (
            JobPage(items=[])
            if problem and not query.text  # an invalid search must not show every job
            else data.client.jobs.search(full, sort=sort, limit=PAGE_SIZE, cursor=cursor or None)
        )
    except InvalidInput as error:
        problem, page = error.detail, JobPage(items=[])
    counts = list_counts(data.client.jobs, query, full, state, zone)
    link_sort = "" if sort == DEFAULT_SORT else sort

    def link(**more: Any) -> str:
        return view.url("jobs", **{"q": query.text, "state": state, "sort": link_sort, **more})

    rows = present_jobs(page.items)
    only = next((one for one in data.client.types.all() if query.text == link_term("type", one.name)), None)
    return frame.render(
        "jobs/list.html",
        "jobs",
        status=422 if problem else 200,
        q=source if problem else query.text,
        last=query.text,
        problem=problem,
        proposal=_proposal(data, unreadable, zone, lambda text: link(q=text)),
        marked=_marked(source, unreadable),
        state=state,
        sort=sort,
        default_sort=DEFAULT_SORT,
        as_text=as_text,
        chips=chips_of(query, state, link_sort, view),
        hint=_hint(query, full, counts, page),
        tabs=tabs_of(counts, view),
        total=counts.text,
        tab=STATE_STYLES[counts.current[0]].word.lower() if len(counts.current) == 1 else "",
        page_count=f"{counts.text} {'match' if counts.text != '1' else 'matches'}" if counts.text else "",
        rows=rows,
        first=not cursor,
        full_q=full.text,
        peek=_peek(frame, peek, link(cursor=cursor)) if peek else None,
        pager=Pager(
            *_pager_text(len(rows), counts, page, first=not cursor),
            link() if cursor else "",
            link(cursor=page.previous_cursor) if page.previous_cursor else "",
            link(cursor=page.next_cursor) if page.next_cursor else "",
        ),
        searched=pluralize(page.searched, "job") if page.searched is not None else "",
        time_column=_time_column(sort, link),
        actions=BULK_BUTTONS,
        text_href=link(text="1"),
        chips_href=link(),
        clear_href=view.url("jobs", state=state),
        new_href=view.url("types", only.name, "new") if only else view.url("types"),
        example=_example(data),
    )


def _with_state(data: PageData, query: Search, state: str, zone: ZoneInfo) -> Search:
    """The search of the list itself: the query with the state of the open tab."""
    if not state:
        return query
    return data.client.jobs.query(
        f"({query.text}) state:{state}" if query.text else f"state:{state}", zone=zone
    )


def _last_valid(data: PageData, text: str, zone: ZoneInfo) -> Search:
    """The valid search before an invalid one; all jobs when there was none."""
    try:
        return data.client.jobs.query(text, zone=zone)
    except InvalidQuery:
        return data.client.jobs.query("", zone=zone)


def _proposal(
    data: PageData, error: UnreadableQuery | None, zone: ZoneInfo, link: Callable[[str], str]
) -> Proposal | None:
    """The likely correction. Its jobs are counted where an index finds them, unless there is another mistake."""
    if error is None or error.correction is None:
        return None
    found = ""
    try:
        corrected = data.client.jobs.query(error.correction.text, zone=zone)
    except InvalidQuery:
        pass
    else:
        if not corrected.unindexed:
            count = data.client.jobs.count(corrected)
            found = pluralize(count.count, "job") if not count.capped else f"{number(count.count)}+ jobs"
    return Proposal(
        f"{error.message} ({error.place}).", error.correction.term, link(error.correction.text), found
    )


def _marked(source: str, error: UnreadableQuery | None) -> tuple[str, str, str]:
    """The text in three parts, of which the middle one is invalid."""
    start, end = (error.start, error.end) if error else (len(source), len(source))
    return source[:start], source[start:end], source[end:]


def _time_column(sort: str, link: Any) -> SortLink:
    """The head of the column that the list is sorted by; its link turns the order round."""
    plain = sort.lstrip("-")
    order = "descending" if sort.startswith("-") else "ascending"
    other = plain if sort.startswith("-") else f"-{plain}"
    label = SORT_LABELS.get(plain)
    return SortLink(label or "Created", link(sort=other if label else ""), order)


def _hint(query: Search, full: Search, counts: ListCounts, page: JobPage) -> Hint:
    times = " ".join(part if part.endswith(".") else f"{part}." for part in query.explain)
    if counts.listed is not None:
        if not query.text:
            return Hint(times)
        text = f"{times} At least" if counts.listed.capped else times
        tail = "job matches." if counts.text == "1" else "jobs match."
        return Hint(text.strip(), counts.text.removesuffix("+"), tail)
    names = ", ".join(full.unindexed)
    searched = (
        f"the newest {pluralize(page.searched, 'job')} were searched" if page.searched is not None else ""
    )
    uncounted = "matches are not counted"
    have = "have" if len(full.unindexed) > 1 else "has"
    reach = f"{searched}, {uncounted}" if searched else uncounted
    return Hint(f"{times} {names} {have} no index: {reach}. Add type: or created: to search fewer.".strip())


def _pager_text(shown_rows: int, counts: ListCounts, page: JobPage, *, first: bool) -> tuple[str, str]:
    """The text of the pager before the number of all, and that number."""
    if first and page.next_cursor is None:
        return pluralize(shown_rows, "job"), ""
    if not counts.text:
        return f"{pluralize(shown_rows, 'job')} on this page", ""
    return f"1–{shown_rows}" if first else pluralize(shown_rows, "job"), counts.text


def _example(data: PageData) -> dict[str, str]:
    local = next(iter(data.client.types.registry), None)
    if local is None:
        return {"module": "your_module", "name": "count_to"}
    return {
        "module": local.source.__module__,
        "name": local.name if local.name.isidentifier() else local.source.__name__,
    }


def _peek(frame: Frame, job_id: str, close: str) -> dict[str, Any] | None:
    data = frame.data
    try:
        job = data.client.jobs.get(job_id)
    except NotFound:
        return None
    lines = [log_entry(line) for line in data.client.jobs.logs(job_id, after=-5, limit=5).items]
    return {
        "job": present_job(job, worker_name=data.worker_name(job)),
        "lines": list(reversed(lines)),
        "close": close,
    }
