"""The routes of the list of jobs: the list, finding one job, and the completion list of the query box."""

# The decorators keep the functions below; nothing calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from holdfast.core.errors import InvalidQuery, NotFound
from holdfast.core.query import term
from holdfast.web.dashboard.frame import frame_of
from holdfast.web.dashboard.jobs.completion import completions
from holdfast.web.dashboard.jobs.list_page import DEFAULT_SORT, list_page
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.templating import macros
from holdfast.web.dashboard.viewer_prefs import view_of

MIN_ID, MAX_ID = 8, 60
"""Letters of a text that may be an id or its beginning."""


def add_list_routes(router: APIRouter, data: PageData) -> None:
    """The list of jobs, and what helps to search it."""

    @router.get("/find")
    def find(request: Request, q: str = "") -> Response:
        frame = frame_of(data, request)
        found = _find_id(data, q.strip())
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
        frame = frame_of(data, request)
        return list_page(frame, q, add, state, sort, cursor, peek, last, as_text=bool(text))

    @router.get("/complete")
    def complete(request: Request, before: str = "", after: str = "") -> Response:
        view = view_of(request)
        found = completions(data, before, after, ZoneInfo(view.zone))
        part = str(macros("jobs/completion.html", view).listbox(found)) if found.options else ""
        return HTMLResponse(part, headers={"Cache-Control": "no-store"})


def _find_id(data: PageData, text: str) -> str:
    """The id of the one job whose id is `text` or begins with it; "" when there is none, or more than one."""
    if not MIN_ID <= len(text) <= MAX_ID or not all(c.isalnum() or c == "-" for c in text):
        return ""
    try:
        return data.client.jobs.get(text.lower()).id
    except NotFound:
        pass
    try:
        found = data.client.jobs.search(data.client.jobs.query(term("id", text.lower()) + "*"), limit=2).items
    except InvalidQuery:
        return ""
    return found[0].id if len(found) == 1 else ""
