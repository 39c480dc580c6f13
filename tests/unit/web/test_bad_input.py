"""Whatever is sent: a 4xx that names the place and the reason, in one form, never a 500."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from holdfast.client.figures import Figures
from holdfast.core.errors import StorageUnavailable
from tests.unit.web.support import Lab

JSON = {"Content-Type": "application/json"}


def check(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text[:400]
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"] == f"urn:holdfast:problem:{body['code']}"
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    ("path", "name", "says"),
    [
        ("jobs?stat=failed", "stat", "'state' is meant"),
        ("jobs?state=failed&Limit=5", "Limit", "'limit' is meant"),
        ("jobs/count?limit=5", "limit", "it takes owner, q, queue, state, tag, type"),
        ("jobs/none?q=x", "q", "it takes none"),
        ("jobs/none/logs?afer=1", "afer", "'after' is meant"),
        ("events?tags=eu", "tags", "'tag' is meant"),
        ("stats?x=1", "x", "it takes none"),
        ("queues?" + "x" * 4_000, "x" * 100 + "…", "it takes none"),
    ],
)
def test_a_parameter_that_is_not_known_is_refused(
    http: httpx.Client, path: str, name: str, says: str
) -> None:
    body = check(http.get(f"/api/v1/{path}"), 422)
    [problem] = body["errors"]
    assert problem["loc"] == [name]
    assert says in problem["msg"]


def test_every_parameter_that_is_not_known_is_named(http: httpx.Client) -> None:
    body = check(http.get("/api/v1/jobs?a=1&b=2&state=failed&a=3"), 422)
    assert [problem["loc"] for problem in body["errors"]] == [["a"], ["b"]]
    assert check(http.post("/api/v1/jobs?dry_run=1", json={"type": "count_to"}), 422)["code"] == "invalid"


BODIES: list[tuple[str, int, list[Any] | None]] = [
    ("", 422, ["body"]),
    ("{", 400, ["body", 1]),
    ("null", 422, ["body"]),
    ("[]", 422, ["body"]),
    ('"count_to"', 422, ["body"]),
    ("{}", 422, ["type"]),
    ('{"type": 5}', 422, ["type"]),
    ('{"type": ""}', 422, ["type"]),
    ('{"type": "count_tp"}', 422, ["type"]),
    ('{"type": "count_to", "args": []}', 422, ["args"]),
    ('{"type": "count_to", "args": {"n": "many"}}', 422, ["args", "n"]),
    ('{"type": "count_to", "args": {"m": 1}}', 422, ["args", "m"]),
    ('{"type": "import_customers"}', 422, ["args", "path"]),
    ('{"type": "count_to", "args": {"n": NaN}}', 400, ["body"]),
    ('{"type": "count_to", "args": {"delay": 1e999}}', 422, ["args", "delay"]),
    (r'{"type": "import_customers", "args": {"path": "\ud800"}}', 422, ["args", "path"]),
    (r'{"type": "import_customers", "args": {"path": "\u0000"}}', 422, ["args", "path"]),
    ('{"type": "count_to", "args": {"n": ' + "1" * 5_000 + "}}", 422, ["body"]),
    ('{"type": "count_to", "args": {"n": ' + "1" * 4_000 + "}}", 201, None),
    (
        '{"type": "count_to", "args": {"n": ' + "[" * 300 + "]" * 300 + "}}",
        422,
        ["args", "n", 0, 0, 0, 0, 0, 0],
    ),
    ('{"type": "count_to", "bogus": 1}', 422, ["bogus"]),
    ('{"type": "count_to", "state": "succeeded"}', 422, ["state"]),
    ('{"type": "count_to", "fence_token": 7}', 422, ["fence_token"]),
    ('{"type": "count_to", "after": ["x"]}', 422, ["after"]),
    ('{"type": "count_to", "priority": "5"}', 422, ["priority"]),
    ('{"type": "count_to", "priority": 1.5}', 422, ["priority"]),
    ('{"type": "count_to", "priority": true}', 422, ["priority"]),
    ('{"type": "count_to", "priority": 99999999999999999999}', 422, ["priority"]),
    ('{"type": "count_to", "retries": -1}', 422, ["retries"]),
    ('{"type": "count_to", "delay": "soon"}', 422, ["delay"]),
    ('{"type": "count_to", "delay": -1}', 422, ["delay"]),
    ('{"type": "count_to", "delay": 1e300}', 422, ["delay"]),
    ('{"type": "count_to", "timeout": 0}', 422, ["timeout"]),
    ('{"type": "count_to", "run_at": "tomorrow"}', 422, ["run_at"]),
    ('{"type": "count_to", "run_at": 1700000000}', 422, ["run_at"]),
    ('{"type": "count_to", "run_at": "2026-11-20T14:00:00"}', 422, ["run_at"]),
    ('{"type": "count_to", "run_at": "9999-12-31T23:59:59-23:00"}', 422, ["run_at"]),
    ('{"type": "count_to", "run_at": "0001-01-01T00:00:00+23:00"}', 422, ["run_at"]),
    ('{"type": "count_to", "run_at": "2030-01-01T00:00:00Z", "delay": 5}', 422, ["run_at"]),
    ('{"type": "count_to", "queue": ""}', 422, ["queue"]),
    (r'{"type": "count_to", "queue": "a\nb"}', 422, ["queue"]),
    (json.dumps({"type": "count_to", "queue": "q" * 201}), 422, ["queue"]),
    (json.dumps({"type": "count_to", "owner": "q" * 201}), 422, ["owner"]),
    (json.dumps({"type": "count_to", "tags": "eu"}), 422, ["tags"]),
    (json.dumps({"type": "count_to", "tags": ["t"] * 33}), 422, ["tags"]),
    (json.dumps({"type": "count_to", "tags": [""]}), 422, ["tags", 0]),
    (json.dumps({"type": "count_to", "unique": "k" * 501}), 422, ["unique"]),
    (json.dumps({"type": "import_customers", "args": {"path": "x" * 300_000}}), 413, ["args"]),
    (json.dumps({f"f{index}": 1 for index in range(60_000)}), 422, ["body"]),
    (json.dumps({"type": "count_to", "args": {f"f{index}": 1 for index in range(60_000)}}), 422, None),
]


@pytest.mark.parametrize(("body", "status", "loc"), BODIES, ids=[text[:60] for text, _, _ in BODIES])
def test_a_job_that_cannot_be(
    lab: Lab, http: httpx.Client, body: str, status: int, loc: list[Any] | None
) -> None:
    before = lab.client.events.last()
    answer = http.post("/api/v1/jobs", content=body, headers=JSON)
    if status == 201:
        assert answer.status_code == 201
        return
    found = check(answer, status)
    assert loc is None or loc in [error["loc"] for error in found["errors"]], found
    assert all(error["msg"] for error in found["errors"])
    assert len(answer.content) < 40_000
    assert lab.client.events.last() == before


def test_one_bad_job_keeps_all_of_them_out(lab: Lab, http: httpx.Client) -> None:
    before = lab.client.events.last()
    good, bad = {"type": "count_to"}, {"type": "count_to", "args": {"n": "x"}}
    found = check(http.post("/api/v1/jobs/bulk", json={"jobs": [good, bad, good]}), 422)
    assert found["errors"][0]["loc"] == ["jobs", 1, "args", "n"]
    found = check(http.post("/api/v1/jobs/bulk", json={"jobs": [good, {"type": "count_to", "x": 1}]}), 422)
    assert found["errors"][0]["loc"] == ["jobs", 1, "x"]
    found = check(http.post("/api/v1/jobs/bulk", json={"jobs": [good, {"type": "nope"}]}), 422)
    assert found["errors"][0]["loc"] == ["jobs", 1, "type"]
    check(http.post("/api/v1/jobs/bulk", json={"jobs": []}), 422)
    check(http.post("/api/v1/jobs/bulk", json={"jobs": [good] * 10_001}), 422)
    check(http.post("/api/v1/jobs/bulk", json=[good]), 422)
    assert lab.client.events.last() == before


QUERIES: list[tuple[str, dict[str, Any], int, Any]] = [
    ("/api/v1/jobs", {"q": "stat:failed"}, 422, ["q", 0, 4]),
    ("/api/v1/jobs", {"q": "x" * 10_000}, 422, None),
    ("/api/v1/jobs", {"q": '"'}, 422, None),
    ("/api/v1/jobs", {"q": "(" * 50}, 422, None),
    ("/api/v1/jobs", {"q": "created:>yesterdayish"}, 422, None),
    ("/api/v1/jobs", {"state": "done"}, 422, ["state"]),
    ("/api/v1/jobs", {"sort": "owner; DROP TABLE jobs"}, 422, ["sort"]),
    ("/api/v1/jobs", {"limit": "0"}, 422, ["limit"]),
    ("/api/v1/jobs", {"limit": "201"}, 422, ["limit"]),
    ("/api/v1/jobs", {"limit": "9" * 30}, 422, ["limit"]),
    ("/api/v1/jobs", {"limit": "ten"}, 422, ["limit"]),
    ("/api/v1/jobs", {"cursor": "bogus"}, 422, ["cursor"]),
    ("/api/v1/jobs", {"cursor": "x" * 5_000}, 422, ["cursor"]),
    ("/api/v1/jobs", {"cursor": "\x00\ufffd"}, 422, ["cursor"]),
    ("/api/v1/jobs/count", {"q": "priority:>x"}, 422, None),
    ("/api/v1/events", {"q": "stat:failed"}, 422, ["q", 0, 4]),
    ("/api/v1/events", {"last_event_id": "abc"}, 422, ["Last-Event-ID"]),
    ("/api/v1/events", {"last_event_id": "9" * 40}, 422, ["Last-Event-ID"]),
    ("/live", {"q": "stat:failed"}, 422, ["q", 0, 4]),
    ("/live", {"ids": ",".join(map(str, range(501)))}, 422, ["ids"]),
    ("/live", {"seq": "x"}, 422, ["seq"]),
]


@pytest.mark.parametrize(
    ("path", "asked", "status", "loc"), QUERIES, ids=[f"{p} {str(a)[:50]}" for p, a, _, _ in QUERIES]
)
def test_a_question_that_cannot_be(
    http: httpx.Client, path: str, asked: dict[str, str], status: int, loc: Any
) -> None:
    found = check(http.get(path, params=asked), status)
    assert loc is None or found["errors"][0]["loc"] == loc, found


def test_logs_are_bounded(lab: Lab, http: httpx.Client) -> None:
    [job] = lab.add()
    for asked in ({"limit": 1_001}, {"limit": 0}, {"after": 2**63}, {"after": -1_001}, {"after": "x"}):
        check(http.get(f"/api/v1/jobs/{job}/logs", params=asked), 422)
    assert http.get(f"/api/v1/jobs/{job}/logs", params={"after": 2**63 - 1}).json() == {
        "items": [],
        "next_after": 2**63 - 1,
    }


@pytest.mark.parametrize(
    "job",
    ["nope", "x" * 5_000, "%00", "%ed%a0%80", "..%2f..", "'; DROP TABLE jobs; --", "%F0%9F%8D%8C", "-1"],
)
def test_a_job_that_is_not_there(http: httpx.Client, job: str) -> None:
    for method, end in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/history"),
        ("GET", "/logs"),
        ("POST", "/pause"),
        ("POST", "/retry"),
    ):
        check(http.request(method, f"/api/v1/jobs/{job}{end}"), 404)


def test_what_does_not_exist_is_not_faked(http: httpx.Client) -> None:
    for path in (
        "/api/v1/schedules",
        "/api/v1/plugins",
        "/api/v1/jobs/actions/none",
        "/api/v1/job-types/none",
        "/api/v2/jobs",
    ):
        check(http.get(path), 404)
    check(http.get("/api/v1/jobs/"), 404)
    found = http.patch("/api/v1/jobs")
    check(found, 405)
    assert "POST" in found.headers["allow"] or "GET" in found.headers["allow"]


@pytest.mark.parametrize(
    "media",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"],
)
def test_a_body_that_is_not_declared_as_json(http: httpx.Client, media: str) -> None:
    headers = {"Content-Type": media} if media else {}
    check(http.post("/api/v1/jobs", content=b'{"type": "count_to"}', headers=headers), 415)
    check(http.post("/api/v1/jobs/x/pause", content=b'{"reason": "x"}', headers=headers), 415)


def test_a_reason_is_checked(lab: Lab, http: httpx.Client) -> None:
    [job] = lab.add()
    for body in ({"reason": 5}, {"reason": "x" * 1_001}, {"reason": "a\nb"}, {"raison": "x"}, []):
        check(http.post(f"/api/v1/jobs/{job}/pause", json=body), 422)
    assert lab.client.jobs.get(job).state == "enqueued"


def test_actions_are_checked(http: httpx.Client) -> None:
    for body in (
        {"action": "destroy", "q": ""},
        {"action": "pause"},
        {"action": "pause", "q": "stat:x"},
        {"action": "pause", "q": "", "dry_run": "yes"},
        {"action": "pause", "q": "", "ids": ["x"]},
    ):
        check(http.post("/api/v1/jobs/actions", json=body), 422)


def test_a_body_that_is_too_large(lab: Lab, http: httpx.Client) -> None:
    before = lab.client.events.last()
    large = json.dumps({"type": "import_customers", "args": {"path": "x" * 5 * 1024 * 1024}}).encode()
    found = check(http.post("/api/v1/jobs", content=large, headers=JSON), 413)
    assert "1,048,576" in found["detail"]
    pieces = (large[start : start + 60_000] for start in range(0, len(large), 60_000))
    assert "1,048,576" in check(http.post("/api/v1/jobs", content=pieces, headers=JSON), 413)["detail"]
    # every address, known or not, sees no more than its limit
    check(http.post("/jobs/new", content=large), 413)
    huge = json.dumps({"jobs": [{"type": "import_customers", "args": {"path": "x" * 200_000}}] * 90}).encode()
    check(http.post("/api/v1/jobs/bulk", content=huge, headers=JSON), 413)
    assert lab.client.events.last() == before


def test_a_body_that_only_says_it_is_large_is_not_waited_for(address: str) -> None:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        answer = b""
        while chunk := line.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def test_an_internal_error_is_reported_by_an_id_only(
    lab: Lab, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accident(self: Figures) -> None:
        raise RuntimeError("the secret is 4711")

    monkeypatch.setattr(Figures, "stats", accident)
    found = check(http.get("/api/v1/stats"), 500)
    assert len(found["error_id"]) == 12
    assert found["error_id"] in found["detail"]
    assert "4711" not in json.dumps(found)


def test_an_unavailable_store_is_reported_as_unavailable(
    lab: Lab, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("The database does not answer. Nothing was stored.")

    monkeypatch.setattr(lab.parts.store, "last_event", away)
    monkeypatch.setattr(lab.parts.store, "insert", away)
    answer = http.get("/health/ready")
    check(answer, 503)
    assert answer.headers["retry-after"]
    check(http.get("/api/v1/health/ready"), 503)
    check(http.post("/api/v1/jobs", json={"type": "count_to"}), 503)
    check(http.get("/api/v1/events"), 503)
    assert http.get("/health/live").status_code == 200


def test_a_browser_gets_a_page_and_a_program_a_problem(http: httpx.Client) -> None:
    page = http.get("/nowhere", headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    check(http.get("/nowhere"), 404)
    check(http.get("/api/v1/jobs/none", headers={"Accept": "text/html"}), 404)
