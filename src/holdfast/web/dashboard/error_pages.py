"""The pages of errors: what happened, whether anything is lost, and what to do."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from holdfast.core.errors import HoldfastError
from holdfast.web.dashboard.frame import frame_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.templating import page
from holdfast.web.dashboard.viewer_prefs import view_of


def error_page(
    data: PageData, request: Request, status: int, error: HoldfastError | None = None, *, trace: str = ""
) -> Response:
    """The page for a failed request of a browser; for our script the same text as JSON.

    `error` None: the path does not exist (404), or something unexpected happened (500), of which only `trace` is shown.
    """
    title, lines, icon = _text(status, error)
    if "hx-request" in request.headers or status >= 500:
        return bare_page(request, status, title, lines, icon=icon, trace=trace)
    frame = frame_of(data, request)
    return frame.message("", status, title, lines, icon=icon, trace=trace)


def bare_page(
    request: Request, status: int, title: str, lines: list[str], *, icon: str = "warn", trace: str = ""
) -> Response:
    """A page that needs no store; for our script the same text as JSON."""
    headers = {"Cache-Control": "no-store"}
    if "hx-request" in request.headers:
        toast = {"toast": " ".join([title + ".", *lines]), "icon": "warn"}
        return JSONResponse(toast, status, headers=headers)
    view = view_of(request)
    again = view.url()
    if request.method == "GET":
        again = (
            "/"
            + quote(request.scope["path"].lstrip("/"))
            + (f"?{request.url.query}" if request.url.query else "")
        )
    context = {"v": view, "title": title, "lines": lines, "icon_name": icon, "trace": trace, "again": again}
    return HTMLResponse(page("bare.html", context), status, headers=headers)


def _text(status: int, error: HoldfastError | None) -> tuple[str, list[str], str]:
    if status == 404:
        return (
            "There is no such page or job",
            [str(error) if error else "The address may be old or mistyped."],
            "search",
        )
    if status == 503:
        return (
            "This could not be read",
            [error.detail if error else "", "No job is lost; workers continue."],
            "unplug",
        )
    if status >= 500 or error is None:
        title = "Something went wrong on the server" if status >= 500 else "This cannot be done"
        return title, ["No job is lost. The server logged what happened."], "errors"
    return error.title, [error.detail, "Nothing was changed."], "warn"
