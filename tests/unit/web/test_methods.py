"""HEAD works wherever GET does, a refused method gets the list of the others, and an early disconnect is no error."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.unit.web.support import Lab

PAGES = ("/", "/jobs", "/queues", "/types", "/workers", "/help", "/docs", "/openapi.json")
PROGRAMS = (
    "/health/live",
    "/health/ready",
    *(f"/api/v1/{one}" for one in ("jobs", "stats", "queues", "workers")),
)


@pytest.mark.parametrize(
    "path", [*PAGES, *PROGRAMS, "/api/v1/jobs/none", "/api/v1/jobs?nonsense=1", "/nothing"]
)
def test_head_has_the_status_and_headers_of_get(http: httpx.Client, path: str) -> None:
    get, head = http.get(path), http.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    volatile = ("date", "content-length")
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in get.headers.items() if k not in volatile
    }
    assert "content-length" in head.headers


def test_head_of_a_static_file(http: httpx.Client) -> None:
    path = http.get("/").text.partition("/static/")[2].partition('"')[0]
    get, head = http.get(f"/static/{path}"), http.head(f"/static/{path}")
    assert get.status_code == head.status_code == 200
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("path", ["/api/v1/events", "/live?page=jobs"])
def test_head_of_a_stream_ends(lab: Lab, http: httpx.Client, path: str) -> None:
    answer = http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/jobs", "GET, HEAD, POST"),
        ("/api/v1/jobs/some-id", "DELETE, GET, HEAD"),
        ("/api/v1/jobs/actions", "POST"),
        ("/api/v1/jobs/bulk", "POST"),
        ("/api/v1/jobs/count", "GET, HEAD"),
        ("/api/v1/jobs/some-id/pause", "POST"),
        ("/health/live", "GET, HEAD"),
        ("/live", "GET, HEAD, POST"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_the_refusal_of_a_method_names_all_that_are_allowed(
    http: httpx.Client, path: str, methods: str, accept: str
) -> None:
    answer = http.request("PATCH", path, headers={"accept": accept})
    assert (answer.status_code, answer.headers["allow"]) == (405, methods)


@pytest.mark.parametrize(
    ("path", "media", "body"),
    [
        ("/api/v1/jobs", "application/json", b'{"type": "co'),
        ("/types/count_to/new", "application/x-www-form-urlencoded", b"n=1"),
        ("/types/count_to/new", "multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form"),
    ],
)
def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, path: str, media: str, body: bytes
) -> None:
    accidents: list[Exception] = []
    monkeypatch.setattr("holdfast.web.guard.problem_of_unexpected", lambda error, *_: accidents.append(error))
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", media.encode()), (b"content-length", b"9999")],
    }
    arriving = iter([{"type": "http.request", "body": body, "more_body": True}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(arriving, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(lab.web(scope, receive, send))
    assert (accidents, sent) == ([], [])
