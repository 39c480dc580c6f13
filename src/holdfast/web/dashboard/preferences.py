"""The route that stores what a viewer has chosen: theme, density, time zone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from holdfast.web.dashboard.frame import frame_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.viewer_prefs import known_zone

YEAR = 31_536_000


def add_preferences_route(router: APIRouter, data: PageData) -> None:
    """The address to which the forms of the frame are sent."""

    @router.post("/looks")
    def preferences(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        theme: Annotated[str, Form()] = "",
        density: Annotated[str, Form()] = "",
        zone: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        frame = frame_of(data, request)
        back = frame.inside(next, frame.view.url())
        unknown = bool(zone) and zone != "browser" and not known_zone(zone)
        if unknown:
            response = frame.done(
                back,
                f"There is no time zone {zone[:60]!r}. Write it like Europe/Berlin.",
                icon="warn",
                status=422,
            )
        else:
            response = RedirectResponse(back, 303)
        chosen = {
            "theme": (theme, ("light", "dark")),
            "density": (density, ("compact",)),
            "zone": ("" if unknown else zone, ()),
        }
        for name, (value, known) in chosen.items():
            if not value:
                continue
            keep = value in known if known else value != "browser"
            path = f"{frame.view.base}/"
            if keep:
                response.set_cookie(f"holdfast_{name}", value, max_age=YEAR, path=path, samesite="lax")
            else:
                response.delete_cookie(f"holdfast_{name}", path=path)
        return response
