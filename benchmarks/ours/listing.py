"""Our part of the scenario that reads the jobs list: a store with jobs in every state, and timed pages of
it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import httpx

from benchmarks.app import app, noop, refuse, stamp
from benchmarks.child import Measurement, Setup
from benchmarks.ours.programs import web, workers
from benchmarks.summary import percentile
from holdfast import JobHandle

_CHUNK = 200
_OWNERS = [f"owner-{number}" for number in range(50)]
_TAGS = [f"tag-{number}" for number in range(20)]
_QUEUES = ("default", "mail", "reports")
_UNSERVED = "held"
_WARM_UP = 3
_REQUESTS = 40
_SECONDS = 600
_FIRST_ID = "first-id"


def prepare(setup: Setup) -> Measurement:
    """Store `size` jobs: 72 % succeeded, 2 % failed, 20 % enqueued, 4 % scheduled, 1 % paused, 1 % cancelled.

    They are of two types, on four queues, of 50 owners with 20 tags that change every 200 jobs. Five old jobs
    have the owner and the tag "rare", so that a filter which reads from the newest side has to be quick at
    finding them too.
    """
    noop.options(queue="mail", owner="rare", tags=["rare"]).enqueue_many(
        [{"n": number} for number in range(5)]
    )
    share = setup.size // 100
    last = [
        *_store(refuse.options, 2 * share, "n", _QUEUES),
        *_store(noop.options, 72 * share, "n", _QUEUES),
    ]
    with workers(setup.directory, processes=2, queues=",".join(_QUEUES)):
        for handle in last:
            handle.wait(_SECONDS)
    _store(noop.options, 10 * share, "n", (_UNSERVED,))
    _store(stamp.options, 10 * share, "sent", (_UNSERVED,))
    _store(noop.options, 4 * share, "n", _QUEUES, delay="10d")
    for action in ("pause", "cancel"):
        for start in range(0, share, _CHUNK):
            for handle in _store_chunk(noop.options, min(_CHUNK, share - start), "n", _UNSERVED, start):
                getattr(handle, action)()
    (setup.directory / _FIRST_ID).write_text(last[0].id)
    app.close()
    return {}


def _store(
    options: Callable[..., Any], count: int, name: str, queues: tuple[str, ...], **more: str
) -> list[JobHandle]:
    """Enqueue in chunks; the last handle of each chunk."""
    queue = cycle(queues)
    return [
        _store_chunk(options, min(_CHUNK, count - start), name, next(queue), start, **more)[-1]
        for start in range(0, count, _CHUNK)
    ]


def _store_chunk(
    options: Callable[..., Any], count: int, name: str, queue: str, start: int, **more: str
) -> list[JobHandle]:
    number = start // _CHUNK
    own = options(
        queue=queue, owner=_OWNERS[number % len(_OWNERS)], tags=[_TAGS[number % len(_TAGS)]], **more
    )
    handles: list[JobHandle] = own.enqueue_many([{name: start + offset} for offset in range(count)])
    return handles


def pages(setup: Setup) -> Measurement:
    """Time of a page of 50 through REST and of the HTML page, `argument` being the search; 40 requests of
    each.

    The server is fresh; three requests of each are made before, so the file is in the page cache of the
    system. The connection is kept open. `{first}` in the search stands for the id of one of the oldest jobs.
    The last ten REST requests follow the cursor, so that pages further down count too.
    """
    query = setup.argument.replace("{first}", (setup.prepared / _FIRST_ID).read_text())
    with web(setup.directory, data=setup.prepared) as client:
        for _ in range(_WARM_UP):
            _timed(client, "/api/v1/jobs", query, None)
            _timed(client, "/jobs", query, None)
        rest: list[float] = []
        cursor: str | None = None
        for number in range(_REQUESTS):
            milliseconds, response = _timed(client, "/api/v1/jobs", query, cursor)
            rest.append(milliseconds)
            if number >= _REQUESTS - 10:
                cursor = response.json()["next_cursor"]
        html = [_timed(client, "/jobs", query, None)[0] for _ in range(_REQUESTS)]
    return {
        **{f"rest_p{percent}_ms": percentile(rest, percent) for percent in (50, 95)},
        "rest_max_ms": max(rest),
        **{f"html_p{percent}_ms": percentile(html, percent) for percent in (50, 95)},
        "html_max_ms": max(html),
    }


def _timed(client: httpx.Client, path: str, query: str, cursor: str | None) -> tuple[float, httpx.Response]:
    parameters = {name: value for name, value in (("q", query), ("cursor", cursor)) if value}
    if path.startswith("/api"):
        parameters["limit"] = "50"
    began = time.perf_counter()
    response = client.get(path, params=parameters)
    milliseconds = (time.perf_counter() - began) * 1000
    if not response.is_success:
        raise RuntimeError(f"{path} returned {response.status_code}: {response.text[:300]}")
    return milliseconds, response
