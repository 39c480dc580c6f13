"""A handle shows one job and acts on it; waiting for a job changes nothing about it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest

from holdfast import Holdfast
from holdfast.client.job_function import Job
from holdfast.core.errors import Conflict, InvalidInput, NotFound, WaitTimeout
from holdfast.core.outcome import ErrorInfo
from holdfast.core.states import Verb
from tests.unit.client.hand import Hand


@pytest.fixture
def add(app: Holdfast) -> Job[Any, int]:
    @app.job()
    def add(a: int = 0) -> int:
        return a

    return cast(Job[Any, int], add)


def test_waiting_ends_but_the_job_continues(app: Holdfast, add: Job[Any, int]) -> None:
    handle, hand = add.enqueue(1), Hand(app)
    claimed = hand.start()
    with pytest.raises(WaitTimeout, match=f"Job {handle.id} is processing; .* continues") as caught:
        handle.wait(timeout=0.1)
    assert isinstance(caught.value, TimeoutError)
    assert hand.end(claimed, result="41") == "succeeded"
    assert handle.state == "processing"  # as it was last seen
    assert handle.wait(timeout=10).result == 41


def test_waiting_ends_with_the_job(app: Holdfast, add: Job[Any, int]) -> None:
    handle, hand = add.enqueue(1), Hand(app)
    waiting = threading.Thread(target=handle.wait, args=(20,))
    waiting.start()
    hand.end(hand.start(), result="7")
    waiting.join(15)
    assert not waiting.is_alive()
    assert (handle.state, handle.result) == ("succeeded", 7)


def test_waiting_for_a_failure_is_no_failure(app: Holdfast, add: Job[Any, int]) -> None:
    handle, hand = add.enqueue(1), Hand(app)
    hand.end(hand.start(), Verb.FAIL, error=ErrorInfo("ValueError", "no", "trace"))
    assert handle.wait(timeout=10).state == "failed"
    assert handle.view.error is not None
    assert (handle.view.error.type, handle.view.error.message) == ("ValueError", "no")
    assert handle.result is None


def test_a_job_that_has_ended_is_not_waited_for(add: Job[Any, int]) -> None:
    assert add.enqueue(1).cancel().wait(timeout=0).state == "cancelled"


def test_every_action_returns_the_job_as_it_is_now(add: Job[Any, int]) -> None:
    handle = add.enqueue(1)
    assert handle.pause("lunch").state == "paused"
    assert handle.view.reason == "lunch"
    assert handle.resume().state == "enqueued"
    assert handle.cancel("no need").state == "cancelled"
    assert handle.view.finished_at is not None
    assert handle.retry().state == "enqueued"
    assert handle.view.finished_at is None


def test_what_the_state_does_not_allow_changes_nothing(add: Job[Any, int]) -> None:
    handle = add.enqueue(1)
    with pytest.raises(Conflict, match=r"The job is enqueued; only .* can be retried"):
        handle.retry()
    with pytest.raises(Conflict):
        handle.resume()
    handle.cancel()
    with pytest.raises(Conflict, match="is cancelled"):
        handle.pause()
    assert handle.refresh().state == "cancelled"


def test_a_reason_must_be_one_line(add: Job[Any, int]) -> None:
    handle = add.enqueue(1)
    with pytest.raises(InvalidInput) as caught:
        handle.cancel("a\nb")
    assert caught.value.problems[0].loc == ("reason",)
    assert handle.refresh().state == "enqueued"
    assert handle.pause("").view.reason is None


def test_a_running_job_is_only_asked(app: Holdfast, add: Job[Any, int]) -> None:
    handle, hand = add.enqueue(1), Hand(app)
    hand.claim()
    assert handle.pause().state == "processing"
    assert handle.view.requested == "pause"
    assert handle.resume().view.requested is None
    assert handle.cancel().view.requested == "cancel"
    with pytest.raises(Conflict, match="cannot be turned into a pause"):
        handle.pause()


def test_the_twins_for_an_event_loop(app: Holdfast, add: Job[Any, int]) -> None:
    async def run() -> None:
        handle = await add.enqueue_async(1)
        assert (await handle.pause_async("lunch")).state == "paused"
        assert (await handle.resume_async()).state == "enqueued"
        assert (await handle.cancel_async()).state == "cancelled"
        assert (await handle.retry_async()).state == "enqueued"
        with pytest.raises(Conflict):
            await handle.retry_async()
        with pytest.raises(WaitTimeout, match="is enqueued"):
            await handle.wait_async(timeout=0.05)
        waiting = asyncio.create_task(handle.wait_async(timeout=20))
        await asyncio.sleep(0)  # the wait has begun, and the loop is free
        hand = Hand(app)
        hand.end(hand.start(), result="9")
        assert (await waiting).result == 9
        assert (await handle.refresh_async()).state == "succeeded"

    asyncio.run(run())


def test_a_repeated_idempotency_key_returns_the_first_job(add: Job[Any, int]) -> None:
    first = add.options(idempotency_key="order-1").enqueue(1)
    again = add.options(idempotency_key="order-1").enqueue(2)
    assert (first.created, again.created) == (True, False)
    assert again.id == first.id
    assert again.view.args == {"a": 1}
    first.cancel()
    assert add.options(idempotency_key="order-1").enqueue(3).created is False


def test_a_unique_key_is_held_by_a_live_job_only(app: Holdfast, add: Job[Any, int]) -> None:
    @app.job()
    def other() -> None: ...

    first = add.options(unique="one").enqueue(1)
    assert add.options(unique="one").enqueue(2).created is False
    assert other.options(unique="one").enqueue().created is True
    first.cancel()
    third = add.options(unique="one").enqueue(3)
    assert third.created is True
    assert third.id != first.id


def test_a_handle_by_id(app: Holdfast, add: Job[Any, int]) -> None:
    first = add.enqueue(1)
    assert "state='?'" in repr(first)
    found = app.handle(first.id)
    assert (found.id, found.state, found.created) == (first.id, "enqueued", False)
    assert "state='enqueued'" in repr(found)


def test_a_job_that_is_gone(app: Holdfast, add: Job[Any, int]) -> None:
    handle = add.enqueue(1)
    with pytest.raises(Conflict):
        app.client.jobs.delete(handle.id)
    handle.cancel()
    app.client.jobs.delete(handle.id)
    assert handle.state == "cancelled"  # as it was last seen
    for ask in (handle.refresh, handle.wait, handle.retry, lambda: app.handle(handle.id)):
        with pytest.raises(NotFound):
            ask()


def test_wait_is_refused_where_it_would_stop_an_event_loop(app: Holdfast) -> None:
    @app.job()
    def work() -> None: ...

    handle = work.enqueue()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="wait_async"):
            handle.wait(10)
        with pytest.raises(WaitTimeout):
            await asyncio.to_thread(handle.wait, 0.01)

    asyncio.run(main())
