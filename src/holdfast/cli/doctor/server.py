"""The checks of `holdfast doctor --url`, made from the place of a client."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from holdfast.cli.backend.remote import API, RemoteBackend
from holdfast.cli.doctor.findings import MAX_SKEW, Check, Finding, of_concerns, of_scheduler, of_workers
from holdfast.cli.doctor.proxy import proxy_checks
from holdfast.cli.format.job_text import duration
from holdfast.version import VERSION

FIRST_LINE = 5.0
"""Seconds in which the stream must begin; a proxy that buffers it takes much longer."""


def server_checks(backend: RemoteBackend) -> list[tuple[str, Check]]:
    """The checks of a server."""
    return [
        ("reachable", lambda: _reachable(backend)),
        ("ready", lambda: _ready(backend)),
        ("clock", lambda: _clock(backend)),
        ("stream", lambda: _stream(backend)),
        *proxy_checks(backend),
        ("workers", lambda: of_workers(backend.workers(), backend.stats())),
        ("scheduler", lambda: of_scheduler(backend.stats())),
        ("concerns", lambda: of_concerns(backend.stats())),
    ]


def _reachable(backend: RemoteBackend) -> Finding:
    begun = time.perf_counter()
    version = str(backend.get("/health/live").json().get("version", "?"))
    found = f"{backend.place} responds in {duration(time.perf_counter() - begun)}, version {version}"
    if version != VERSION:
        return Finding(
            name="reachable",
            result="note",
            found=found,
            fix=f"Use the same version; this program is {VERSION}.",
        )
    return Finding(name="reachable", result="good", found=found)


def _ready(backend: RemoteBackend) -> Finding:
    backend.get("/health/ready")
    return Finding(name="ready", result="good", found="storage available, schema up to date")


def _clock(backend: RemoteBackend) -> Finding:
    header = backend.get("/health/live").headers.get("date")
    server = parsedate_to_datetime(header) if header else backend.stats().at
    skew = abs((datetime.now(UTC) - server).total_seconds())
    if skew > MAX_SKEW:
        fix = "Synchronize the clocks, for example by NTP; until then, times of --at mean other times on the server."
        return Finding(
            name="clock", result="bad", found=f"differs from the local clock by {duration(skew)}", fix=fix
        )
    return Finding(name="clock", result="good", found="agrees with the local clock")


def _stream(backend: RemoteBackend) -> Finding:
    fix = "Turn off the buffering of the proxy for /api/v1/events and /live."
    try:
        with httpx.stream(
            "GET", f"{backend.place}{API}/events", timeout=FIRST_LINE, headers=backend.headers
        ) as response:
            response.raise_for_status()
            next(response.iter_raw(), None)
    except httpx.TimeoutException:
        return Finding(name="stream", result="bad", found=f"no event within {duration(FIRST_LINE)}", fix=fix)
    except httpx.HTTPError as error:
        return Finding(name="stream", result="bad", found=str(error), fix=fix)
    return Finding(name="stream", result="good", found="live events arrive immediately")
