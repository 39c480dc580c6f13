"""The streams over real connections: nothing missed, nothing doubled, slow readers warned, all of it ended cleanly."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from holdfast.core.commands import Action
from holdfast.storage.writes import Expire
from holdfast.web.live import hub
from tests.unit.web.listening import listening
from tests.unit.web.support import Lab, served, until

HEARD = 30.0
"""Seconds after which a stream that says nothing has failed. A test that passes never waits so long."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    lab.worker()
    yield lab
    lab.close()


@pytest.fixture
def url(lab: Lab) -> Iterator[str]:
    with served(lab) as address:
        yield address


def test_a_change_is_sent_with_the_current_state_of_the_job(lab: Lab, url: str) -> None:
    with listening(f"{url}/api/v1/events") as ear:
        assert ear.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert ear.headers["cache-control"] == "no-store"
        assert ear.headers["x-accel-buffering"] == "no"
        [job] = lab.add(1, owner="ann", tags=["eu"])
        event = until(lambda: ear.named("job"))[0]
        assert event.data.pop("at").endswith("Z")
        assert event.data == {
            "id": job, "type": "count_to", "queue": "default", "owner": "ann", "tags": ["eu"], "state": "enqueued",
            "reason": None, "requested": None, "progress": None,
        }  # fmt: skip
        assert event.seq == lab.client.events.last()
        [claimed] = lab.claim()
        lab.progress(claimed, 40)
        until(lambda: (ear.events[-1].data.get("progress") or {}).get("done") == 40)
        lab.client.jobs.act(job, Action.PAUSE)
        until(lambda: ear.events[-1].data["requested"] == "pause")


def test_only_jobs_that_match_are_sent(lab: Lab, url: str) -> None:
    with (
        listening(f"{url}/api/v1/events", {"q": "tag:eu -state:paused"}) as eu,
        listening(f"{url}/api/v1/events", {"tag": "us"}) as us,
    ):
        [a], [b] = lab.add(1, tags=["eu"]), lab.add(1, tags=["us"])
        lab.client.jobs.act(a, Action.PAUSE)
        lab.client.jobs.act(b, Action.PAUSE)
        until(lambda: us.events and us.events[-1].data["state"] == "paused")
        lab.client.jobs.act(a, Action.RESUME)
        until(lambda: eu.events and eu.events[-1].data["state"] == "enqueued")
        assert {event.data["id"] for event in us.events} == {b}
        assert {event.data["id"] for event in eu.events} == {a}
        assert "paused" not in {event.data["state"] for event in eu.events}


def test_the_removal_of_a_job_is_sent(lab: Lab, url: str) -> None:
    [job] = lab.add()
    lab.client.jobs.act(job, Action.CANCEL)
    with listening(f"{url}/api/v1/events") as ear:
        lab.client.jobs.delete(job)
        assert until(lambda: ear.named("removed"))[0].data["id"] == job


def test_who_comes_back_misses_nothing_and_hears_nothing_twice(lab: Lab, url: str) -> None:
    """Break the line again and again in the middle of changes, while another listens; in the end each job is known."""
    known: dict[str, str] = {}
    heard: list[int] = []
    ids: list[str] = []
    last = {"Last_Event_ID": str(lab.client.events.last())}
    with listening(f"{url}/api/v1/events") as bystander:
        for round_ in range(8):
            ids += lab.add(20)
            with listening(f"{url}/api/v1/events", **last) as ear:
                ids += lab.add(20)
                if round_ < 7:
                    until(lambda ear=ear: len(ear.events) >= 3)
                else:
                    until(lambda ear=ear: ear.last_id >= lab.client.events.last())
                events = list(ear.events)
            for event in events:
                assert event.name == "job"
                known[event.data["id"]] = event.data["state"]
                heard.append(event.seq or 0)
            last = {"Last_Event_ID": str(events[-1].seq)}
            if round_ < 7:
                for job in ids[-5:]:
                    lab.client.jobs.act(job, Action.PAUSE)
        until(lambda: bystander.last_id >= lab.client.events.last())
    assert len(heard) == len(set(heard))
    assert known == {job: lab.client.jobs.get(job).state for job in ids}
    assert {event.data["id"] for event in bystander.events} == set(ids)


def test_the_place_to_resume_from_moves_although_nothing_matches(
    lab: Lab, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.web.live.watcher.PING_INTERVAL", 0.2)
    with listening(f"{url}/api/v1/events", {"q": "tag:none"}) as ear:
        lab.add(5)
        until(lambda: ear.last_id == lab.client.events.last())
        assert ear.pings >= 1
        assert not ear.events


@pytest.mark.parametrize("last", ["999999", "2"])
def test_a_position_that_no_longer_exists_is_reported(
    lab: Lab, url: str, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in lab.add(3):
        lab.client.jobs.act(job, Action.CANCEL)
        lab.client.jobs.delete(job)
    monkeypatch.setattr("holdfast.storage.sqlite.maintenance.KEEP_EVENTS", -1_000_000)
    lab.parts.gateway.run(Expire(100))
    with listening(f"{url}/api/v1/events", Last_Event_ID=last) as ear:
        assert until(lambda: ear.events)[0].name == "resync"
        assert ear.events[0].data == {"seq": lab.client.events.last()}
        [job] = lab.add()
        until(lambda: ear.named("job"))
        assert ear.named("job")[0].data["id"] == job


def test_a_place_before_which_nothing_is_missing_is_taken(lab: Lab, url: str) -> None:
    """What was removed with its job is reported as removed: no reason to ask for everything again."""
    jobs = lab.add(3)
    for job in jobs:
        lab.client.jobs.act(job, Action.CANCEL)
        lab.client.jobs.delete(job)
    with listening(f"{url}/api/v1/events", Last_Event_ID="1") as ear:
        until(lambda: len(ear.events) == 3)
        assert {(event.name, event.data["id"]) for event in ear.events} == {("removed", job) for job in jobs}


def test_a_slow_reader_is_notified_that_it_missed_something(
    lab: Lab, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "holdfast.web.live.transport.WRITE_TIMEOUT", 600.0
    )  # the server waits for the reader while we write
    parts = urlsplit(url)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.connect((parts.hostname, parts.port))
        line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        line.settimeout(HEARD)
        heard = line.recv(600)
        assert b"200" in heard
        jobs: list[str] = []
        for _ in range(12):  # about 3 MB of events, and no client reads
            jobs += lab.add(1_000, owner="o" * 150, tags=["t" * 100])
            until(lambda: lab.web.state.hub._seq >= lab.client.events.last())
        with listening(f"{url}/api/v1/events") as other:  # the others do not suffer
            [last] = lab.add()
            until(lambda: [e for e in other.named("job") if e.data["id"] == last])
        while b"event: resync" not in heard or last.encode() not in heard:
            heard = heard[-200_000:] + line.recv(65_536)
        assert heard.index(b"event: resync") < heard.index(last.encode())


def test_too_many_streams_are_refused(lab: Lab, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_WATCHERS", 2)
    with listening(f"{url}/api/v1/events"), listening(f"{url}/live"):
        refused = httpx.get(f"{url}/api/v1/events", timeout=HEARD)
        assert refused.status_code == 503
        assert refused.json()["code"] == "too_many_streams"
        assert refused.headers["retry-after"]
        with pytest.raises(InvalidStatus) as caught, connect(url.replace("http", "ws") + "/api/v1/ws"):
            pass
        assert caught.value.response.status_code == 503
    until(lambda: not lab.web.state.hub._watchers)
    with listening(f"{url}/api/v1/events"):
        pass


def test_the_same_over_websocket(lab: Lab, url: str) -> None:
    address = url.replace("http", "ws") + "/api/v1/ws"
    with connect(f"{address}?q=tag:eu") as line:
        lab.add(1, tags=["us"])
        [job] = lab.add(1, tags=["eu"])
        event = json.loads(line.recv(HEARD))
        assert (event["event"], event["data"]["id"], event["data"]["state"]) == ("job", job, "enqueued")
    lab.client.jobs.act(job, Action.PAUSE)
    with connect(f"{address}?tag=eu&last_event_id={event['seq']}") as line:
        again = json.loads(line.recv(HEARD))
        assert (again["data"]["id"], again["data"]["state"]) == (job, "paused")
        assert again["seq"] > event["seq"]
        line.send("what is this")
        lab.client.jobs.act(job, Action.RESUME)
        assert json.loads(line.recv(HEARD))["data"]["state"] == "enqueued"
    with pytest.raises(InvalidStatus) as caught, connect(f"{address}?q=stat:x"):
        pass
    assert caught.value.response.status_code == 422
    assert json.loads(caught.value.response.body)["errors"][0]["loc"] == ["q", 0, 4]


def test_every_listener_gets_a_goodbye_and_the_server_ends_at_once(lab: Lab) -> None:
    with ExitStack() as lines:
        with served(lab) as url:
            asked = [(f"{url}/api/v1/events", {}), (f"{url}/live", {"topics": "stats"})]
            ears = [lines.enter_context(listening(path, params)) for path, params in asked]
            line = lines.enter_context(connect(url.replace("http", "ws") + "/api/v1/ws"))
        for ear in ears:
            until(lambda ear=ear: ear.ended)
            assert ear.events[-1].name == "bye"
            assert ear.events[-1].data == {"retry": 1000}
        assert json.loads(line.recv(HEARD))["event"] == "bye"
        with pytest.raises(ConnectionClosed):
            line.recv(HEARD)


def test_a_page_receives_what_changed_since_it_was_rendered(lab: Lab, url: str) -> None:
    jobs = lab.add(3)
    seq = lab.client.events.last()
    lab.client.jobs.act(jobs[0], Action.PAUSE)
    asked = {"topics": "stats", "ids": ",".join(jobs), "q": "", "seq": seq}
    with listening(f"{url}/live", asked) as ear:
        hello = until(lambda: ear.named("hello"))[0]
        assert hello.data["seq"] == lab.client.events.last()
        rows = until(lambda: ear.named("rows"))[0].data
        assert rows["html"].keys() == {jobs[0]}
        assert 'data-style="paused"' in rows["html"][jobs[0]]
        new = lab.add(2)
        until(lambda: any(event.data.get("new") == 2 for event in ear.named("rows")))
        until(lambda: any(">5</span>" in str(event.data.get("html")) for event in ear.named("stats")))
        for job in (jobs[1], new[0]):
            lab.client.jobs.act(job, Action.CANCEL)
            lab.client.jobs.delete(job)
        until(lambda: any(jobs[1] in event.data.get("gone", ()) for event in ear.named("rows")))


def test_a_page_with_a_filter_is_notified_of_jobs_that_no_longer_match(lab: Lab, url: str) -> None:
    jobs = lab.add(2)
    asked = {
        "ids": ",".join(jobs),
        "q": "state:enqueued",
        "state": "enqueued",
        "seq": lab.client.events.last(),
    }
    with listening(f"{url}/live", asked) as ear:
        lab.client.jobs.act(jobs[0], Action.PAUSE)
        rows = until(lambda: [event.data for event in ear.named("rows") if event.data["html"]])[0]
        assert rows["left"] == [jobs[0]]
        tabs = until(lambda: [event.data["tabs"] for event in ear.named("rows") if event.data.get("tabs")])[
            -1
        ]
        assert 'id="tabs"' in tabs


def test_an_open_job_is_sent_whole_and_its_console_in_order(lab: Lab, url: str) -> None:
    [job] = lab.add()
    [claimed] = lab.claim()
    asked = {"job": job, "log_after": "0", "seq": lab.client.events.last()}
    with listening(f"{url}/live", asked) as ear:
        for start in range(0, 1_200, 100):
            lab.log(claimed, [f"line {n}" for n in range(start, start + 100)])
        until(lambda: sum(event.data["html"].count("<li") for event in ear.named("log")) >= 1_200)
        text = "".join(event.data["html"] for event in ear.named("log"))
        assert text.count("<li") == 1_200
        places = [text.index(f"line {n}<") for n in range(1_200)]
        assert places == sorted(places)
        lab.progress(claimed, 7)
        until(lambda: any("job-status" in event.data["html"] for event in ear.named("job")))
        assert ear.named("job")[-1].data["id"] == job


def test_a_tab_that_polls_gets_its_response_and_a_goodbye(lab: Lab, url: str) -> None:
    jobs = lab.add(2)
    answer = httpx.get(
        f"{url}/live", params={"once": "1", "ids": ",".join(jobs), "topics": "stats"}, timeout=HEARD
    )
    names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    assert names[0] == "hello"
    assert names[-1] == "bye"
    assert {"rows", "stats"} <= set(names)
    posted = httpx.post(f"{url}/live", data={"once": "1", "ids": ",".join(jobs)}, timeout=HEARD)
    assert all(job in posted.text for job in jobs)
