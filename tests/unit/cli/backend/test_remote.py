"""Every command has the same output with a server as with a store."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from holdfast.cli.web_process import web_app
from holdfast.core.states import Verb
from holdfast.storage.writes import Rescue
from holdfast.web.server import WebServer
from tests.unit.cli.conftest import Hands, Terminal


@pytest.fixture
def url(hands: Hands) -> Generator[str]:
    """A real server on the same store."""
    ready = threading.Event()
    server = WebServer(web_app(hands.app), hands.app.settings, ready=lambda _: ready.set())
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(20)
    yield server.url
    server.stop()
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def jobs(hands: Hands) -> dict[str, str]:
    """A job in each of some states."""
    found: dict[str, str] = {}
    hands.add()
    found["logged"] = hands.log("one", "two!")
    hands.add()
    found["failed"] = hands.end(Verb.FAIL)
    hands.add()
    found["succeeded"] = hands.end(Verb.SUCCEED)
    found["waiting"] = hands.add(queue="mail", tags=["eu", "a b"], owner="ann", priority=3)
    found["later"] = hands.add(delay=3600)
    return found


READS = [
    "job list",
    "job list -q state:failed",
    "job list -q tag:eu --sort created --limit 1",
    "job list --ids",
    "job list --ndjson --fields id,state,error.message",
    "job list -q stat:failed",
    "job list --limit 2 --sort nonsense",
    "job list --cursor nonsense",
    "job show {failed}",
    "job show {logged} --fields progress.done,type",
    "job show {succeeded} --history",
    "job show nope",
    "job show a?b#c",
    "job logs {logged}",
    "job logs {logged} --tail 1",
    "job logs nope",
    "job wait {failed}",
    "job wait {succeeded} {failed}",
    "job wait {waiting} --timeout 20ms",
    "job watch {succeeded}",
    "job watch {failed} --ndjson",
    "job pause -q queue:mail --dry-run",
    "job cancel {succeeded}",
    "job resume {waiting}",
    "job retry nope",
    "queue list",
    "type list",
    "type show count_to",
    "type show a+b/c.d",
    "type show nope",
    "worker list",
    "openapi",
    "job run nope",
    "job run count_to --arg n=x",
    "job run count_to --priority 99999",
    "job run count_to --in soon",
    "job run count_to --timeout 0",
]


@pytest.mark.parametrize("json_too", [False, True])
def test_reading_and_refusing_is_the_same(
    terminal: Terminal, jobs: dict[str, str], url: str, json_too: bool
) -> None:
    different: list[Any] = []
    for line in READS:
        words = [word.replace("+", " ") for word in line.format(**jobs).split()]
        words += ["--json"] if json_too and "--ids" not in words and "--ndjson" not in words else []
        here, there = terminal(*words), terminal(*words, "--url", url)
        if steady(here.out) != steady(there.out) or here.code != there.code:
            different.append((line, here, there))
        assert placeless(here.err) == placeless(there.err), line
    assert not different


def placeless(text: str) -> str:
    """The messages without the place that was searched, which differs."""
    return re.sub(r"((?:Searched|Nothing found) in) .*", r"\1 …", text)


def steady(text: str) -> str:
    """Without what differs from moment to moment: how long the oldest waits."""
    try:
        document = json.loads(text)
    except ValueError:
        return "\n".join(
            line for line in text.splitlines() if "oldest" not in line and "\topen\t" not in line
        )
    for item in document.get("items", ()) if isinstance(document, dict) else ():
        item.pop("oldest_wait", None)
    return json.dumps(document)


def test_a_job_is_enqueued_and_controlled_through_a_server(terminal: Terminal, url: str) -> None:
    options = [
        "--arg",
        "n=7",
        "--queue",
        "mail",
        "--tag",
        "eu",
        "--owner",
        "ann",
        "--timeout",
        "15m",
        "--at",
        "2030-01-01T10:00Z",
    ]
    here = terminal("job", "run", "count_to", *options, "--json").json
    there = terminal("job", "run", "count_to", *options, "--url", url, "--json").json
    differ = {"id", "created_at", "changed_at", "origin", "actor"}
    assert {k: v for k, v in here.items() if k not in differ} == {
        k: v for k, v in there.items() if k not in differ
    }
    for action, state in (
        ("pause", "paused"),
        ("resume", "scheduled"),
        ("cancel", "cancelled"),
        ("retry", "enqueued"),
    ):
        done = terminal("job", action, there["id"], "--reason", "because", "--url", url, "--json")
        assert (done.code, done.json["state"]) == (0, state)
    terminal("job", "cancel", there["id"], "--url", url)
    assert terminal("job", "delete", there["id"], "--url", url, "--ids").out.strip() == there["id"]
    assert terminal("job", "show", there["id"]).code == 3


def test_a_key_that_is_in_use_is_reported_through_a_server(terminal: Terminal, url: str) -> None:
    for key in ("--unique", "--idempotency-key"):
        words = ["job", "run", "count_to", key, "k", "--url", url, "--ids"]
        first, second = terminal(*words), terminal(*words)
        assert first.out == second.out
        assert "Nothing was enqueued" in second.err
        assert "Nothing was enqueued" not in first.err


def test_bulk_through_a_server_also_in_the_background(terminal: Terminal, hands: Hands, url: str) -> None:
    hands.app.enqueue_many("count_to", [{"n": n} for n in range(1_100)], queue="many")
    done = terminal("job", "cancel", "-q", "queue:many", "--yes", "--url", url, "--json")
    assert done.code == 0, done.err
    assert (done.json["done"], done.json["refused"]) == (1_100, 0)
    assert "1,100 match: 1,100 enqueued" in done.err
    assert terminal("job", "list", "-q", "queue:many state:enqueued", "--ids").out == ""


def test_queues_are_paused_through_a_server(terminal: Terminal, url: str) -> None:
    assert (
        terminal("queue", "pause", "a b/c", "--reason", "x", "--url", url, "--fields", "name,state").out
        == "a b/c\tpaused\n"
    )
    assert terminal("queue", "resume", "a b/c", "--url", url, "--fields", "state").out == "open\n"


def test_workers_are_drained_through_a_server(terminal: Terminal, hands: Hands, url: str) -> None:
    drain = ("worker", "drain", "--url", url)
    assert terminal(*drain, "here", "--fields", "id,state").out == "w1\tdraining\n"
    assert terminal(*drain, "w1", "--fields", "state").out == "draining\n"
    assert terminal(*drain, "unknown").code == 3
    waited = terminal(*drain, "w1", "--wait", "--timeout", "0.1s")
    assert (waited.code, "still draining" in waited.err) == (124, True)
    hands.gateway.run(Rescue(["w1"]))
    again = terminal(*drain, "w1", "--wait")
    assert (again.code, "is lost" in again.err) == (0, True)


def test_waiting_through_a_server_hears_the_end(terminal: Terminal, hands: Hands, url: str) -> None:
    job_id = hands.add()
    threading.Timer(0.5, lambda: hands.app.handle(job_id).cancel()).start()
    assert terminal("job", "wait", job_id, "--url", url, "--timeout", "20s").code == 7


def test_the_doctor_of_a_server(terminal: Terminal, url: str) -> None:
    done = terminal("doctor", "--url", url, "--json")
    assert done.code == 0
    assert {
        one["name"]: one["result"]
        for one in done.json["items"]
        if one["name"] not in ("workers", "scheduler")
    } == dict.fromkeys(
        ("reachable", "ready", "clock", "stream", "pages", "form", "origin", "websocket", "concerns"), "good"
    )


class Answer(BaseHTTPRequestHandler):
    """A server that is not Holdfast; records the credentials it receives."""

    status = 200
    body = b"hello"
    asked: list[str | None] = []  # noqa: RUF012 - one for the whole test

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"])
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"hello", 69),
        (200, b"{}", 69),
        (404, b"<html>", 69),
        (401, b'{"detail": "who are you"}', 4),
        (403, b'{"detail": "no"}', 4),
        (503, b'{"detail": "disk full", "code": "storage_unavailable"}', 69),
        (500, b'{"detail": "oops", "code": "internal"}', 1),
    ],
)
def test_an_unexpected_response_is_explained(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, code: int
) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", "t0ken")
    monkeypatch.setattr(Answer, "status", status)
    monkeypatch.setattr(Answer, "body", body)
    monkeypatch.setattr(Answer, "asked", [])
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = terminal("queue", "list", "--url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.err
    assert "t0ken" not in done.err
    assert Answer.asked == ["Bearer t0ken"]
