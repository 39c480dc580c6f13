"""The API over a real connection: what is promised of each address."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from holdfast.client import bulk
from holdfast.client.jobs import Jobs
from holdfast.web.api import jobs as jobs_api
from holdfast.web.api import operations
from tests.unit.web.support import Lab, served


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def http(lab: Lab) -> Iterator[httpx.Client]:
    with served(lab) as url, httpx.Client(base_url=f"{url}/api/v1", timeout=20) as client:
        yield client


def test_a_job_from_its_enqueue_to_its_end(lab: Lab, http: httpx.Client) -> None:
    asked = {
        "type": "count_to",
        "args": {"n": 3},
        "queue": "mail",
        "priority": 5,
        "owner": "ann",
        "tags": ["eu", "x y"],
        "retries": 2,
    }
    made = http.post("/jobs", json=asked)
    assert made.status_code == 201
    job = made.json()
    assert made.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert job["args"] == {"n": 3, "delay": 0.1}
    assert {key: job[key] for key in ("state", "queue", "priority", "owner", "tags", "max_attempts")} == {
        "state": "enqueued", "queue": "mail", "priority": 5, "owner": "ann", "tags": ["eu", "x y"], "max_attempts": 3,
    }  # fmt: skip
    assert datetime.fromisoformat(job["created_at"]).utcoffset() is not None
    for key in ("reason", "requested", "progress", "has_saved_state", "result", "error", "attempt", "run_at", "started_at",
                "finished_at", "expires_at", "worker", "schedule_id", "parent_ids", "batch_id"):  # fmt: skip
        assert key in job

    path = f"/jobs/{job['id']}"
    assert http.get(path).json() == job
    paused = http.post(f"{path}/pause", json={"reason": "lunch"})
    assert (paused.status_code, paused.json()["state"]) == (200, "paused")
    again = http.post(f"{path}/pause")
    assert again.status_code == 409
    assert again.json()["code"] == "conflict"
    assert "paused" in again.json()["detail"]
    assert http.post(f"{path}/resume").json()["state"] == "enqueued"
    assert http.delete(path).status_code == 409
    lab.worker()
    [claimed] = lab.claim()
    lab.progress(claimed, 1, 3)
    running = http.get(path).json()
    assert (running["state"], running["progress"]["done"], running["worker"]) == ("processing", 1, "w1")
    asked_of = http.post(f"{path}/cancel", json={"reason": "enough"}).json()
    assert (asked_of["state"], asked_of["requested"]) == ("processing", "cancel")
    assert http.post(f"{path}/retry").status_code == 409
    history = http.get(f"{path}/history").json()["items"]
    assert [(h["kind"], h["state"], h["reason"]) for h in history] == [
        ("state", "enqueued", None), ("state", "paused", "lunch"), ("state", "enqueued", None),
        ("state", "processing", None), ("request", "cancel", "enough"),
    ]  # fmt: skip
    assert http.get(f"{path}/logs").json() == {"items": [], "next_after": 0}


def test_delete_removes_an_ended_job(lab: Lab, http: httpx.Client) -> None:
    [job] = lab.add()
    http.post(f"/jobs/{job}/cancel")
    gone = http.delete(f"/jobs/{job}")
    assert (gone.status_code, gone.json()["id"]) == (200, job)
    assert http.get(f"/jobs/{job}").status_code == 404
    assert http.delete(f"/jobs/{job}").status_code == 404


def test_concurrent_requests_with_one_idempotency_key_make_one_job(http: httpx.Client) -> None:
    def send(_: int) -> httpx.Response:
        return http.post("/jobs", json={"type": "count_to"}, headers={"Idempotency-Key": "order-7"})

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(send, range(24)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["id"] for response in responses}) == 1
    assert sum("idempotent-replayed" not in response.headers for response in responses) == 1
    assert http.get("/jobs/count").json() == {"count": 1, "capped": False}
    other = http.post("/jobs", json={"type": "foo/bar.baz"}, headers={"Idempotency-Key": "order-7"})
    assert other.status_code == 422
    assert other.json()["errors"][0]["loc"] == ["Idempotency-Key"]


def test_a_unique_key_responses_with_the_job_that_holds_it(http: httpx.Client) -> None:
    asked = {"type": "count_to", "unique": "a.csv"}
    first, second = http.post("/jobs", json=asked), http.post("/jobs", json=asked)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["location"] == first.headers["location"]


def test_many_jobs_in_one_request(http: httpx.Client) -> None:
    made = http.post(
        "/jobs/bulk", json={"jobs": [{"type": "count_to", "args": {"n": n}} for n in range(2_500)]}
    )
    assert made.status_code == 201
    assert made.json()["created"] == 2_500
    assert [job["args"]["n"] for job in made.json()["items"]] == list(range(2_500))


def test_pages_go_through_everything_once(lab: Lab, http: httpx.Client) -> None:
    eu, us = lab.add(7, tags=["eu"]), lab.add(3, tags=["us"])
    seen: list[str] = []
    cursor = None
    while True:
        asked = {"limit": 3, "tag": "eu", **({"cursor": cursor} if cursor else {})}
        page = http.get("/jobs", params=asked).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(eu)
    assert http.get("/jobs/count", params={"tag": "eu,us"}).json()["count"] == 10
    assert http.get("/jobs/count", params=[("tag", "eu"), ("tag", "us")]).json()["count"] == 0
    assert {job["id"] for job in http.get("/jobs", params={"q": "tag:us"}).json()["items"]} == set(us)
    assert (
        http.get("/jobs", params={"q": f"id:{us[0]}", "state": "enqueued"}).json()["items"][0]["id"] == us[0]
    )


def test_an_action_on_all_that_match(lab: Lab, http: httpx.Client) -> None:
    lab.add(5, tags=["eu"])
    lab.add(2, tags=["us"])
    tried = http.post("/jobs/actions", json={"action": "pause", "q": "tag:eu", "dry_run": True}).json()
    assert (tried["matched"], tried["fits"], tried["by_state"], tried["done"]) == (5, 5, {"enqueued": 5}, 0)
    assert http.get("/jobs/count", params={"state": "paused"}).json()["count"] == 0
    done = http.post("/jobs/actions", json={"action": "pause", "q": "tag:eu", "reason": "deploy"})
    assert (done.status_code, done.json()["done"], done.json()["refused"]) == (200, 5, 0)
    assert http.get("/jobs/count", params={"q": "state:paused reason:deploy"}).json()["count"] == 5


def test_an_action_on_very_many_is_done_before_the_response_ends(
    lab: Lab, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no later request, which a proxy may send to another process, has to find it."""
    monkeypatch.setattr(jobs_api, "MAX_BATCH", 100)
    monkeypatch.setattr(operations, "KEEP_ALIVE", 0.001)
    lab.add(450)
    asked = {"action": "cancel", "q": "type:count_to", "reason": "old"}
    done = http.post("/jobs/actions", json=asked)
    assert done.status_code == 200
    assert done.text.startswith(" ")
    assert {key: done.json()[key] for key in ("matched", "done", "refused", "error")} == {
        "matched": 450, "done": 450, "refused": 0, "error": None,
    }  # fmt: skip
    assert http.get("/jobs/count", params={"state": "cancelled"}).json()["count"] == 450


def test_an_action_that_ends_early_says_why_and_what_is_done(
    lab: Lab, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_api, "MAX_BATCH", 100)
    monkeypatch.setattr(bulk, "MAX_BATCH", 100)
    lab.add(450)
    act, batches = Jobs.act_on, iter(range(2))
    monkeypatch.setattr(Jobs, "act_on", lambda *a, **k: act(*a, **k) if next(batches, -1) >= 0 else 1 / 0)
    done = http.post("/jobs/actions", json={"action": "cancel", "q": "state:enqueued"}).json()
    assert done["done"] == 200  # whole batches
    assert "the server logged it as" in done["error"]


def test_queues_with_any_name(lab: Lab, http: httpx.Client) -> None:
    for name in ("foo/bar.baz", "a b", "%2F", "'\"<>&", "日本", "q" * 200):
        lab.add(1, queue=name)
        path = f"/queues/{quote(name, safe='')}"
        paused = http.post(f"{path}/pause", json={"reason": "why not"})
        assert (paused.status_code, paused.json()["name"], paused.json()["state"]) == (200, name, "paused")
        assert http.post(f"{path}/resume").json()["state"] == "open"
    names = {queue["name"] for queue in http.get("/queues").json()["items"]}
    assert {"foo/bar.baz", "%2F", "日本"} <= names


def test_types_workers_and_figures(lab: Lab, http: httpx.Client) -> None:
    lab.worker()
    lab.add(3)
    lab.claim(1)
    kinds = {kind["name"]: kind for kind in http.get("/job-types").json()["items"]}
    assert kinds["count_to"]["args_schema"]["properties"]["n"]["type"] == "integer"
    assert http.get(f"/job-types/{quote('foo/bar.baz', safe='')}").json()["queue"] == "a/b c"
    [worker] = http.get("/workers").json()["items"]
    assert {key: worker[key] for key in ("id", "host", "pid", "version", "state", "slots")} == {
        "id": "w1", "host": "here", "pid": 4711, "version": "1.2.3", "state": "live", "slots": 10,
    }  # fmt: skip
    assert worker.keys() >= {"queues", "types", "busy", "started_at", "heartbeat_at"}
    stats = http.get("/stats").json()
    assert (stats["states"]["enqueued"], stats["states"]["processing"]) == (2, 1)
    assert stats["queues"]["default"]["enqueued"] == 2
    assert stats["oldest_wait"] >= 0
    assert "per_minute" in stats["throughput"]


def test_every_link_begins_with_the_prefix(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "b", root_path="/a/bé")
    with served(lab) as url, httpx.Client(base_url=url) as http:
        for prefix in ("/a/b%C3%A9", ""):  # a proxy that keeps the prefix, and one that takes it away
            made = http.post(f"{prefix}/api/v1/jobs", json={"type": "count_to"})
            assert made.status_code == 201
            assert made.headers["location"].startswith("/a/b%C3%A9/api/v1/jobs/")
            assert 'data-url="/a/b%C3%A9/openapi.json"' in http.get(f"{prefix}/docs").text
        assert {"url": "/a/bé"} in http.get("/a/b%C3%A9/openapi.json").json()["servers"]
        assert http.get(made.headers["location"]).json()["id"] == made.json()["id"]
    lab.close()
