"""Pause, resume and cancel against a job that runs: who was first, wins, in every executor; nothing is left hanging."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

import pytest

from holdfast.client.handle import JobHandle
from holdfast.core.errors import Conflict
from holdfast.core.records import HistoryRecord
from tests.system.fleet import Fleet, kill, until
from tests.system.histories import check_history, check_items

EXECUTORS = ("loop", "thread", "process")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """One worker for all races that kill nothing."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), cancel_grace=600, children=3)
    fleet.start()
    return fleet


@pytest.fixture(scope="module", autouse=True)
def end(fleet: Fleet):  # type: ignore[no-untyped-def]
    yield
    fleet.destroy()
    fleet.app.close()


def at_the_end(fleet: Fleet, executor: str, barrier: str) -> JobHandle:
    """A job whose work is over as soon as `barrier` opens, whatever its flags say."""
    job = fleet.enqueue(f"end_{executor}", {"barrier": barrier})
    fleet.effect(job, "at the end")
    return job


def at_item(fleet: Fleet, executor: str, barrier: str) -> JobHandle:
    """A job that waits in the second of four items until `barrier` opens."""
    job = fleet.enqueue(f"items_{executor}", {"n": 4, "barrier": barrier, "at": 1})
    until(lambda: len(fleet.effects(job, "item")) == 2, "it is at the second item")
    return job


@pytest.mark.parametrize("executor", EXECUTORS)
class TestOrder:
    def test_a_cancel_before_the_end_wins(self, fleet: Fleet, executor: str) -> None:
        job = at_the_end(fleet, executor, f"cancel-first-{executor}")
        assert job.cancel("enough").state == "processing"
        fleet.allow(f"cancel-first-{executor}")
        [after] = fleet.ended([job])
        assert (after.state, after.reason, after.result, after.requested) == (
            "cancelled",
            "enough",
            "1",
            None,
        )
        check_history(after, fleet.history(job))

    def test_an_end_before_the_cancel_wins(self, fleet: Fleet, executor: str) -> None:
        job = at_the_end(fleet, executor, f"end-first-{executor}")
        fleet.allow(f"end-first-{executor}")
        [before] = fleet.ended([job])
        for action in (job.cancel, job.pause):
            with pytest.raises(Conflict):
                action()
        assert fleet.job(job) == before
        assert before.state == "succeeded"

    def test_a_pause_does_not_hold_what_has_ended(self, fleet: Fleet, executor: str) -> None:
        job = at_the_end(fleet, executor, f"pause-first-{executor}")
        job.pause()
        fleet.allow(f"pause-first-{executor}")
        [after] = fleet.ended([job])
        assert (after.state, after.requested) == ("succeeded", None)
        check_history(after, fleet.history(job))

    def test_a_paused_job_resumes_at_the_next_item(self, fleet: Fleet, executor: str) -> None:
        job = at_item(fleet, executor, f"pause-{executor}")
        assert job.pause().refresh().view.requested == "pause"
        fleet.allow(f"pause-{executor}")
        paused = fleet.in_state(job, "paused")
        assert (paused.requested, paused.attempt) == (None, 1)
        job.resume()
        [after] = fleet.ended([job])
        assert (after.state, after.attempt, after.token) == ("succeeded", 1, 2)
        check_history(after, fleet.history(job))
        assert [e["item"] for e in fleet.effects(job, "item")] == [0, 1, 2, 3], "each item exactly once"

    def test_a_pause_that_is_taken_back_stops_nothing(self, fleet: Fleet, executor: str) -> None:
        job = at_item(fleet, executor, f"back-{executor}")
        job.pause()
        job.resume()
        fleet.allow(f"back-{executor}")
        [after] = fleet.ended([job])
        assert after.state == "succeeded"
        check_items(fleet.effects(job, "item"), 4, again=0)
        check_history(after, fleet.history(job))

    def test_a_cancelled_job_stops_at_its_next_item(self, fleet: Fleet, executor: str) -> None:
        job = at_item(fleet, executor, f"cancel-{executor}")
        job.cancel()
        fleet.allow(f"cancel-{executor}")
        [after] = fleet.ended([job])
        assert (after.state, after.attempt) == ("cancelled", 1)
        assert [e["item"] for e in fleet.effects(job, "item")] == [0, 1]

    def test_a_pause_may_become_a_cancel(self, fleet: Fleet, executor: str) -> None:
        job = at_item(fleet, executor, f"both-{executor}")
        job.pause()
        job.cancel()
        fleet.allow(f"both-{executor}")
        assert fleet.ended([job])[0].state == "cancelled"


def test_a_pause_that_is_taken_back_while_the_job_stops_for_it(fleet: Fleet) -> None:
    job = fleet.enqueue("reluctant")
    fleet.effect(job, "run")
    job.pause()
    fleet.effect(job, "stopping")
    job.resume()
    [after] = fleet.ended([job])
    assert (after.state, after.attempt, after.result) == ("succeeded", 1, "2"), (
        "it continues, and no attempt was used"
    )
    check_winners(fleet.history(job))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_job_resumed_on_another_worker_continues_at_the_next_item(
    make_fleet: Callable[..., Fleet], executor: str
) -> None:
    fleet = make_fleet()
    first = fleet.start()
    job = at_item(fleet, executor, "go")
    old = fleet.worker_of(job)
    job.pause()
    fleet.allow("go")
    fleet.in_state(job, "paused")
    first.signal(signal.SIGTERM)
    assert first.ended() == 0
    fleet.start()
    job.resume()
    [after] = fleet.ended([job])
    assert after.worker != old.id
    assert (after.state, after.attempt) == ("succeeded", 1)
    effects = fleet.effects(job, "item")
    assert [e["item"] for e in effects] == [0, 1, 2, 3], "each item exactly once"
    assert [e["pid"] for e in effects[2:]] != [e["pid"] for e in effects[:2]]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_kill_fulfils_the_pending_request(make_fleet: Callable[..., Fleet], executor: str) -> None:
    """The worker dies while a pause, or a cancel, is waiting for the next checkpoint: the store decides it."""
    fleet = make_fleet(cancel_grace=600, children=2)
    fleet.start()
    paused, cancelled = at_item(fleet, executor, "never"), at_item(fleet, executor, "never")
    paused.pause()
    cancelled.cancel()
    kill(fleet.worker_of(paused).pid)
    assert fleet.in_state(paused, "paused").requested is None
    assert fleet.in_state(cancelled, "cancelled").requested is None
    fleet.allow("never")
    paused.resume()
    [after] = fleet.ended([paused])
    check_items(fleet.effects(paused, "item"), 4, again=1)
    check_history(after, fleet.history(paused))


# -- a storm of requests --------------------------------------------------------------------------------------------------

JOBS = 500
"""Jobs that a storm keeps waiting or running while it lasts."""
REQUESTS = 200
"""Requests that must be accepted before it is over."""
SEED = random.randrange(1 << 30)


def check_winners(history: list[HistoryRecord]) -> None:
    """The table of `holdfast.core.outcome`, read from what was committed: a request that is pending when a run ends
    decides."""
    asked: str | None = None
    for before, row in pairwise(history):
        if row.kind == "request":
            asked = row.state or None
            continue
        if before.state == "processing" or before.kind == "request":
            if asked == "cancel":
                assert row.state == "cancelled", f"an accepted cancel has lost: {history}"
            elif asked == "pause":
                assert row.state in ("paused", "succeeded", "failed"), (
                    f"an accepted pause was forgotten: {history}"
                )
            else:
                assert row.state != "paused", f"paused, though no pause is requested any more: {history}"
        asked = None


def test_a_storm_of_requests_leaves_nothing_hanging(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(workers=2, concurrency=40, threads=10, children=1, cancel_grace=2)
    chance = random.Random(SEED)
    kinds = ("items_loop",) * 6 + ("steps",) * 2 + ("items_thread",) * 3 + ("items_process",)

    def more() -> list[JobHandle]:
        return [fleet.enqueue(chance.choice(kinds), {"n": 4, "pause": 0.03}) for _ in range(JOBS // 5)]

    jobs, accepted = [job for _ in range(5) for job in more()], list[str]()
    fleet.start()

    def disturb(seed: int) -> None:
        chance = random.Random(seed)
        while len(accepted) < REQUESTS or "cancel" not in accepted:
            newest = jobs[-JOBS:]
            some = {job.id: job for job in chance.sample(newest, 100)}
            records = fleet.parts.store.jobs(list(some))
            for job in [some[record.id] for record in records if record.state == "processing"][:6]:
                again = (job.pause, job.resume)
                for action in chance.choice(((job.pause,), (job.cancel,), again, (*again, job.pause))):
                    try:
                        action()
                    except Conflict:
                        break  # it has ended meanwhile
                    accepted.append(action.__name__)
            for job in chance.sample(newest, 30):
                if fleet.job(job).state == "paused":
                    try:
                        job.resume()
                    except Conflict:
                        continue  # another one was faster

    with ThreadPoolExecutor(4) as pool:
        disturbing = [pool.submit(disturb, SEED + number) for number in range(4)]
        while not all(one.done() for one in disturbing):
            if sum(fleet.parts.store.states()[state] for state in ("enqueued", "processing")) < JOBS // 2:
                jobs += more()
            wait(disturbing, timeout=0.1)
        for one in disturbing:
            one.result()

    def settled() -> bool:
        left = fleet.parts.store.states()
        return not left["enqueued"] and not left["processing"] and not left["scheduled"]

    until(settled, f"nothing is left in processing (seed {SEED})")
    for job in jobs:
        if fleet.job(job).state == "paused":
            job.resume()
    ends = {"succeeded": 0, "cancelled": 0}
    for record in fleet.ended(jobs):
        history = fleet.history(record.id)
        check_history(record, history)
        check_winners(history)
        assert record.attempt == 1, (record, history)
        ends[record.state] += 1
    assert all(ends.values()), (ends, SEED)
