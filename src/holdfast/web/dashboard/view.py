"""What a page needs to know of its viewer: where it is mounted, which time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import Request

from holdfast.web.dashboard.assets import asset_build


@dataclass(frozen=True, slots=True)
class View:
    """The part of a viewer that changes what a fragment looks like. Equal views may share rendered fragments.

    `base`: the path prefix of the app, percent-encoded, without a final slash. `zone`: an IANA time zone.
    """

    base: str = ""
    zone: str = "UTC"

    def url(self, *parts: str, **query: str | int | None) -> str:
        """A link inside the app: each part is data and is quoted whole; queries without a value are left out."""
        path = f"{self.base}/" + "/".join(quote(part, safe="") for part in parts)
        asked = {key.rstrip("_"): str(value) for key, value in query.items() if value not in (None, "")}
        return f"{path}?{urlencode(asked)}" if asked else path

    @property
    def now(self) -> datetime:
        """The moment of rendering; the browser goes on counting from it."""
        return datetime.now(UTC)

    def asset(self, name: str) -> str:
        """The link of a static file, under a name that changes with its content."""
        return f"{self.base}/static/{asset_build()}/{name}"


@dataclass(frozen=True, slots=True)
class Looks:
    """What a viewer has chosen, kept in cookies: theme (`light`, `dark` or "" = system), density, and the zone itself."""

    theme: str = ""
    density: str = ""
    zone: str = ""


def known_zone(name: str) -> bool:
    """Whether `name` is an IANA zone that this machine knows."""
    return name == "UTC" or name in available_timezones()


def looks_of(request: Request) -> Looks:
    """The viewer's choices; anything unknown in a cookie counts as not chosen."""
    theme = request.cookies.get("holdfast_theme", "")
    density = request.cookies.get("holdfast_density", "")
    zone = request.cookies.get("holdfast_zone", "")
    return Looks(
        theme if theme in ("light", "dark") else "",
        density if density == "compact" else "",
        zone if zone and known_zone(zone) else "",
    )


def view_of(request: Request) -> View:
    """The view of whoever sent this request. The live hub makes one per stream."""
    looks = looks_of(request)
    own = looks.zone or request.cookies.get("holdfast_browser_zone", "")
    zone = own if own and known_zone(own) else "UTC"
    return View(quote(request.scope.get("root_path", "").rstrip("/")), ZoneInfo(zone).key)
