"""What watching costs: nothing without watchers, and a few queries a second however much changes."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog
from httpx import ASGITransport, AsyncClient
from structlog.testing import capture_logs

from holdfast.client.views import JobView
from holdfast.core.commands import Action
from holdfast.core.errors import StorageUnavailable
from holdfast.storage.topics import Topic
from holdfast.web.api.event_feed import MAX_BYTES, MAX_MESSAGES, EventFeed
from holdfast.web.api.operations import Operations
from holdfast.web.api.search import filter_of
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.live_page import PageStream
from holdfast.web.dashboard.live_subscription import Subscription
from holdfast.web.dashboard.routes import make_page_data
from holdfast.web.dashboard.viewer_prefs import View
from holdfast.web.live import hub as hub_module
from holdfast.web.live.hub import LiveHub
from holdfast.web.live.sse import EventStream
from holdfast.web.live.watcher import Message, Watcher
from tests.unit.web.support import Lab

VERBS = (
    *("last_event", "oldest_event", "changed", "jobs", "events", "transition_counts", "search", "count"),
    *("count_by_state", "states", "queues", "workers", "buckets", "logs", "job", "history"),
    *("outcomes", "partitions"),
)


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    lab.worker()
    yield lab
    lab.close()


@pytest.fixture
def queries(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each reading verb of the store was called."""
    counted: Counter[str] = Counter()
    for verb in VERBS:
        real = getattr(lab.parts.store, verb)

        def counting(*args: Any, _real: Any = real, _verb: str = verb, **kwargs: Any) -> Any:
            counted[_verb] += 1
            return _real(*args, **kwargs)

        monkeypatch.setattr(lab.parts.store, verb, counting)
    return counted


@pytest.fixture
def hub(lab: Lab) -> LiveHub:
    return LiveHub(lab.client)


def page_stream(lab: Lab, ids: list[str], **more: Any) -> PageStream:
    data = make_page_data(
        lab.client,
        lab.settings,
        Operations(),
        version="1",
        storage="SQLite",
    )
    subscription = Subscription(topics=("stats",), ids=tuple(ids), q="", seq=lab.client.events.last(), **more)
    return PageStream(subscription, View(), Fragments(data))


@asynccontextmanager
async def reading(hub: LiveHub, *watchers: Watcher) -> AsyncIterator[list[list[Message]]]:
    """Watchers that read; yields the messages that each has received."""
    heard: list[list[Message]] = [[] for _ in watchers]

    async def read(watcher: Watcher, into: list[Message]) -> None:
        while not watcher.ended:
            into += await watcher.next()

    async with AsyncExitStack() as stack:
        for watcher in watchers:
            await stack.enter_async_context(hub.watching(watcher))
        tasks = [asyncio.create_task(read(*pair)) for pair in zip(watchers, heard, strict=True)]
        try:
            yield heard
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def come_true(fact: Any, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.01)


async def test_without_watchers_nothing_is_queried(lab: Lab, hub: LiveHub, queries: Counter[str]) -> None:
    async with reading(hub, page_stream(lab, lab.add(3))):
        await asyncio.sleep(0.1)
    lab.add(5)
    await asyncio.sleep(2.5)  # longer than the hub ever waits: it would have looked by now
    queries.clear()
    lab.add(5)
    await asyncio.sleep(2.5)
    assert not queries
    hub.stop()


async def test_silence_is_cheap(lab: Lab, hub: LiveHub, queries: Counter[str]) -> None:
    async with reading(hub, page_stream(lab, lab.add(3)), EventFeed(filter_of(), lab.client.jobs, None)):
        await asyncio.sleep(1.5)
        queries.clear()
        await asyncio.sleep(4)
        assert queries["last_event"] <= 5
        assert queries["states"] <= 1
        assert not queries["jobs"] + queries["changed"] + queries["events"] + queries["count_by_state"]
    hub.stop()


async def test_fifty_pages_in_a_storm_cost_a_few_queries_a_second(
    lab: Lab, hub: LiveHub, queries: Counter[str]
) -> None:
    ids = lab.add(50)
    stop = threading.Event()

    def storm() -> None:
        while not stop.is_set():
            lab.add(250)

    async with reading(hub, *(page_stream(lab, ids) for _ in range(50))) as heard:
        before = lab.client.events.last()
        thread = threading.Thread(target=storm)
        thread.start()
        try:
            await asyncio.sleep(1)
            queries.clear()
            start, seq = time.monotonic(), lab.client.events.last()
            for job in ids[:20]:
                await asyncio.to_thread(lab.client.jobs.act, job, Action.PAUSE)
            await asyncio.sleep(3)
            await come_true(lambda: lab.client.events.last() - seq > 1_000)
            passed = time.monotonic() - start
        finally:
            stop.set()
            await asyncio.to_thread(thread.join)
        assert before < seq
        for verb in ("changed", "jobs", "events", "count_by_state", "states", "queues"):
            assert queries[verb] <= 4 * passed + 2, (verb, queries, passed)
        assert not queries["outcomes"] + queries["partitions"]  # the concerns are not on these pages
        await come_true(lambda: all(_rows(messages, ids[19]) == "paused" for messages in heard))
        for messages in heard:
            assert len([m for m in messages if m.event == "rows"]) <= 4.5 * passed + 10
    hub.stop()


def _rows(messages: list[Message], job: str) -> str:
    for message in reversed(messages):
        if message.event == "rows" and f"row-{job}" in message.data:
            part = message.data.split(f"row-{job}", 1)[1]
            return part.split('data-style=\\"', 1)[1].split("\\", 1)[0]
    return ""


async def test_a_change_after_silence_comes_with_its_signal(
    lab: Lab, hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the next look that would come anyway: after the first one, here none comes."""
    with lab.client.events.listen((Topic.EVENTS,)) as listener:
        kind, real = type(listener), type(listener).wait_async
    looks = count()
    monkeypatch.setattr(kind, "wait_async", lambda self, given: real(self, 600.0 if next(looks) else given))
    ids = lab.add(3)
    async with reading(hub, page_stream(lab, ids)) as [heard]:
        for action in (Action.PAUSE, Action.RESUME, Action.PAUSE, Action.RESUME, Action.PAUSE):
            await asyncio.to_thread(lab.client.jobs.act, ids[0], action)
            look = "paused" if action is Action.PAUSE else "enqueued"
            await come_true(lambda look=look: _rows(heard, ids[0]) == look)
    hub.stop()


async def test_a_page_continues_from_before_what_it_shows(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens while a page is being made must come by its stream."""
    (job,) = lab.add()
    real = lab.client.jobs.get

    def overtaken(job_id: str) -> JobView:
        seen = real(job_id)
        monkeypatch.undo()
        lab.client.jobs.act(job_id, Action.PAUSE)
        return seen

    monkeypatch.setattr(lab.client.jobs, "get", overtaken)
    before = lab.client.events.last()
    async with AsyncClient(transport=ASGITransport(lab.web), base_url="http://127.0.0.1") as http:
        page = (await http.get(f"/jobs/{job}", headers={"Accept": "text/html"})).text
    found = re.search('data-seq="([0-9]+)"', page)
    assert found
    assert int(found[1]) == before
    assert lab.client.events.changed_jobs(after=before, ids=[job]) == {job}


async def test_a_stream_that_is_cut_off_within_a_drawing_resumes_before_it(lab: Lab, hub: LiveHub) -> None:
    (job,) = lab.add()
    watcher = page_stream(lab, [job], job=job)
    sent: list[str] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("body", b"").decode())
        if "event: job" in sent[-1]:
            watcher.close()

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    async with asyncio.timeout(10):
        stream = asyncio.create_task(EventStream(hub, watcher)({}, receive, send))
        while not any("event: hello" in text for text in sent):
            await asyncio.sleep(0.01)
        lab.client.jobs.act(job, Action.PAUSE)
        await stream
    (drawn,) = [text for text in sent if "event: job" in text]
    events = [dict(line.split(": ", 1) for line in text.split("\n")) for text in drawn.strip().split("\n\n")]
    assert len(events) > 1
    assert ["id" in event for event in events] == [False] * (len(events) - 1) + [True]


async def test_an_outbox_that_is_not_emptied_is_bounded_and_says_so(lab: Lab, hub: LiveHub) -> None:
    slow = EventFeed(filter_of(), lab.client.jobs, None)
    async with hub.watching(slow), reading(hub, EventFeed(filter_of(), lab.client.jobs, None)) as [heard]:
        for number in range(3):
            lab.add(400)
            await come_true(lambda number=number: len(heard) >= 400 * (number + 1))
        assert "resync" not in {message.event for message in heard}
        kept = slow.flush()
    assert kept[0].event == "resync"
    assert len(kept) <= MAX_MESSAGES
    assert sum(len(message.data) for message in kept) <= MAX_BYTES
    assert kept[-1].seq == lab.client.events.last()
    hub.stop()


async def test_changes_of_one_job_are_merged(lab: Lab, hub: LiveHub) -> None:
    [job] = lab.add()
    slow = EventFeed(filter_of(), lab.client.jobs, None)
    async with hub.watching(slow):
        for action in (Action.PAUSE, Action.RESUME) * 10 + (Action.PAUSE,):
            await asyncio.to_thread(lab.client.jobs.act, job, action)
        newest = lab.client.events.last()
        await come_true(lambda: slow.seq == newest)
        [message] = slow.flush()
    assert message.seq == newest
    assert '"state":"paused"' in message.data
    hub.stop()


async def test_a_page_that_does_not_read_receives_gap(
    lab: Lab, hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.web.dashboard.live_page.MAX_BYTES", 2_000)
    ids = lab.add(10)
    page = page_stream(lab, ids)
    async with hub.watching(page):
        page.flush()
        for job in ids:
            await asyncio.to_thread(lab.client.jobs.act, job, Action.PAUSE)
        newest = lab.client.events.last()
        await come_true(lambda: page.seq == newest)
        assert [message.event for message in page.flush()] == ["gap"]
    hub.stop()


async def test_an_outage_of_the_store_is_survived_and_logged_once(
    lab: Lab, hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = threading.Event()
    monkeypatch.setattr(hub_module, "log", structlog.get_logger())  # one that no earlier test has set up
    real = lab.parts.store.last_event

    def last_event() -> int:
        if away.is_set():
            raise StorageUnavailable("The disk is full.")
        return real()

    monkeypatch.setattr(lab.parts.store, "last_event", last_event)
    ids = lab.add(2)
    with capture_logs() as logs:
        async with reading(hub, page_stream(lab, ids), EventFeed(filter_of(), lab.client.jobs, None)) as [
            page,
            feed,
        ]:
            away.set()
            await asyncio.to_thread(lab.client.jobs.act, ids[0], Action.PAUSE)
            await asyncio.sleep(2)
            assert not feed
            away.clear()
            await come_true(lambda: _rows(page, ids[0]) == "paused" and feed)
    assert sum("live updates paused: storage unavailable" in line["event"] for line in logs) == 1
    hub.stop()


async def test_a_picture_that_cannot_be_drawn_ends_one_stream_only(
    lab: Lab, hub: LiveHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = lab.add(2)

    def accident(*_: Any) -> str:
        raise RuntimeError("no such filter")

    async with reading(hub, page_stream(lab, ids), EventFeed(filter_of(), lab.client.jobs, None)) as [
        page,
        feed,
    ]:
        monkeypatch.setattr(Fragments, "row_html", accident)
        for action in (Action.PAUSE, Action.RESUME):
            before = len(feed)
            await asyncio.to_thread(lab.client.jobs.act, ids[0], action)
            await come_true(lambda before=before: len(feed) > before)
        await come_true(lambda: page[-1].event == "bye")
        assert page[-1].data == '{"retry":5000}'
    hub.stop()


async def test_what_a_listener_has_seen_elsewhere_is_not_sent_again(lab: Lab, hub: LiveHub) -> None:
    """It comes with an id that this hub has not looked at yet."""
    async with hub.watching(EventFeed(filter_of(), lab.client.jobs, None)):
        lab.add(5)
        second = EventFeed(filter_of(), lab.client.jobs, lab.client.events.last())
        async with hub.watching(second):
            lab.add()
            newest = lab.client.events.last()
            await come_true(lambda: second.seq == newest)
            assert [message.seq for message in second.flush()] == [newest]
    hub.stop()


async def test_a_removed_job_is_sent_to_clients_that_may_have_seen_it(lab: Lab, hub: LiveHub) -> None:
    """Of a job that is gone its id and last state are known, so a search for another state does not receive it."""
    jobs = lab.client.jobs
    [job] = lab.add()
    await asyncio.to_thread(lab.client.jobs.act, job, Action.CANCEL)
    searches = ("", "state:cancelled", "tag:eu", "state:failed", "-state:cancelled")
    async with reading(hub, *(EventFeed(filter_of(q), jobs, None) for q in searches)) as heard:
        await asyncio.to_thread(lab.client.jobs.delete, job)
        [other] = await asyncio.to_thread(lab.add)
        await come_true(lambda: any(message.data.count(other) for message in heard[0]))
        assert [any(message.event == "removed" for message in one) for one in heard] == [
            *(True, True, True),
            *(False, False),
        ]
    hub.stop()
