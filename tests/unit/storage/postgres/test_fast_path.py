"""One exchange in place of a transaction: the same is stored, and what is not so plain is left to the usual way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from holdfast.core.commands import Action
from holdfast.core.dump import Part, Seal
from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import ClaimRequest, NewJob
from holdfast.core.outcome import Settlement
from holdfast.core.retention import Retention
from holdfast.core.states import Verb
from holdfast.storage.gateway import Gateway
from holdfast.storage.postgres.store import PostgresStore
from holdfast.storage.topics import Topic
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import Claim, Insert, Settle
from holdfast.testing import FakeClock, StoreDriver, new_job
from tests.servers.postgres import emptied_store_in, shared_url


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[PostgresStore]:
    store = emptied_store_in(tmp_path, clock)
    store.open()
    yield store
    store.close()


@pytest.fixture
def driver(store: PostgresStore, clock: FakeClock) -> StoreDriver:
    return StoreDriver(store, clock)


SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {
        "owner": "ann",
        "tags": ("eu", "ä", "eu"),
        "timeout": 1.5,
        "retention": Retention(succeeded=60.0),
        "origin": "api",
        "actor": "bob",
        "max_attempts": 3,
        "args": '{"n":1.50,"s":"\\\\ \\" {},é"}',
    },
    "delayed": {"delay": 0.25},
    "not delayed": {"delay": 0.0},
    "due later": {"run_at": 10**18},
    "due already": {"run_at": 1},
}


def stored(store: PostgresStore, job: NewJob) -> tuple[Any, ...]:
    """All that is known of a job, but for what differs between two."""
    [whole] = [row for row in store.dump(Part.JOBS, after=None, limit=99) if row.job.id == job.id]  # type: ignore[union-attr]
    history = [row._replace(seq=0) for row in store.history(job.id)]
    return whole._replace(job=whole.job._replace(seq=0, id="")), history  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_is_stored(store: PostgresStore, driver: StoreDriver, shape: str) -> None:
    usual, direct = new_job(**SHAPES[shape]), new_job(**SHAPES[shape])
    driver.insert(usual)
    before, feed = store.states(), store.last_event()
    assert store.execute([Insert([direct])]) == [[(direct.id, True)]]
    assert stored(store, direct) == stored(store, usual)
    state = stored(store, direct)[0].job.state
    assert store.states() == before | {state: before[state] + 1}
    assert [event.job for event in store.events(after=feed, limit=9)] == [direct.id]


@pytest.mark.parametrize(
    "jobs",
    [
        [],
        [{"unique_key": "k"}],
        [{"idempotency_key": "k"}],
        [{}, {"owner": "ann"}],
        [{"queue": "never seen"}],
    ],
)
def test_what_is_not_plain_is_left_alone(
    store: PostgresStore, driver: StoreDriver, jobs: list[dict[str, Any]]
) -> None:
    driver.add()
    assert store.execute([Insert([new_job(**fields) for fields in jobs])]) is None
    assert sum(store.states().values()) == 1


def test_a_repeated_id_is_left_to_the_usual_way(store: PostgresStore, driver: StoreDriver) -> None:
    job = new_job(id=driver.add().id)
    assert store.execute([Insert([job])]) is None
    gateway = Gateway(store, lambda topics: None)
    assert gateway.run(Insert([job])) == [(job.id, False)]
    gateway.close()


def test_a_sealed_store_takes_nothing(store: PostgresStore, driver: StoreDriver) -> None:
    driver.add()
    claimed = driver.start(queue="q")
    with store.transaction(sealed=True):
        store.seal(Seal("copy", "moved away"))
    ended = Settlement(claimed.seq, claimed.token, Verb.SUCCEED)
    asked = ClaimRequest(driver.worker, 1, frozenset({"noop"}), ())
    for writes in (
        [Insert([new_job()])],
        [Settle([ended])],
        [Settle([ended]), Claim(asked)],
    ):
        assert store.execute(writes) is None
    gateway = Gateway(store, lambda topics: None)
    with pytest.raises(StorageUnavailable, match="moved away"):
        gateway.run(Insert([new_job()]))
    gateway.close()
    assert store.states() | {"enqueued": 1, "processing": 1} == store.states()


def test_an_exchange_returns_the_result_of_every_call(store: PostgresStore, driver: StoreDriver) -> None:
    fine, asked, lost = (driver.start(queue="q") for _ in range(3))
    driver.command(asked.id, Action.PAUSE)
    driver.end(lost, Verb.FAIL)
    waiting = [driver.add(queue="w") for _ in range(3)]
    ends = [Settlement(job.seq, job.token, Verb.SUCCEED) for job in (fine, asked, lost, fine)]
    request = ClaimRequest(driver.worker, 2, frozenset({"noop"}), ("w",))
    results = store.execute([Settle(ends), Claim(request), Claim(request)])
    assert results is not None
    assert results[0] == ["succeeded", "succeeded", LOST, LOST]
    assert [[job.id for job in part] for part in results[1:]] == [
        [waiting[0].id, waiting[1].id],
        [waiting[2].id],
    ]
    assert store.states() | {"succeeded": 2, "failed": 1, "processing": 3, "enqueued": 0} == store.states()


def test_a_commit_notifies_of_its_own_jobs_where_it_may(store: PostgresStore, driver: StoreDriver) -> None:
    driver.add()
    notified: list[frozenset[Topic]] = []
    free: dict[Topic, str] = {}
    asked: list[frozenset[Topic]] = []

    def at_commit(topics: frozenset[Topic]) -> dict[Topic, str]:
        asked.append(topics)
        return free

    gateway = Gateway(store, notified.append, at_commit)
    with psycopg.connect(shared_url(), autocommit=True) as listener:
        listener.execute("LISTEN new_work")
        gateway.run(Insert([new_job()]))
        assert notified.pop() == {Topic.WORK, Topic.EVENTS}, "notified just now, so it is joined with others"
        free[Topic.WORK] = "new_work"
        gateway.run(Insert([new_job()]))
        assert [signal.channel for signal in listener.notifies(timeout=10, stop_after=1)] == ["new_work"]
        assert notified.pop() == {Topic.EVENTS}
        assert len(asked) == 2
        gateway.run(Insert([new_job(unique_key="k")]))
        assert len(asked) == 2, "what goes the usual way takes no turn"
        assert notified.pop() == {Topic.WORK, Topic.EVENTS}
    gateway.close()
