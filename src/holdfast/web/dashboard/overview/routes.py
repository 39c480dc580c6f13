"""The route of the overview."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from holdfast.web.dashboard.frame import frame_of
from holdfast.web.dashboard.overview.first_page import first_page, is_first
from holdfast.web.dashboard.overview.page import SPANS, overview_page
from holdfast.web.dashboard.page_data import PageData


def add_overview_route(router: APIRouter, data: PageData) -> None:
    """The overview; while the store is empty, the first steps."""

    @router.get("/")
    def overview(request: Request, range: str = "1h") -> Response:  # pyright: ignore[reportUnusedFunction]
        frame = frame_of(data, request)
        if is_first(data):
            return frame.render("overview/first_page.html", "overview", first=first_page(data, frame.view))
        span = range if range in SPANS else "1h"
        ranges = [
            {"word": word, "href": frame.view.url(range=key), "current": key == span}
            for key, (word, _, _) in SPANS.items()
        ]
        return frame.render(
            "overview/page.html",
            "overview",
            overview=overview_page(data, frame.view, span),
            ranges=ranges,
            span=span,
            failed_href=frame.view.url("jobs", state="failed"),
            running_href=frame.view.url("jobs", state="processing"),
        )
