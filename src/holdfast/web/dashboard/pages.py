"""Composes every page: its frame, the viewer's preferences, headers, messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from holdfast.web.dashboard.assets import asset_build
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.templating import page
from holdfast.web.dashboard.view import View, looks_of, view_of
from holdfast.web.prefix import address_of

TOAST = "holdfast_toast"


@dataclass(frozen=True, slots=True)
class Toast:
    """What has happened, told once on the next page."""

    text: str
    icon: str = "check"


@dataclass(frozen=True, slots=True)
class Frame:
    """One request for a page: who looks, and how the answer is made.

    `seq`: the newest event before anything was asked for this page. What it shows is true up to there at least, so the live
    stream goes on from there; a later one would leave out what happened while the page was being made.
    """

    desk: Desk
    request: Request
    view: View
    seq: int

    @property
    def here(self) -> str:
        """The path and query of this page, for coming back to it."""
        query = self.request.url.query
        return f"{self.view.base}{quote(_inside(self.request))}{'?' + query if query else ''}"

    @property
    def scripted(self) -> bool:
        """Whether a script of ours asked: it wants the outcome, not another page."""
        return "hx-request" in self.request.headers

    def render(self, template: str, place: str, *, status: int = 200, **context: Any) -> Response:
        """A whole page in its frame."""
        stats = self.desk.stats()
        toast = _take_toast(self.request)
        nav = [
            ("overview", "Overview", None),
            ("jobs", "Jobs", sum(stats.states.values())),
            ("queues", "Queues", len(stats.queues)),
            ("types", "Types", self.desk.type_count()),
            ("workers", "Workers", stats.workers),
        ]
        full = {
            "v": self.view,
            "looks": looks_of(self.request),
            "site": self.desk.site,
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
        """The answer to a form: a redirect with a toast, or for our script the outcome itself."""
        if self.scripted:
            body = self.outcome(to, text, icon=icon, html=html, undo=undo)
            return JSONResponse(body, status, headers={"Cache-Control": "no-store", "Vary": "HX-Request"})
        answer = RedirectResponse(to, 303)
        told = quote(f"{icon}|{text}"[:600])
        answer.set_cookie(TOAST, told, max_age=30, path=f"{self.view.base}/", httponly=True, samesite="lax")
        return answer

    def outcome(
        self,
        to: str,
        text: str,
        *,
        icon: str = "check",
        html: Mapping[str, str] | None = None,
        undo: tuple[str, str] | None = None,
    ) -> dict[str, Any]:
        """What our script is told: the toast, the parts of the page that have changed, the way back."""
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
        """Where a form wants to go back to, when that is a page of ours."""
        if not target:
            return otherwise
        parts = urlsplit(target)
        ours = not parts.scheme and not parts.netloc and target.startswith(f"{self.view.base}/")
        return target if ours and not target.startswith("//") and "\\" not in target else otherwise


def frame_of(desk: Desk, request: Request) -> Frame:
    """The frame of a request. Blocking, and the first thing that a route does: see `Frame.seq`."""
    return Frame(desk, request, view_of(request), desk.client.events.last())


def _inside(request: Request) -> str:
    return address_of(request.scope) or "/"


def _html(body: str, status: int, *, forget_toast: bool, base: str) -> Response:
    answer = HTMLResponse(body, status, headers={"Cache-Control": "no-store", "Vary": "HX-Request, Cookie"})
    if forget_toast:
        answer.delete_cookie(TOAST, path=f"{base}/")
    return answer


def _take_toast(request: Request) -> Toast | None:
    kept = request.cookies.get(TOAST)
    if not kept:
        return None
    icon, _, text = unquote(kept).partition("|")
    return Toast(text, icon if icon in ("check", "warn") else "info")
