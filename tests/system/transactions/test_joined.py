"""A job enqueued in the caller's transaction is there after the commit, and neither before it nor after a rollback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg import IsolationLevel

from holdfast import Holdfast, Job, JobHandle, NotFound, StorageUnavailable
from holdfast.client import insert_retry
from holdfast.core.dump import Seal
from holdfast.storage.protocol import Store
from tests.servers.postgres import place_of
from tests.system.fleet import TIMEOUT, Fleet, until
from tests.system.transactions.connections import KINDS, Caller, claimed
from tests.unit.client.hand import Hand


@pytest.fixture(params=KINDS)
def on(request: pytest.FixtureRequest, url: str) -> Callable[[Callable[[Caller], Awaitable[None]]], None]:
    """Runs a test's body on each kind of connection."""

    def run(body: Callable[[Caller], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with KINDS[request.param](url) as caller:
                await body(caller)

        asyncio.run(whole())

    return run


On = Callable[[Callable[[Caller], Awaitable[None]]], None]


def is_there(app: Holdfast, handle: JobHandle) -> bool:
    try:
        return app.handle(handle.id).id == handle.id
    except NotFound:
        return False


class TestEveryKind:
    def test_with_the_commit_it_is_there(
        self, on: On, app: Holdfast, send: Job[Any, Any], store: Store, hand: Hand
    ) -> None:
        async def body(caller: Caller) -> None:
            before = store.last_event()
            await caller.execute("CREATE TEMPORARY TABLE orders AS SELECT 1 AS id")
            job = await caller.enqueue(
                send, {"order": 'é "1" $1 %s'}, owner="ann", tags=["eu", "é"], priority=3
            )
            assert job.created
            with pytest.raises(NotFound):
                job.refresh()
            assert claimed(hand) == []
            assert store.last_event() == before
            await caller.commit()
            view = job.refresh().view
            assert (view.state, view.queue, view.owner, view.tags, view.priority) == (
                *("enqueued", "shop", "ann", ["eu", "é"], 3),
            )
            assert view.args == {"order": 'é "1" $1 %s', "copies": 1}
            [inserted] = [event for event in store.events(after=before, limit=10) if event.job == job.id]
            assert (inserted.state, inserted.previous, inserted.kind) == ("enqueued", None, "state")
            assert [h.state for h in app.client.jobs.history(job.id)] == ["enqueued"]
            found = app.client.jobs.search(app.client.jobs.query(f"tag:é id:{job.id}"), sort="created")
            assert [item.id for item in found.items] == [job.id]
            assert claimed(hand) == [job.id]

        on(body)

    def test_after_a_rollback_nothing_is_left(
        self, on: On, app: Holdfast, send: Job[Any, Any], store: Store, url: str, schema: str
    ) -> None:
        async def body(caller: Caller) -> None:
            before, states = store.last_event(), store.states()
            jobs = [
                await caller.enqueue(send, {"order": "1"}, unique="gone", tags=["gone"]),
                await caller.enqueue(send, {"order": "2"}, idempotency_key="gone", delay="1h"),
                *await caller.enqueue_many(send, [{"order": "3"}, {"order": "4"}]),
            ]
            await caller.rollback()
            assert not any(is_there(app, job) for job in jobs)
            assert (store.last_event(), store.states()) == (before, states)
            with psycopg.connect(url) as db:
                for table in ("specs", "runs", "job_tags"):
                    query = f"SELECT count(*) FROM {schema}.{table} AS t WHERE t::text LIKE '%gone%'"
                    assert db.execute(query.encode()).fetchone() == (0,)

        on(body)

    def test_a_rollback_to_a_savepoint_takes_back_what_came_after_it(
        self, on: On, app: Holdfast, send: Job[Any, Any], store: Store, hand: Hand
    ) -> None:
        async def body(caller: Caller) -> None:
            before = store.last_event()
            first = await caller.enqueue(send, {"order": "1"})
            await caller.execute("SAVEPOINT here")
            second = await caller.enqueue(send, {"order": "2"})
            await caller.execute("ROLLBACK TO SAVEPOINT here")
            third = await caller.enqueue(send, {"order": "3"})
            await caller.commit()
            assert [is_there(app, job) for job in (first, second, third)] == [True, False, True]
            reported = {event.job for event in store.events(after=before, limit=10)}
            assert reported == {first.id, third.id}
            assert claimed(hand) == [first.id, third.id]

        on(body)

    def test_a_key_that_is_held_leaves_the_transaction_sound(
        self, on: On, app: Holdfast, send: Job[Any, Any], hand: Hand
    ) -> None:
        async def body(caller: Caller) -> None:
            there = send.options(unique="held").enqueue(order="0")
            paid = send.options(idempotency_key=f"paid {there.id}").enqueue(order="0")
            before = sum(app.client.figures.stats().states.values())
            same = await caller.enqueue(
                send, {"order": "1"}, unique="held", idempotency_key=f"new {there.id}"
            )
            again = await caller.enqueue(send, {"order": "2"}, idempotency_key=f"paid {there.id}")
            first = await caller.enqueue(send, {"order": "3"}, unique="mine")
            twice = await caller.enqueue(send, {"order": "4"}, unique="mine")
            free = await caller.enqueue(send, {"order": "5"}, idempotency_key=f"new {there.id}")
            await caller.execute("SELECT 1")
            await caller.commit()
            assert [(job.id, job.created) for job in (same, again, first, twice, free)] == [
                *((there.id, False), (paid.id, False), (first.id, True), (first.id, False), (free.id, True))
            ]
            assert sum(app.client.figures.stats().states.values()) == before + 2
            assert claimed(hand) == [there.id, paid.id, first.id, free.id]

        on(body)

    def test_many_and_later(self, on: On, app: Holdfast, send: Job[Any, Any], hand: Hand) -> None:
        async def body(caller: Caller) -> None:
            many = await caller.enqueue_many(send, [{"order": str(n)} for n in range(120)])
            later = await caller.enqueue(send, {"order": "later"}, delay="1h")
            await caller.commit()
            view = later.refresh().view
            assert view.state == "scheduled"
            assert view.run_at is not None
            assert (view.run_at - view.created_at).total_seconds() == 3600
            assert claimed(hand) == [job.id for job in many]
            later.cancel()

        on(body)


def test_by_name_and_in_the_other_spelling(app: Holdfast, send: Job[Any, Any], url: str, hand: Hand) -> None:
    async def later() -> list[JobHandle]:
        async with await psycopg.AsyncConnection.connect(url) as db:
            one = await app.enqueue_async("send", {"order": "4"}, tx=db, owner="ann")
            two = await cast(Any, send).enqueue_async(order="5", tx=db)
            return [one, two, *await app.enqueue_many_async("send", [{"order": "6"}], tx=db)]

    with psycopg.connect(url) as db:
        jobs = [app.enqueue("send", {"order": "1"}, tx=db), cast(Any, send).enqueue("2", tx=db)]
        jobs += app.enqueue_many("send", [{"order": "3"}], tx=db, owner="ann")
        assert not any(is_there(app, job) for job in jobs)
    jobs += asyncio.run(later())
    assert [job.view.args["order"] for job in jobs] == list("123456")
    assert [job.view.owner for job in jobs] == [None, None, "ann", "ann", None, None]
    assert claimed(hand) == [job.id for job in jobs]


def test_many_jobs_take_their_place_in_the_feed_under_one_lock(
    app: Holdfast, send: Job[Any, Any], store: Store, url: str
) -> None:
    """A lock for each would fill the lock table of the server."""
    seq = store.last_event()
    with psycopg.connect(url) as db:
        send.options(delay="1h").enqueue_many([{"order": str(n)} for n in range(500)], tx=db)
        db.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what the commit does
        held = db.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        )
        assert held.fetchone() == (2,)
    assert store.transition_counts(after=seq) == {(None, "scheduled"): 500}


class TestOthers:
    def test_an_open_transaction_delays_no_other_caller(
        self, app: Holdfast, store: Store, url: str, hand: Hand
    ) -> None:
        """Not even those who enqueue jobs of the same kind, never seen before; and its own event comes at its commit."""

        @app.job(name="fresh", queue="never seen", priority=77)
        def fresh() -> None: ...

        with psycopg.connect(url) as db:
            seq = store.last_event()
            mine = fresh.options(tx=db).enqueue()
            others: list[str] = []
            for _ in range(20):  # each would wait for the commit, and this program with it
                others.append(fresh.enqueue().id)
                assert [event.job for event in store.events(after=seq, limit=1_000)] == others
            cursor = store.last_event()
        assert [event.job for event in store.events(after=cursor, limit=10)] == [mine.id]
        assert is_there(app, mine)

    @pytest.mark.parametrize("key", ["unique", "idempotency_key"])
    def test_the_same_key_waits_for_the_commit_and_other_keys_do_not(
        self, send: Job[Any, Any], url: str, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(insert_retry, "TIMEOUT", 600.0)
        held: dict[str, Any] = {key: f"open {key}"}
        same = send.options(delay=60, **held)
        with ThreadPoolExecutor() as pool, psycopg.connect(url) as db:
            mine = send.options(tx=db, delay=60, **held).enqueue("1")
            others = [
                pool.submit(same.enqueue, "2"),
                pool.submit(lambda: asyncio.run(same.enqueue_async("2"))),
                pool.submit(same.enqueue_many, [{"order": "2"}]),
            ]
            for _ in range(10):
                assert send.options(delay=60).enqueue("3").created
                time.sleep(0.1)
            assert not any(other.done() for other in others)
            db.commit()
            one, two, [three] = (cast(Any, other.result(TIMEOUT)) for other in others)
        assert [(job.id, job.created) for job in (one, two, three)] == [(mine.id, False)] * 3

    def test_after_a_rollback_the_one_who_waited_has_the_key(self, send: Job[Any, Any], url: str) -> None:
        with ThreadPoolExecutor() as pool, psycopg.connect(url) as db:
            send.options(tx=db, unique="undone", delay=60).enqueue("1")
            other = pool.submit(send.options(unique="undone", delay=60).enqueue, "2")
            time.sleep(0.2)
            db.rollback()
            assert other.result(TIMEOUT).created

    def test_waiting_for_a_key_that_stays_open_ends_with_an_error(
        self, send: Job[Any, Any], url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(insert_retry, "TIMEOUT", 0.3)
        ended = send.options(unique="stays", delay=60).enqueue("1").cancel()
        with psycopg.connect(url) as db:
            send.options(tx=db, unique="stays", delay=60).enqueue("2")
            with pytest.raises(StorageUnavailable, match="perhaps your own: then say tx= here too"):
                send.options(unique="stays", delay=60).enqueue("3")
            with pytest.raises(StorageUnavailable, match="holds the key"):
                ended.retry()
            with pytest.raises(StorageUnavailable, match="holds the key"):
                asyncio.run(send.options(unique="stays", delay=60).enqueue_async("4"))


@pytest.mark.parametrize(
    ("level", "error"),
    [
        (IsolationLevel.READ_COMMITTED, psycopg.errors.ReadOnlySqlTransaction),
        (IsolationLevel.REPEATABLE_READ, psycopg.errors.SerializationFailure),
        (IsolationLevel.SERIALIZABLE, psycopg.errors.SerializationFailure),
    ],
)
def test_a_store_that_is_sealed_meanwhile_keeps_the_caller_from_committing(
    app: Holdfast, send: Job[Any, Any], store: Store, url: str, level: IsolationLevel, error: type[Exception]
) -> None:
    def seal(one: Seal | None) -> None:
        with store.transaction(sealed=True):
            store.seal(one)

    with psycopg.connect(url) as db:
        db.isolation_level = level
        job = send.options(tx=db).enqueue("1")
        seal(Seal("copy", "moved elsewhere"))
        try:
            with pytest.raises(error):
                db.commit()
            with pytest.raises(StorageUnavailable, match="moved elsewhere"):
                send.options(tx=db).enqueue("2")
            assert db.execute("SELECT 1").fetchone() == (1,)
        finally:
            db.rollback()
            seal(None)
    assert not is_there(app, job)


@pytest.mark.parametrize("key", ["unique", "idempotency_key"])
def test_a_key_that_is_newer_than_the_snapshot_is_a_serialization_failure(
    send: Job[Any, Any], url: str, key: str
) -> None:
    held: dict[str, Any] = {key: f"newer {key}"}
    with psycopg.connect(url) as db:
        db.isolation_level = IsolationLevel.REPEATABLE_READ
        db.execute("SELECT 1")
        first = send.options(delay=60, **held).enqueue("1")
        with pytest.raises(psycopg.errors.SerializationFailure):
            send.options(tx=db, **held).enqueue("2")
        db.rollback()
        assert send.options(tx=db, **held).enqueue("2").id == first.id


def test_a_job_that_is_committed_late_is_not_passed_over_by_a_busy_worker(
    send: Job[Any, Any], url: str, hand: Hand
) -> None:
    with psycopg.connect(url) as db:
        mine = send.options(tx=db).enqueue("1")
        for _ in range(5):
            send.enqueue_many([{"order": "2"}] * 200)
            assert len(hand.claim(200)) == 200
        send.enqueue_many([{"order": "2"}] * 1_000)
    until(lambda: mine.id in [one.id for one in hand.claim(2)], "it is claimed while others wait")
    assert hand.claim(1_000)


def test_a_worker_is_woken_by_the_commit_and_never_before(url: str, tmp_path: Path) -> None:
    place = place_of(tmp_path)
    fleet = Fleet(
        tmp_path, database_url=f"{url}{'&' if '?' in url else '?'}schema={place.schema}", poll_interval=600
    )
    try:
        fleet.start()
        for _ in range(3):
            with psycopg.connect(url) as db:
                job = fleet.app.enqueue("note_loop", {"value": 1}, tx=db)
                other = fleet.enqueue("note_loop", {"value": 2})
                fleet.ended([other])  # the worker has been woken and has looked
                assert fleet.effects(job) == []
                db.commit()
            until(lambda job=job: fleet.effects(job), "it runs")
    finally:
        fleet.destroy()
        fleet.app.close()
        with psycopg.connect(url, autocommit=True) as db:
            db.execute(f"DROP SCHEMA {place.schema} CASCADE".encode())
