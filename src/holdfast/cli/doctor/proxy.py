"""The checks of `holdfast doctor --url` for a proxy in front of the server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin

from holdfast.cli.backend.remote import API, RemoteBackend
from holdfast.cli.doctor.findings import Check, Finding

TIMEOUT = 10.0

_BASE = re.compile(r'data-base="([^"]*)"')
_STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)"')
_OTHER_SITE = "https://other-site.invalid"


def proxy_checks(backend: RemoteBackend) -> list[tuple[str, Check]]:
    """The checks; each sends the request of a browser."""
    return [
        ("pages", lambda: _pages(backend)),
        ("form", lambda: _form(backend)),
        ("origin", lambda: _origin(backend)),
        ("websocket", lambda: _websocket(backend)),
    ]


def _pages(backend: RemoteBackend) -> Finding:
    """A page, and a style sheet at the URL in that page, which is wrong when the prefix is not that of the proxy."""
    prefix = urlsplit(backend.place).path
    page = _request(backend, "GET", backend.place + "/")
    base = _BASE.search(page.text)
    if page.status_code != 200 or base is None:
        return _refused("pages", backend, page)
    if base[1] != prefix:
        fix = f"Set HOLDFAST_ROOT_PATH={prefix or '(empty)'} for the web server."
        found = f"links in the pages begin with {base[1] or '/'}, but the pages are at {prefix or '/'}"
        return Finding(name="pages", result="bad", found=found, fix=fix)
    style = _STYLE.search(page.text)
    response = _request(backend, "GET", _origin_of(backend) + (style[1] if style else "/"))
    if response.status_code != 200 or not response.headers.get("content-type", "").startswith("text/css"):
        fix = "Configure the proxy to forward everything below the prefix; see the setting proxy_prefix."
        found = f"a style sheet of the pages returns {response.status_code}"
        return Finding(name="pages", result="bad", found=found, fix=fix)
    return Finding(name="pages", result="good", found=f"pages and their assets are at {prefix or '/'}")


def _form(backend: RemoteBackend) -> Finding:
    """The theme form with nothing selected, which changes nothing."""
    response = _request(backend, "POST", f"{backend.place}/looks", {"Origin": _origin_of(backend)})
    if response.status_code != 303:
        return _refused("form", backend, response)
    return Finding(name="form", result="good", found="a form from the same origin is accepted")


def _origin(backend: RemoteBackend) -> Finding:
    response = _request(backend, "POST", f"{backend.place}/looks", {"Origin": _OTHER_SITE})
    if response.status_code != 403:
        fix = "Configure the proxy to forward the Origin header unchanged."
        found = f"a form from another site returns {response.status_code}, not 403"
        return Finding(name="origin", result="bad", found=found, fix=fix)
    return Finding(name="origin", result="good", found="a form from another site is rejected")


def _websocket(backend: RemoteBackend) -> Finding:
    fix = "Configure the proxy to use HTTP/1.1 and to forward the headers Upgrade and Connection."
    url = re.sub("^http", "ws", backend.place) + f"{API}/ws"
    headers = {name: value for name, value in backend.headers.items() if name != "User-Agent"}
    try:
        with connect(
            url, origin=Origin(_origin_of(backend)), additional_headers=headers, open_timeout=TIMEOUT
        ):
            return Finding(name="websocket", result="good", found="connects")
    except InvalidStatus as error:
        found = f"returns {error.response.status_code} instead of an upgrade"
        return Finding(name="websocket", result="bad", found=found, fix=fix)
    except (WebSocketException, OSError) as error:
        return Finding(name="websocket", result="bad", found=str(error) or type(error).__name__, fix=fix)


def _refused(name: str, backend: RemoteBackend, response: httpx.Response) -> Finding:
    host = urlsplit(backend.place).hostname or ""
    fix = {
        400: f"Add {host} to HOLDFAST_ALLOWED_HOSTS, and configure the proxy to forward the Host header.",
        403: f"Configure the proxy to forward the Host header with its port, and add {host} to HOLDFAST_ALLOWED_HOSTS.",
        404: "Correct the URL of the server or its prefix; see HOLDFAST_ROOT_PATH.",
        413: "Raise the limit of the proxy for request bodies to 16 MiB.",
    }.get(response.status_code, "Check what runs at this URL, and see the log of the proxy.")
    return Finding(name=name, result="bad", found=f"returns {response.status_code}", fix=fix)


def _request(
    backend: RemoteBackend, method: str, url: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    sent = {**backend.headers, "Accept": "text/html", **(headers or {})}
    data = {"theme": ""} if method == "POST" else None
    try:
        return httpx.request(method, url, headers=sent, data=data, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise OSError(str(error) or type(error).__name__) from None


def _origin_of(backend: RemoteBackend) -> str:
    parts = urlsplit(backend.place)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
