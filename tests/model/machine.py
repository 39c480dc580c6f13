"""A random walk: every step is done to a store and to the model, and both must agree afterwards.

What matters most has two rules each, because Hypothesis leaves some rules out of every walk.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast.core.commands import Action
from holdfast.core.errors import Conflict
from holdfast.core.job import Claimed
from holdfast.core.outcome import ErrorInfo, LogLine, Report
from holdfast.core.states import State, Verb
from holdfast.storage.protocol import Store
from holdfast.storage.writes import DrainWorker, PauseQueue, ResumeQueue, RetireWorker
from holdfast.testing import FakeClock, StoreDriver, new_job
from tests.model.model import ACTIVE_STATES, SECOND, TARGET, Model, Refused, Worker

LEASE = 30
MAX_JOBS = 12
ANY = st.integers(0, 999)
REASON = st.sampled_from([None, "because"])


class StoreMachine(RuleBasedStateMachine):
    """Subclasses say which store. `visited` counts (state, event) pairs over all examples."""

    visited: ClassVar[Counter[tuple[str, str]]] = Counter()

    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.store = self.make_store(Path(self.folder.name), self.clock)
        self.store.open()
        self.driver = StoreDriver(self.store, self.clock)
        self.model = Model(self.clock())
        self.model.workers[self.driver.worker] = Worker(self.clock() + LEASE * SECOND)
        self.attempts: list[Claimed] = []
        self.ids: list[str] = []
        self.incarnations = 1

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def see(self, job_id: str, event: str) -> str:
        """Note what happens to a job in which state."""
        job = self.model.jobs.get(job_id)
        self.visited[(job.state if job else "gone", event)] += 1
        return job_id

    def some_job(self, n: int) -> str:
        return list(self.model.jobs)[n % len(self.model.jobs)]

    def some_attempt(self, n: int, zombie: bool) -> Claimed:
        """One of those that hold their job, if any; a zombie: any, half of the time one whose job runs again."""
        holders = [attempt for attempt in self.attempts if self.model.holds(attempt)]
        running = {attempt.id for attempt in holders}
        stale = [attempt for attempt in self.attempts if attempt.id in running and attempt not in holders]
        chosen = (stale if n % 2 and stale else self.attempts) if zombie or not holders else holders
        return chosen[n % len(chosen)]

    def some_worker(self, n: int) -> str:
        return list(self.model.workers)[-1 - n % len(self.model.workers)]

    @initialize(number=st.integers(0, 5), claimed=st.integers(0, 5))
    def begin(self, number: int, claimed: int) -> None:
        for n in range(number):
            self.enqueue(
                queue="ab"[n % 2], priority=n % 2, delay=None, unique=None, idempotent=None, again=False, n=n
            )
        self.claim(n=1, limit=claimed)

    # -- the way of a job ---------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.jobs) < MAX_JOBS)
    @rule(
        queue=st.sampled_from("ab"),
        priority=st.integers(-1, 1),
        delay=st.sampled_from([None, None, None, 1, 40]),
        unique=st.sampled_from([None, None, None, "u"]),
        idempotent=st.sampled_from([None, None, None, None, None, "i"]),
        again=st.booleans(),
        n=ANY,
    )
    def enqueue(
        self,
        queue: str,
        priority: int,
        delay: int | None,
        unique: str | None,
        idempotent: str | None,
        again: bool,
        n: int,
    ) -> None:
        job = new_job(
            queue=queue,
            priority=priority,
            delay=None if delay is None else float(delay),
            unique_key=unique,
            idempotency_key=idempotent,
        )
        if again and self.ids and n % 4 == 0:
            job.id = self.ids[n % len(self.ids)]
        expected = self.model.insert(
            job.id, queue=queue, priority=priority, delay=delay, unique=unique, idempotent=idempotent
        )
        assert self.driver.insert(job) == [expected]
        if expected[1] and job.id not in self.ids:
            self.ids.append(job.id)

    @rule(n=ANY, limit=st.integers(1, 3))
    def claim(self, n: int, limit: int) -> None:
        living = [name for name, worker in self.model.workers.items() if worker.state == "live"]
        worker = living[n % len(living)] if living and n % 10 else self.some_worker(n)
        claimed = self.driver.claim(worker=worker, limit=limit)
        before = {job.id: job.saved for job in self.model.jobs.values()}
        assert [job.id for job in claimed] == self.model.claim(worker, limit)
        for job in claimed:
            assert job.saved == before[job.id]
            assert (job.token, job.attempt) == (
                self.model.jobs[job.id].token,
                self.model.jobs[job.id].attempt,
            )
            assert self.model.jobs[job.id].seq in (None, job.seq)
            self.model.jobs[job.id].seq = job.seq
            self.attempts.append(job)
            self.visited["enqueued", "claim"] += 1

    @rule(n=ANY)
    def claim_one(self, n: int) -> None:
        self.claim(n, 1)

    @precondition(lambda self: self.attempts)
    @rule(n=ANY, zombie=st.booleans(), progress=st.booleans(), saved=st.booleans(), lines=st.integers(0, 2))
    def report(self, n: int, zombie: bool, progress: bool, saved: bool, lines: int) -> None:
        attempt = self.some_attempt(n, zombie)
        self.see(attempt.id, "report")
        text = f'{{"n":{n}}}'
        logs = tuple(LogLine(1, "info", "line") for _ in range(lines))
        answer = self.driver.report(
            attempt, progress=text if progress else None, saved=text if saved else None, logs=logs
        )
        assert answer == self.model.report(
            attempt,
            progress=text if progress else None,
            saved=text if saved else None,
            lines=lines,
        )

    @precondition(lambda self: self.attempts)
    @rule(
        n=ANY,
        zombie=st.booleans(),
        verb=st.sampled_from(list(TARGET)),
        keep=st.sampled_from([None, 5]),
        reports=st.booleans(),
        reason=REASON,
        crashed=st.booleans(),
        fails=st.booleans(),
    )
    def settle(
        self,
        n: int,
        zombie: bool,
        verb: Verb,
        keep: int | None,
        reports: bool,
        reason: str | None,
        crashed: bool,
        fails: bool,
    ) -> None:
        attempt = self.some_attempt(n, zombie)
        self.see(attempt.id, verb)
        if verb is Verb.SUCCEED:  # speaks for itself: a reason would be dropped
            reason, crashed = None, False
        run_at = self.clock() + 20 * SECOND if verb in (Verb.RETRY_LATER, Verb.SNOOZE) else None
        until = None if keep is None else self.clock() + keep * SECOND
        report = Report(attempt.seq, attempt.token, saved=f'"{n}"') if reports else None
        answer = self.driver.end(
            attempt,
            verb,
            reason=reason,
            run_at=run_at,
            keep=until,
            report=report,
            crashed=crashed,
            error=ErrorInfo("E", "m") if fails else None,
        )
        if reports:
            self.model.report(attempt, progress=None, saved=f'"{n}"', lines=0)
        assert answer == self.model.settle(
            attempt, verb, reason=reason, run_at=run_at, keep=until, fails=fails, crashed=crashed
        )

    @precondition(lambda self: self.attempts)
    @rule(n=ANY, verb=st.sampled_from([Verb.SUCCEED, *TARGET]), reports=st.booleans())
    def zombie_settles(self, n: int, verb: Verb, reports: bool) -> None:
        self.settle(n, True, verb, None, reports, None, False, False)

    @precondition(lambda self: self.attempts)
    @rule(n=ANY, verb=st.sampled_from([Verb.SUCCEED, *TARGET]))
    def holder_settles(self, n: int, verb: Verb) -> None:
        self.settle(n, False, verb, 5, False, None, False, False)

    # -- what people ask ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.jobs)
    @rule(n=ANY, action=st.sampled_from([*Action, Action.PAUSE, Action.RESUME, Action.CANCEL]), reason=REASON)
    def command(self, n: int, action: Action, reason: str | None) -> None:
        job_id = self.see(self.some_job(n), action)
        try:
            self.model.command(job_id, action, reason)
        except Refused:
            try:
                self.driver.command(job_id, action, reason=reason)
            except Conflict:
                return
            raise AssertionError(f"{action} was not refused") from None
        self.driver.command(job_id, action, reason=reason)

    # -- maintenance and the workers: two rules, so that most of a walk happens to jobs ----------

    @rule(
        event=st.sampled_from(["advance", "advance", "promote", "promote", "sweep", "expire"]),
        seconds=st.sampled_from([0.5, 1, 5, 10, 20, LEASE, LEASE + 1, 90_000]),
        kill=st.booleans(),
        n=ANY,
    )
    def time_passes(self, event: str, seconds: float, kill: bool, n: int) -> None:
        if event == "advance":
            self.model.now = self.clock.advance(seconds)
            return
        for job in self.model.jobs.values():
            self.see(job.id, event)
        if event == "promote":
            assert self.driver.promote() == self.model.promote()
        elif event == "expire":
            assert self.driver.expire() == self.model.expire()
        else:
            dead = self.some_worker(n) if kill else None
            swept = self.driver.rescue(*([dead] if dead else []))
            assert {row.id: row.state for row in swept} == self.model.sweep(dead)

    @rule(
        event=st.sampled_from(["beat", "beat", "start", "start", "drain", "retire", "pause", "open", "open"]),
        n=ANY,
        queue=st.sampled_from("ab"),
    )
    def fleet_changes(self, event: str, n: int, queue: str) -> None:
        worker = self.some_worker(n)
        match event:
            case "beat":
                assert (worker in self.driver.heartbeat(worker, lease=LEASE)) == self.model.beat(
                    worker, LEASE
                )
            case "start":
                self.start_worker()
            case "drain":
                self.driver.run(DrainWorker(worker))
                if self.model.workers[worker].state == "live":
                    self.model.workers[worker].state = "draining"
            case "retire" if len(self.model.workers) > 1:
                self.driver.run(RetireWorker(worker))
                del self.model.workers[worker]
            case "pause":
                self.driver.run(PauseQueue(queue))
                self.model.paused.add(queue)
            case "open":
                self.driver.run(ResumeQueue(queue))
                self.model.paused.discard(queue)
            case _:
                pass

    @precondition(lambda self: any(self.model.holds(attempt) for attempt in self.attempts))
    @rule(n=ANY, vanishes=st.booleans())
    def worker_dies(self, n: int, vanishes: bool) -> None:
        """It, or just its row, is gone while it runs jobs; another one continues them."""
        worker = self.model.jobs[self.some_attempt(n, False).id].worker
        assert worker is not None
        if vanishes and worker in self.model.workers:
            self.driver.run(RetireWorker(worker))
            del self.model.workers[worker]
        self.start_worker()
        swept = self.driver.rescue(*([] if vanishes else [worker]))
        assert {row.id: row.state for row in swept} == self.model.sweep(None if vanishes else worker)
        self.claim(n=1, limit=3)

    def start_worker(self) -> None:
        self.incarnations += 1
        worker = self.driver.register(f"worker-{self.incarnations}", lease=LEASE)
        self.model.workers[worker] = Worker(self.clock() + LEASE * SECOND)

    # -- after every step ---------------------------------------------------------------------------------------

    @invariant()
    def both_tell_the_same(self) -> None:
        found = {job.id: job for job in self.store.jobs(self.ids)}
        assert found.keys() == self.model.jobs.keys()
        for job in self.model.jobs.values():
            is_ = found[job.id]
            assert (is_.state, is_.reason, is_.requested) == (job.state, job.reason, job.requested)
            assert (is_.token, is_.attempt, is_.max_attempts) == (job.token, job.attempt, job.max_attempts)
            assert (is_.crashes, is_.worker, is_.progress) == (job.crashes, job.worker, job.progress)
            assert (is_.run_at, is_.expires_at) == (job.run_at, job.expires_at)
            assert len(self.store.history(job.id)) == job.history_rows
            saved = self.store.saved(job.id)
            assert (saved and saved.saved) == job.saved
        counted = Counter(job.state for job in self.model.jobs.values())
        assert self.store.states() == {state.value: counted[state.value] for state in State}

    @invariant()
    def what_must_always_hold(self) -> None:
        keys = [job.unique for job in self.model.jobs.values() if job.unique and job.state in ACTIVE_STATES]
        assert len(keys) == len(set(keys))
        held = Counter((job.seq, job.token) for job in self.attempts)
        assert not held or max(held.values()) == 1
