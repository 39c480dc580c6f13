"""Composes every page: its frame, headers and messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from holdfast.web.dashboard.assets import asset_build
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.templating import page
from holdfast.web.dashboard.viewer_prefs import View, preferences_of, view_of
from holdfast.web.prefix import address_of

TOAST = "holdfast_toast"


@dataclass(frozen=True, slots=True)
class Toast:
    """The outcome of an action, shown once on the next page."""

    text: str
    icon: str = "check"


@dataclass(frozen=True, slots=True)
class Frame:
    """One request for a page, and the responses to it.

    `seq`: the newest event before anything was read for this page. The page is true up to there at least, so its live stream
    continues from there; a later number would leave out what happened while the page was being made.
    """

    data: PageData
    request: Request
    view: View
    seq: int

    @property
    def here(self) -> str:
        """The path and query of this page, for coming back to it."""
        query = self.request.url.query
        return f"{self.view.base}{quote(_inside(self.request))}{'?' + query if query else ''}"

    @property
    def address(self) -> str:
        """The address of this server with its prefix, as the viewer reaches it."""
        url = self.request.url
        return f"{url.scheme}://{url.netloc}{self.view.base}"

    @property
    def scripted(self) -> bool:
        """Whether our script sent the request: it needs the outcome, not another page."""
        return "hx-request" in self.request.headers

    def render(self, template: str, place: str, *, status: int = 200, **context: Any) -> Response:
        """A whole page in its frame."""
        counts = self.data.nav_counts()
        toast = _take_toast(self.request)
        nav = [
            ("overview", "Overview", None),
            ("jobs", "Jobs", counts["jobs"]),
            ("queues", "Queues", counts["queues"]),
            ("types", "Types", self.data.type_count()),
            ("workers", "Workers", counts["workers"]),
        ]
        full = {
            "v": self.view,
            "preferences": preferences_of(self.request),
            "site": self.data.site,
            "build": asset_build(),
            "now": self.view.now,
            "seq": self.seq,
            "nav": nav,
            "place": place,
            "here": self.here,
            "toast": toast,
            **context,
        }
        return _html(page(template, full), status, forget_toast=toast is not None, base=self.view.base)

    def message(
        self,
        place: str,
        status: int,
        title: str,
        lines: list[str],
        *,
        icon: str = "errors",
        ways: list[tuple[str, str]] | None = None,
        trace: str = "",
    ) -> Response:
        """A page that says what happened, whether anything is lost, and what to do."""
        return self.render(
            "message.html",
            place,
            status=status,
            title=title,
            lines=lines,
            icon_name=icon,
            trace=trace,
            ways=ways or [("Back to jobs", self.view.url("jobs"))],
        )

    def done(
        self,
        to: str,
        text: str,
        *,
        icon: str = "check",
        status: int = 200,
        html: Mapping[str, str] | None = None,
        undo: tuple[str, str] | None = None,
    ) -> Response:
        """The response to a form: a redirect with a toast, or for our script the outcome itself."""
        if self.scripted:
            body = self.outcome(to, text, icon=icon, html=html, undo=undo)
            return JSONResponse(body, status, headers={"Cache-Control": "no-store", "Vary": "HX-Request"})
        response = RedirectResponse(to, 303)
        toast = quote(f"{icon}|{text}"[:600])
        response.set_cookie(
            TOAST, toast, max_age=30, path=f"{self.view.base}/", httponly=True, samesite="lax"
        )
        return response

    def outcome(
        self,
        to: str,
        text: str,
        *,
        icon: str = "check",
        html: Mapping[str, str] | None = None,
        undo: tuple[str, str] | None = None,
    ) -> dict[str, Any]:
        """What our script receives: the toast, the parts of the page that have changed, the action that undoes it."""
        body: dict[str, Any] = {
            "toast": text,
            "icon": icon,
            "seq": self.seq,
            "html": dict(html or {}),
            "to": to,
        }
        if undo is not None:
            body["undo"] = {"action": undo[0], "word": undo[1]}
        return body

    def inside(self, target: str | None, otherwise: str) -> str:
        """The page that a form names to return to, when it is one of ours; else `otherwise`."""
        if not target:
            return otherwise
        parts = urlsplit(target)
        ours = not parts.scheme and not parts.netloc and target.startswith(f"{self.view.base}/")
        return target if ours and not target.startswith("//") and "\\" not in target else otherwise


def frame_of(data: PageData, request: Request) -> Frame:
    """The frame of a request. Blocking, and the first thing that a route does: see `Frame.seq`."""
    return Frame(data, request, view_of(request), data.client.events.last())


def _inside(request: Request) -> str:
    return address_of(request.scope) or "/"


def _html(body: str, status: int, *, forget_toast: bool, base: str) -> Response:
    response = HTMLResponse(body, status, headers={"Cache-Control": "no-store", "Vary": "HX-Request, Cookie"})
    if forget_toast:
        response.delete_cookie(TOAST, path=f"{base}/")
    return response


def _take_toast(request: Request) -> Toast | None:
    kept = request.cookies.get(TOAST)
    if not kept:
        return None
    icon, _, text = unquote(kept).partition("|")
    return Toast(text, icon if icon in ("check", "warn") else "info")
