"""What a page depends on beside its data: the prefix of its links, and what the viewer has chosen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, available_timezones

from starlette.requests import Request

from holdfast.web.dashboard.assets import asset_build


@dataclass(frozen=True, slots=True)
class View:
    """What changes how a fragment is drawn. Viewers with an equal view share drawn fragments.

    `base`: the path prefix of the app, percent-encoded, without a final slash. `zone`: an IANA time zone.
    """

    base: str = ""
    zone: str = "UTC"

    def url(self, *parts: str, **query: str | int | None) -> str:
        """A link inside the app: each part is data and is quoted whole; parameters without a value are left out."""
        path = f"{self.base}/" + "/".join(quote(part, safe="") for part in parts)
        given = {key.rstrip("_"): str(value) for key, value in query.items() if value not in (None, "")}
        return f"{path}?{urlencode(given)}" if given else path

    @property
    def now(self) -> datetime:
        """The moment of rendering; the browser continues counting from it."""
        return datetime.now(UTC)

    def asset(self, name: str) -> str:
        """The link of a static file, under a name that changes with its content."""
        return f"{self.base}/static/{asset_build()}/{name}"


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the viewer has chosen, kept in cookies: theme (`light`, `dark` or "" = system), density, and time zone ("" = that
    of the browser)."""

    theme: str = ""
    density: str = ""
    zone: str = ""


def known_zone(name: str) -> bool:
    """Whether `name` is an IANA zone that this machine knows."""
    return name == "UTC" or name in available_timezones()


def preferences_of(request: Request) -> Preferences:
    """The viewer's choices; anything unknown in a cookie counts as not chosen."""
    theme = request.cookies.get("holdfast_theme", "")
    density = request.cookies.get("holdfast_density", "")
    zone = request.cookies.get("holdfast_zone", "")
    return Preferences(
        theme if theme in ("light", "dark") else "",
        density if density == "compact" else "",
        zone if zone and known_zone(zone) else "",
    )


def view_of(request: Request) -> View:
    """The view for a request."""
    chosen = preferences_of(request).zone or request.cookies.get("holdfast_browser_zone", "")
    zone = chosen if chosen and known_zone(chosen) else "UTC"
    return View(quote(request.scope.get("root_path", "").rstrip("/")), ZoneInfo(zone).key)
