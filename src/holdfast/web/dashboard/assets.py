"""Reads the static files and templates of the package, and serves the former under names that change with their content."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

_MEDIA = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "LICENSE": "text/plain; charset=utf-8",
    "NOTICE": "text/plain; charset=utf-8",
}

_COMMENTS = re.compile(rb"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/[ \t]*|//[^\n]*)\n", re.DOTALL | re.MULTILINE)
"""Comments of our scripts that fill whole lines; they are not sent."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file as it is sent."""

    body: bytes
    packed: bytes
    media: str


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{name}/")
        else:
            found.append((name, entry))
    return found


def _ending(name: str) -> str:
    return name.rpartition(".")[2]


@cache
def static_files() -> dict[str, bytes]:
    """Every static file. Read once: an upgrade that replaces files on disk must not mix versions in a running server."""
    folder = files("holdfast.web.dashboard").joinpath("static")
    return {name: source.read_bytes() for name, source in _walk(folder) if _ending(name) in _MEDIA}


@cache
def template_sources() -> dict[str, str]:
    """Every template, read at the same time as the static files. Shared ones are named by their file (`base.html`), those of
    a page with its folder too (`jobs/list.html`)."""
    found = _walk(files("holdfast.web.dashboard"))
    return {
        name.removeprefix("templates/"): source.read_text(encoding="utf-8")
        for name, source in found
        if _ending(name) == "html"
    }


@cache
def asset_build() -> str:
    """Twelve hexadecimal digits that change with any static file or template; also the `build` of the live stream."""
    digest = hashlib.sha256()
    for name, body in static_files().items():
        digest.update(name.encode() + b"\0" + body)
    for name, text in template_sources().items():
        digest.update(name.encode() + b"\0" + text.encode())
    return digest.hexdigest()[:12]


@cache
def _asset(name: str) -> Asset | None:
    body = static_files().get(name)
    if body is None:
        return None
    if name.startswith("js/"):
        body = _COMMENTS.sub(b"", body)
    return Asset(body, gzip.compress(body, 9, mtime=0), _MEDIA[_ending(name)])


def asset_response(request: Request, path: str) -> Response:
    """The response to `/static/{path}`. `path` starts with the build in links of our pages, and may then be cached for ever;
    with another build (an old page after an update) or none, the current file is sent and must be revalidated."""
    head, _, rest = path.partition("/")
    fresh = head == asset_build()
    asset = _asset(rest) if fresh or path not in static_files() else _asset(path)
    if asset is None:
        return Response("Not found", 404, media_type="text/plain")
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if fresh else "no-cache",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, media_type=asset.media, headers=headers | {"Content-Encoding": "gzip"})
    return Response(asset.body, media_type=asset.media, headers=headers)
