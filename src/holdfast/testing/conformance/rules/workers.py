"""Rules of workers, queues and types as people see them."""

from __future__ import annotations

from holdfast.core.retention import Retention, format_retention
from holdfast.core.states import State, Verb
from holdfast.storage.protocol import Store
from holdfast.storage.writes import DrainWorker, PauseQueue, PublishTypes, ResumeQueue, RetireWorker
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import LEASE, StoreDriver
from holdfast.testing.factories import type_row


class FleetRules(Rules):
    def test_a_worker_as_it_registers(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        clock.advance(1)
        driver.register(
            "w", name="mail", host="box", pid=7, version="2", queues=("a", "b"), types=("t.*",), slots=3
        )
        row = next(row for row in store.workers() if row.id == "w")
        assert (row.name, row.host, row.pid, row.version, row.slots) == ("mail", "box", 7, "2", 3)
        assert (row.queues, row.types, row.state) == ('["a", "b"]', '["t.*"]', "live")
        assert (row.busy, row.started_at, row.heartbeat_at, row.lost_at) == (0, clock(), clock(), None)

    def test_a_beat_answers_who_still_stands(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        driver.register("a")
        driver.register("b")
        driver.rescue("b")
        clock.advance(5)
        assert driver.heartbeat("a", "b", "never") == {"a"}
        assert driver.heartbeat() == set()
        row = next(row for row in store.workers() if row.id == "a")
        assert row.heartbeat_at == clock()

    def test_busy_is_what_it_holds(self, store: Store, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.start()
        assert [row.busy for row in store.workers()] == [2]
        driver.end(claimed, Verb.SUCCEED)
        assert [row.busy for row in store.workers()] == [1]

    def test_live_draining_lost_gone(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        assert [row.state for row in store.workers()] == ["live"]
        driver.run(DrainWorker(driver.worker))
        assert [row.state for row in store.workers()] == ["draining"]
        clock.advance(LEASE + 1)
        assert [row.state for row in store.workers()] == ["lost"]  # reported before any rescue has run
        driver.run(RetireWorker(driver.worker))
        assert store.workers() == []
        driver.run(RetireWorker(driver.worker))
        driver.run(DrainWorker("never-was"))
        assert store.workers() == []

    def test_a_lost_worker_is_not_brought_back_by_draining_it(
        self, store: Store, driver: StoreDriver
    ) -> None:
        driver.rescue(driver.worker)
        driver.run(DrainWorker(driver.worker))
        assert [row.state for row in store.workers()] == ["lost"]
        assert driver.heartbeat(driver.worker) == set()

    def test_who_registers_again_is_no_other(self, store: Store, driver: StoreDriver) -> None:
        """A repeated call must not undo that a worker is being drained."""
        driver.add()
        driver.run(DrainWorker(driver.worker))
        driver.register(driver.worker)
        assert [row.state for row in store.workers()] == ["draining"]
        assert driver.claim() == []

    def test_the_lost_come_after_those_that_live(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        clock.advance(LEASE + 1)  # the one that every driver begins with is lost
        driver.register("later")
        clock.advance(1)
        driver.register("latest")
        assert [row.id for row in store.workers()] == ["later", "latest", driver.worker]

    def test_a_queue_is_named_by_jobs_types_and_pauses(self, store: Store, driver: StoreDriver) -> None:
        driver.add(queue="of-a-job")
        driver.run(PublishTypes([type_row(queue="of-a-type")]))
        driver.run(PauseQueue("of-a-pause", actor="ann", reason="tea"))
        assert [row.name for row in store.queues()] == ["of-a-job", "of-a-pause", "of-a-type"]

    def test_what_waits_in_a_queue(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        assert store.queues() == []
        oldest = driver.add(queue="q")
        clock.advance(5)
        for state in (State.ENQUEUED, State.SCHEDULED, State.PAUSED):
            driver.job_in(state, queue="q")
        driver.job_in(State.PROCESSING, queue="other")
        q, other = sorted(store.queues(), key=lambda row: row.name == "other")
        assert (q.enqueued, q.processing, q.scheduled, q.paused_jobs, q.oldest) == (
            2,
            0,
            1,
            1,
            oldest.created_at,
        )
        assert (other.enqueued, other.processing, other.oldest) == (0, 1, None)

    def test_pause_and_resume_of_a_queue(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        driver.run(PauseQueue("q", actor="ann", reason="tea"))
        since = clock()
        clock.advance(5)
        driver.run(PauseQueue("q", actor="ann", reason="tea"))
        [row] = store.queues()
        assert (row.paused_at, row.paused_by, row.paused_reason) == (since, "ann", "tea")
        driver.add(queue="q")
        for _ in range(2):
            driver.run(ResumeQueue("q", actor="bob"))
        [row] = store.queues()
        assert (row.paused_at, row.paused_by, row.paused_reason, row.enqueued) == (None, None, None, 1)

    def test_types_are_published_and_replaced(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        driver.run(PublishTypes([type_row("b"), type_row("a", doc="old", timeout=1.5)]))
        retention = format_retention(Retention(succeeded=60.0))
        whole = type_row(
            "a",
            doc="new",
            queue="mail",
            priority=4,
            executor="process",
            tags='["eu","ä"]',
            retention=retention,
        )
        driver.run(PublishTypes([whole]))
        a, b = store.types()
        assert a == (*whole, clock())
        assert (b.name, b.schema, b.tags, b.retention) == ("b", '{"type":"object"}', None, None)
        driver.run(PublishTypes([]))

    def test_every_state_is_counted(self, store: Store, driver: StoreDriver) -> None:
        assert store.states() == {state.value: 0 for state in State}
        for state in (State.SCHEDULED, State.FAILED, State.FAILED):
            driver.job_in(state)
        counted = store.states()
        assert (counted["scheduled"], counted["failed"], sum(counted.values())) == (1, 2, 3)

    def test_some_jobs_by_id(self, store: Store, driver: StoreDriver) -> None:
        jobs = [driver.add() for _ in range(3)]
        found = store.jobs([jobs[0].id, jobs[2].id, "no-such-job"])
        assert {job.id for job in found} == {jobs[0].id, jobs[2].id}
        assert store.jobs([]) == []
        assert store.job("no-such-job") is None

    def test_open_again_finds_everything(self, store: Store, driver: StoreDriver) -> None:
        job = driver.job_in(State.FAILED, tags=("eu",))
        store.open()
        assert store.job(job.id) == job
        store.ping()
        assert {"place", "durability", "bytes"} <= store.info().keys(), "holdfast doctor prints these"
