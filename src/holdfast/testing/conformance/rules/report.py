"""Rules of `report`: what a running attempt reports is stored completely, in order, and only while it owns the job."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Action
from holdfast.core.job import CRASHES_BEFORE_ISOLATION
from holdfast.core.outcome import LogLine, Report
from holdfast.core.sizes import MAX_LOG_LINES
from holdfast.core.states import Request, State, Verb
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import StoreReports
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import REACHABLE, StoreDriver


def lines(*messages: str) -> tuple[LogLine, ...]:
    """Console lines, one microsecond apart."""
    return tuple(LogLine(at, "info", message) for at, message in enumerate(messages, 1))


class ReportRules(Rules):
    def test_each_kind_alone_and_all_together(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start()
        clock.advance(1)
        assert driver.report(claimed) == ""
        assert driver.report(claimed, progress='{"done":1}') == ""
        assert driver.report(claimed, saved='{"at":1}') == ""
        assert driver.report(claimed, logs=lines("a")) == ""
        assert driver.report(claimed, progress='{"done":2}', saved='{"at":2}', logs=lines("b", "c")) == ""
        job, saved = driver.read(claimed.id), driver.store.saved(claimed.id)
        assert (job.progress, job.saved_at, job.state) == ('{"done":2}', clock(), State.PROCESSING)
        assert saved == ('{"at":2}', clock(), 2)
        assert [line.message for line in driver.store.logs(claimed.id, after=0, limit=9)] == ["a", "b", "c"]

    def test_none_keeps_what_was_there(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.report(claimed, progress='{"done":1}', saved="{}")
        driver.report(claimed, logs=lines("x"))
        assert driver.read(claimed.id).progress == '{"done":1}'
        assert driver.store.saved(claimed.id) is not None

    @pytest.mark.parametrize("state", REACHABLE)
    @pytest.mark.parametrize("off", [-1, 0, 1])
    def test_only_the_holder_writes(self, driver: StoreDriver, state: State, off: int) -> None:
        job = driver.job_in(state)
        newest = driver.store.last_event()
        report = Report(job.seq, job.token + off, '{"done":1}', '{"at":1}', lines("I was here"))
        [result] = driver.run(StoreReports([report]))
        if state is State.PROCESSING and off == 0:
            assert result == ""
            return
        assert result == LOST
        assert (driver.read(job.id), driver.store.last_event()) == (job, newest)
        assert (driver.store.saved(job.id), driver.store.logs(job.id, after=0, limit=9)) == (None, [])

    def test_one_lost_report_does_not_touch_the_others(self, driver: StoreDriver) -> None:
        one, gone, two = driver.start(), driver.start(), driver.start()
        driver.end(gone, Verb.SUCCEED)
        reports = [
            Report(job.seq, job.token, saved=f'"{job.seq}"', logs=lines(job.id)) for job in (one, gone, two)
        ]
        assert driver.run(StoreReports(reports)) == ["", LOST, ""]
        for job in (one, two):
            saved = driver.store.saved(job.id)
            assert saved is not None
            assert saved.saved == f'"{job.seq}"'
        assert driver.store.saved(gone.id) is None

    @pytest.mark.parametrize("action", [Action.PAUSE, Action.CANCEL])
    def test_the_answer_tells_what_is_asked(self, driver: StoreDriver, action: Action) -> None:
        claimed = driver.start()
        driver.command(claimed.id, action)
        assert driver.report(claimed, saved='{"at":1}') == action.value
        assert driver.report(claimed, progress="{}") == action.value

    def test_asked_names_the_holder_and_the_request(self, driver: StoreDriver, clock: FakeClock) -> None:
        quiet, paused, cancelled = driver.start(), driver.start(), driver.start()
        driver.command(paused.id, Action.PAUSE)
        driver.command(cancelled.id, Action.CANCEL)
        pending = driver.store.pending_requests([driver.worker, "no-such-worker"])
        assert sorted(pending) == sorted(
            [
                (paused.seq, paused.token, Request.PAUSE.value, clock()),
                (cancelled.seq, cancelled.token, Request.CANCEL.value, clock()),
            ]
        )
        assert driver.store.pending_requests(["no-such-worker"]) == []
        driver.end(paused, Verb.SUSPEND)
        assert [row.seq for row in driver.store.pending_requests([driver.worker])] == [cancelled.seq]
        driver.end(quiet, Verb.SUCCEED)

    def test_held_names_what_a_worker_has(self, driver: StoreDriver) -> None:
        driver.register("worker-2")
        mine, ended = driver.start(), driver.start()
        driver.start(worker="worker-2")
        driver.end(ended, Verb.RELEASE)
        assert list(driver.store.claims_of(driver.worker)) == [(mine.seq, mine.token)]
        assert list(driver.store.claims_of("no-such-worker")) == []

    def test_overdue_by_time_limit_and_by_cancel(self, driver: StoreDriver, clock: FakeClock) -> None:
        slow, stubborn = driver.start(timeout=5.0), driver.start()
        driver.start()
        driver.command(stubborn.id, Action.CANCEL)
        assert driver.store.overdue([driver.worker], grace=10.0) == []
        clock.advance(11)
        assert driver.store.overdue([driver.worker], grace=10.0) == [(driver.worker, stubborn.id)]
        clock.advance(5)
        assert {job for _, job in driver.store.overdue([driver.worker], grace=10.0)} == {slow.id, stubborn.id}
        assert driver.store.overdue(["no-such-worker"], grace=10.0) == []

    def test_a_suspect_may_wait_for_its_child(self, driver: StoreDriver, clock: FakeClock) -> None:
        """It was running in two workers that died, and now runs alone: its time has not begun. A cancel still counts."""
        claimed = driver.start(timeout=5.0)
        for n in range(CRASHES_BEFORE_ISOLATION):
            driver.rescue(driver.read(claimed.id).worker or "")
            claimed = driver.again(claimed.id, worker=driver.register(f"next-{n}"))
        worker = driver.read(claimed.id).worker or ""
        clock.advance(20)
        assert driver.store.overdue([worker], grace=10.0) == []
        driver.command(claimed.id, Action.CANCEL)
        clock.advance(11)
        assert driver.store.overdue([worker], grace=10.0) == [(worker, claimed.id)]

    def test_console_pages(self, driver: StoreDriver) -> None:
        claimed, other = driver.start(), driver.start()
        for start in range(0, 50, 10):
            driver.report(claimed, logs=lines(*[f"line {n}" for n in range(start, start + 10)]))
            driver.report(other, logs=lines("not mine"))
        read, after = list[str](), 0
        while page := driver.store.logs(claimed.id, after=after, limit=7):
            read += [line.message for line in page]
            after = page[-1].n
        assert read == [f"line {n}" for n in range(50)]
        assert [line.message for line in driver.store.logs(claimed.id, after=-3, limit=9)] == read[-3:]
        assert driver.store.logs("no-such-job", after=0, limit=9) == []

    def test_lines_before_one_are_read_and_counted(self, driver: StoreDriver) -> None:
        """Lines of other jobs lie between them."""
        claimed, other = driver.start(), driver.start()
        for n in range(10):
            for job in (claimed, other):
                driver.report(job, logs=(LogLine(n, "info", str(n)),))
        store = driver.store
        lines = store.logs(claimed.id, after=0, limit=99)
        sixth = lines[6].n
        before = store.logs(claimed.id, after=-3, limit=9, before=sixth)
        assert [line.message for line in before] == ["3", "4", "5"]
        between = store.logs(claimed.id, after=lines[0].n, limit=2, before=sixth)
        assert [line.message for line in between] == ["1", "2"]
        assert (store.log_count(claimed.id), store.log_count(claimed.id, before=sixth)) == (10, 6)
        assert store.log_count("no-such-job") == 0

    def test_a_line_as_it_came(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        line = LogLine(123, "warning", "über\n\x1b[31m🦆 <script>", '{"rows":3}')
        driver.report(claimed, logs=(line,))
        [stored] = driver.store.logs(claimed.id, after=0, limit=9)
        assert (stored.at, stored.level, stored.message, stored.fields) == (
            123,
            "warning",
            line.message,
            '{"rows":3}',
        )
        assert stored.attempt == claimed.attempt

    def test_the_console_has_an_end(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.report(claimed, logs=lines(*["x"] * (MAX_LOG_LINES - 1)))
        driver.report(claimed, logs=lines("last", "beyond"))
        assert driver.report(claimed, logs=lines("far beyond"), saved='{"at":9}') == ""
        assert [line.message for line in driver.store.logs(claimed.id, after=-2, limit=2)] == ["x", "last"]
        assert driver.store.saved(claimed.id) is not None
