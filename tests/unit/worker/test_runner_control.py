"""What a runner asks of its attempts, and how requests and results become settlements; the executor is the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.core.job import CRASHES_BEFORE_ISOLATION, Claimed
from holdfast.core.outcome import AttemptResult, ErrorInfo, ResultKind, Settlement
from holdfast.core.records import Asked
from holdfast.core.retention import Retention
from holdfast.core.states import Verb
from holdfast.worker.executors.base import Run
from holdfast.worker.report_batcher import ReportBatcher
from holdfast.worker.runner import Runner
from holdfast.worker.settling import SettlementPolicy
from tests.unit.worker.executors.helpers import until
from tests.unit.worker.executors.sample_app import app
from tests.unit.worker.reports import ReportStore, a_gateway

pytestmark = pytest.mark.anyio

TYPE = app.registry.get("nap_async")
assert TYPE is not None
GRACE = 0.05


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestExecutor:
    """Runs no function: an attempt ends with the result that the test gives it, or that it gets when it is forced."""

    __test__ = False

    def __init__(self) -> None:
        self.runs: dict[int, Run] = {}
        self.results: dict[int, asyncio.Future[AttemptResult]] = {}
        self.forced: list[tuple[int, str]] = []

    async def run(self, run: Run) -> AttemptResult:
        seq = run.job.seq
        self.runs[seq] = run
        self.results[seq] = asyncio.get_running_loop().create_future()
        return await self.results[seq]

    def force(self, run: Run, *, because: str) -> None:
        self.forced.append((run.job.seq, because))

    async def close(self) -> None:
        return


def a_claim(seq: int = 1, **fields: Any) -> Claimed:
    plain = Claimed(
        seq, f"0190{seq}", "nap_async", "default", 0, 7, 1, 11, "{}", None, None, None, 0, None, 0, None
    )
    return plain._replace(**fields)


class Bench:
    def __init__(self, store: ReportStore, batcher: ReportBatcher) -> None:
        self.store = store
        self.here, self.isolated = TestExecutor(), TestExecutor()
        self.settled: dict[int, Settlement | None] = {}
        assert TYPE is not None
        self.runner = Runner(
            {"nap_async": TYPE},
            {"loop": self.here, "process": self.isolated},
            batcher,
            SettlementPolicy(Retention(None, None, None), lambda: 0, lambda: 0.5),
            lambda job, settlement: self.settled.__setitem__(job.seq, settlement),
            cancel_grace=GRACE,
        )

    async def start(self, seq: int = 1, **fields: Any) -> Run:
        """Start an attempt, and wait until it runs."""
        self.runner.start(a_claim(seq, **fields))
        await until(lambda: seq in self.here.runs or seq in self.isolated.runs)
        return self.here.runs.get(seq) or self.isolated.runs[seq]

    async def end(self, result: AttemptResult, seq: int = 1) -> Settlement | None:
        """End an attempt with this result; what it is settled as."""
        executor = self.here if seq in self.here.runs else self.isolated
        executor.results[seq].set_result(result)
        await until(lambda: seq in self.settled)
        return self.settled[seq]

    def request(self, *requests: tuple[int, str]) -> None:
        """The requests that are pending for the attempts of this worker."""
        self.runner.hear([Asked(seq, 7, requested, 0) for seq, requested in requests])


@pytest.fixture
def bench() -> Callable[..., Any]:
    @asynccontextmanager
    async def make() -> AsyncIterator[Bench]:
        store = ReportStore()
        with a_gateway(store) as gateway:
            async with asyncio.timeout(20):
                made = Bench(store, ReportBatcher(gateway, asyncio.get_running_loop()))
                yield made
                for executor in (made.here, made.isolated):
                    for result in executor.results.values():
                        if not result.done():
                            result.set_result(SUCCEEDED)
                await until(lambda: not made.runner.active)

    return make


INTERRUPTED = AttemptResult(ResultKind.INTERRUPTED)
FAILED = AttemptResult(ResultKind.FAILED, error=ErrorInfo("KeyError", "k"))
SUCCEEDED = AttemptResult(ResultKind.SUCCEEDED, result="1")


# -- requests ---------------------------------------------------------------------------------------------------------------


async def test_requests_set_the_flags_of_their_own_attempt_and_are_taken_back(bench: Any) -> None:
    async with bench() as b:
        first, second = await b.start(1), await b.start(2)
        b.request((1, "pause"), (9, "cancel"))
        assert (first.port.flags.pause, first.port.flags.cancel, first.port.flags.any) == (True, False, True)
        assert not second.port.flags.any
        b.request((1, "cancel"))
        assert (first.port.flags.pause, first.port.flags.cancel) == (False, True)
        b.request()
        assert not first.port.flags.any


async def test_a_request_to_another_attempt_of_the_same_job_is_none_of_this_one(bench: Any) -> None:
    async with bench() as b:
        run = await b.start()
        b.runner.hear([Asked(1, 6, "cancel", 0)])
        assert not run.port.flags.any


async def test_a_cancel_is_enforced_after_the_grace_time_once(bench: Any) -> None:
    async with bench() as b:
        await b.start()
        b.request((1, "cancel"))
        b.request((1, "cancel"))
        assert b.here.forced == []
        assert len(b.runner.active[1, 7].timers) == 1
        await until(lambda: b.here.forced)
        assert b.here.forced == [(1, "cancel")]
        settlement = await b.end(INTERRUPTED)
        assert (settlement.verb, settlement.reason) == (Verb.STOP, "cancelled")


async def test_an_attempt_that_ends_within_the_grace_time_is_not_enforced(bench: Any) -> None:
    async with bench() as b:
        await b.start(1)
        await b.start(2)
        b.request((1, "cancel"), (2, "cancel"))
        await b.end(INTERRUPTED, 1)
        await until(lambda: b.here.forced)
        assert b.here.forced == [(2, "cancel")]


async def test_a_cancel_that_comes_while_the_last_report_is_sent_ends_nothing_by_force(bench: Any) -> None:
    async with bench() as b:
        run, _ = await b.start(1), await b.start(2)
        with b.store.closed_gate():
            run.port.log(1, "info", "a line", None)
            await until(lambda: b.store.asked)
            b.here.results[1].set_result(SUCCEEDED)
            await until(lambda: run.port._closed)
            b.request((1, "cancel"))
        await until(lambda: 1 in b.settled)
        b.request((2, "cancel"))
        await until(lambda: b.here.forced)  # its grace time began after the other one
        assert b.here.forced == [(2, "cancel")]


@pytest.mark.parametrize("requested", ["pause", "cancel", "stop", "lost"])
@pytest.mark.parametrize("result", [SUCCEEDED, INTERRUPTED, FAILED], ids=lambda result: result.end.value)
@pytest.mark.parametrize("attempt", [1, 11], ids=["attempts left", "last attempt"])
async def test_requests_decide_about_interruptions_only(
    bench: Any, requested: str, result: AttemptResult, attempt: int
) -> None:
    """The rest of the table is in test_settling; this is that flags, attempts and results reach it."""
    async with bench() as b:
        await b.start(attempt=attempt)
        match requested:
            case "stop":
                b.runner.ask_all_to_stop()
            case "lost":
                b.runner.lose([(1, 7)])
            case _:
                b.request((1, requested))
        settlement = await b.end(result)
        interrupted = {"pause": Verb.CONTINUE, "cancel": Verb.STOP, "stop": Verb.RELEASE, "lost": None}
        expected = {
            ResultKind.SUCCEEDED: Verb.SUCCEED,
            ResultKind.INTERRUPTED: interrupted[requested],
            ResultKind.FAILED: Verb.RETRY_LATER if attempt == 1 else Verb.FAIL,
        }[result.end]
        assert (settlement.verb if settlement is not None else None) == expected


async def test_an_interruption_for_a_pause_that_was_withdrawn_continues_the_job(bench: Any) -> None:
    async with bench() as b:
        await b.start()
        b.request((1, "pause"))
        b.request()
        settlement = await b.end(INTERRUPTED)
        assert (settlement.verb, settlement.reason) == (Verb.CONTINUE, "resumed")


async def test_an_interruption_without_any_request_is_a_failure_of_the_job(bench: Any) -> None:
    async with bench() as b:
        await b.start()
        settlement = await b.end(INTERRUPTED)
        assert (settlement.verb, settlement.error.type) == (Verb.RETRY_LATER, "CancelledError")


# -- time limits ------------------------------------------------------------------------------------------------------------


async def test_the_time_limit_counts_from_the_call_of_the_function(bench: Any) -> None:
    async with bench() as b:
        waiting, begun = await b.start(1, timeout=GRACE), await b.start(2, timeout=GRACE)
        begun.begun()
        await until(lambda: b.here.forced)
        assert b.here.forced == [(2, "timeout")]
        waiting.begun()
        await until(lambda: len(b.here.forced) == 2)
        assert b.here.forced[1] == (1, "timeout")


@pytest.mark.parametrize(
    ("result", "verb"),
    [(INTERRUPTED, Verb.RETRY_LATER), (FAILED, Verb.RETRY_LATER), (SUCCEEDED, Verb.SUCCEED)],
    ids=["interrupted", "failed", "succeeded"],
)
async def test_what_ends_after_its_time_limit_has_timed_out_unless_it_succeeded(
    bench: Any, result: AttemptResult, verb: Verb
) -> None:
    async with bench() as b:
        (await b.start(timeout=0.01)).begun()
        await until(lambda: b.here.forced)
        settlement = await b.end(result)
        assert settlement.verb is verb
        timed_out = ErrorInfo("TimeoutError", "The job took longer than 0.01 s.")
        assert settlement.error == (None if verb is Verb.SUCCEED else timed_out)


async def test_only_a_job_with_a_time_limit_has_a_timer_and_it_runs_so_long(bench: Any) -> None:
    async with bench() as b:
        (await b.start(1)).begun()
        (await b.start(2, timeout=3600.0)).begun()
        assert b.runner.active[1, 7].timers == []
        (timer,) = b.runner.active[2, 7].timers
        assert 3500 < timer.when() - asyncio.get_running_loop().time() <= 3600


# -- the worker stops, or loses its lease -----------------------------------------------------------------------------------


async def test_a_job_that_is_claimed_while_the_worker_stops_is_asked_to_stop(bench: Any) -> None:
    async with bench() as b:
        running = await b.start(1)
        b.runner.ask_all_to_stop()
        late = await b.start(2)
        assert (running.port.flags.stop, late.port.flags.stop) == (True, True)


async def test_at_the_end_of_the_grace_time_each_attempt_is_forced_once(bench: Any) -> None:
    async with bench() as b:
        run, _ = await b.start(1), await b.start(2)
        b.runner.force_all("shutdown")
        b.runner.force_all("shutdown")
        assert b.here.forced == [(1, "stop"), (2, "stop")]
        assert run.port.flags.stop


async def test_no_job_is_begun_between_halt_and_resume(bench: Any) -> None:
    async with bench() as b:
        running = await b.start(1)
        b.runner.halt()
        assert running.port.flags.stop
        b.runner.start(a_claim(2))
        assert (b.settled[2].verb, b.settled[2].reason) == (Verb.RELEASE, "worker stopped")
        b.runner.resume()
        later = await b.start(3)
        assert not later.port.flags.any


async def test_only_the_attempts_that_are_lost_are_interrupted(bench: Any) -> None:
    async with bench() as b:
        lost, kept = await b.start(1), await b.start(2)
        b.runner.lose([(1, 7), (2, 6), (9, 7)])
        assert b.here.forced == [(1, "lost")]
        assert (lost.port.flags.lost, kept.port.flags.any) == (True, False)
        assert await b.end(INTERRUPTED, 1) is None
        assert list(b.runner.active) == [(2, 7)]


# -- where a job runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crashes", range(CRASHES_BEFORE_ISOLATION + 1))
async def test_a_job_that_may_have_killed_its_worker_runs_alone(bench: Any, crashes: int) -> None:
    async with bench() as b:
        await b.start(crashes=crashes)
        assert (1 in b.isolated.runs) is (crashes >= CRASHES_BEFORE_ISOLATION)


async def test_what_an_ended_attempt_left_running_stops_at_its_next_checkpoint(bench: Any) -> None:
    async with bench() as b:
        run = await b.start()
        await b.end(SUCCEEDED)
        assert (run.port.flags.lost, run.port.flags.any) == (True, True)
        assert b.runner.active == {}
