"""The OpenAPI document is as strict as the API: schemathesis tries one against the other, with all of its checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from websockets.sync.client import connect

from holdfast.core.duration import MAX_SECONDS, seconds
from holdfast.storage.cursors import SORTS
from holdfast.storage.writes import PublishTypes
from holdfast.web.api import shapes
from tests.unit.web.listening import listening
from tests.unit.web.support import Lab, until

HERE = Path(__file__).parent / "strict_description"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_found_by_schemathesis(lab: Lab, address: str, tmp_path: Path) -> None:
    """The stream of `/events` never ends, so it is not for a tester that waits for an answer."""
    lab.worker()
    lab.add(5)
    claimed = lab.claim(2)
    lab.progress(claimed[0], 5)
    lab.log(claimed[0], ["a", "b"])
    rows = [kind.row(default_retries=10) for kind in lab.holdfast.registry]
    lab.parts.gateway.run(PublishTypes(rows))
    order = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{address}/openapi.json", "--checks", "all", "--seed", "1", "--max-examples", "3"),
        *("--exclude-path", "/api/v1/events", "--continue-on-failure", "--generation-database", "none"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}
    done = subprocess.run(
        order, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "Tested: 24" in done.stdout


@pytest.fixture
def schemas(http: httpx.Client) -> dict[str, Any]:
    return http.get("/openapi.json").json()["components"]["schemas"]


def valid(schemas: dict[str, Any], name: str, value: Any) -> None:
    document = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    Draft202012Validator(document).validate(value)


def test_what_the_streams_carry_is_described(
    lab: Lab, address: str, http: httpx.Client, schemas: dict[str, Any]
) -> None:
    described = http.get("/openapi.json").json()["paths"]["/api/v1/events"]["get"]["responses"]["200"]
    names = described["content"]["text/event-stream"]["x-events"]
    assert names.keys() == {"job", "removed", "resync", "bye"}
    with (
        listening(f"{address}/api/v1/events") as ear,
        connect(f"{address.replace('http', 'ws')}/api/v1/ws") as line,
    ):
        job = lab.client.jobs.act(lab.add()[0], "cancel")
        lab.client.jobs.delete(job.id)
        until(lambda: [event for event in ear.events if event.name == "removed"])
        for event in ear.events:
            valid(schemas, names[event.name]["$ref"].rpartition("/")[2], event.data)
        seen = ""
        while seen != "removed":
            message = json.loads(line.recv(timeout=20))
            valid(schemas, "SocketMessage", message)
            seen = message["event"]


def test_an_address_for_sockets_says_so(http: httpx.Client) -> None:
    answer = http.get("/api/v1/ws")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert answer.json()["code"] == "upgrade_required"
    assert http.get("/api/v1/ws", params={"last_event_id": "x"}).status_code == 422


def test_what_is_described_apart_from_the_code_agrees_with_it() -> None:
    assert list(shapes.SORTS) == list(SORTS)
    for text in ("0", "999w999w999w", "9999d", "99999h", "9999999min", "999999999s", "1h30m", "2 d", "500ms"):
        assert 0 <= seconds(text) <= MAX_SECONDS, text


def test_a_reason_to_pause_a_queue_is_text(http: httpx.Client) -> None:
    """Found by schemathesis: a control character was stored, and shown by every page of the queue."""
    refused = http.post("/api/v1/queues/default/pause", json={"reason": "a\u0007b"})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["reason"])
