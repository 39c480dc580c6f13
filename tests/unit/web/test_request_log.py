"""With `log_requests`, each request is one line of the log; without it, none is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from websockets.sync.client import connect

from tests.unit.web.support import Lab, served


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def ask(tmp_path: Path, *, log_requests: bool) -> None:
    lab = Lab(tmp_path, log_requests=log_requests)
    with served(lab) as url, httpx.Client(base_url=url) as http:
        http.get("/health/live")
        http.get("/api/v1/jobs?q=secret")
        http.post("/api/v1/jobs", headers={"Origin": "https://evil.example"})
        with connect(f"{url.replace('http', 'ws')}/api/v1/ws"):
            pass
    lab.close()


def test_each_request_is_one_line(tmp_path: Path, lines: list[Any]) -> None:
    ask(tmp_path, log_requests=True)
    assert [
        (line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"
    ] == [
        ("GET", "/health/live", 200),
        ("GET", "/api/v1/jobs", 200),
        ("POST", "/api/v1/jobs", 403),
        ("WEBSOCKET", "/api/v1/ws", 101),
    ]
    assert "secret" not in str(lines)


def test_without_the_setting_none_is(tmp_path: Path, lines: list[Any]) -> None:
    ask(tmp_path, log_requests=False)
    assert not [line for line in lines if line["event"] == "request"]
