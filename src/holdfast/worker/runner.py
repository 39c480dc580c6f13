"""One attempt as a pipeline: claimed → run in its executor → result → settlement → passed on to be stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from holdfast.client.task import JobType
from holdfast.context.worker_link import Flags
from holdfast.core.job import CRASHES_BEFORE_ISOLATION, Claimed
from holdfast.core.outcome import AttemptResult, ErrorInfo, Report, ResultKind, Settlement
from holdfast.core.records import Asked
from holdfast.core.sizes import cut_middle
from holdfast.core.states import Verb
from holdfast.worker.attempt import error_info
from holdfast.worker.executors.base import Executor, Run
from holdfast.worker.report_batcher import ReportBatcher
from holdfast.worker.reporting import LocalLink
from holdfast.worker.settling import SettlementPolicy
from holdfast.worker.task_pool import TaskPool

log = structlog.get_logger("holdfast.worker")

Key = tuple[int, int]


@dataclass(slots=True, eq=False)
class Active:
    """One running attempt: what is needed to ask it to stop, and to force it."""

    run: Run
    port: LocalLink
    executor: Executor
    timed_out: bool = False
    cancelling: bool = False
    forced: bool = False
    timers: list[asyncio.TimerHandle] = field(default_factory=list[asyncio.TimerHandle])


class Runner:
    """Runs the claimed jobs of one worker process, and passes requests on to them."""

    def __init__(
        self,
        types: Mapping[str, JobType],
        executors: Mapping[str, Executor],
        batcher: ReportBatcher,
        policy: SettlementPolicy,
        settle: Callable[[Claimed, Settlement | None], None],
        *,
        cancel_grace: float,
    ) -> None:
        self._types = types
        self._executors = executors
        self._batcher = batcher
        self._policy = policy
        self._settle = settle
        self._grace = cancel_grace
        self._loop = asyncio.get_running_loop()
        self.active: dict[Key, Active] = {}
        """By row number and token: the next attempt of a job may begin here while the last one, long lost, still runs."""
        self._slots = TaskPool(self._attempt)
        self._stopping = False
        self._halted = False

    def start(self, job: Claimed) -> None:
        """Begin an attempt. Its settlement is passed to `settle` when it has ended."""
        if self._halted:
            self._settle(job, Settlement(job.seq, job.token, Verb.RELEASE, "worker stopped"))
            return
        kind = self._types[job.type]
        port = LocalLink(job, self._batcher)
        # a job that was running in two processes that died runs alone in a child from now on: if it is the cause, no other
        # job is affected again
        executor = self._executors[
            "process" if job.crashes >= CRASHES_BEFORE_ISOLATION else kind.options.executor
        ]
        active = self.active[job.seq, job.token] = Active(Run(job, kind, port), port, executor)
        if job.timeout is not None:
            active.run.begun = lambda: self._begun(active)
        if self._stopping:  # claimed while the stop was requested: it is released at its first checkpoint
            port.raise_flag(stop=True)
        self._slots.put(active)

    def _begun(self, active: Active) -> None:
        """Its function is called now. A suspect may have waited for a child before, which does not count as its time."""
        timeout = active.run.job.timeout
        if timeout is not None:
            active.timers.append(self._loop.call_later(timeout, self._time_is_over, active))

    async def _attempt(self, active: Active) -> None:
        job = active.run.job
        try:
            ended = await active.executor.run(active.run)
        except GeneratorExit:
            raise  # the loop is closed under a task that was left behind
        except BaseException as error:
            # an executor must not raise; if it does, the job fails with it and is not left running
            log.exception("executor failed", job=job.id, type=job.type)
            ended = AttemptResult(ResultKind.FAILED, error=error_info(error))
        for timer in active.timers:
            timer.cancel()
        if active.timed_out and ended.end in (ResultKind.INTERRUPTED, ResultKind.FAILED):
            ended = AttemptResult(
                ResultKind.TIMED_OUT,
                error=ErrorInfo("TimeoutError", f"The job took longer than {job.timeout:g} s."),
            )
        port, flags, report = active.port, active.port.flags, None
        if port.close():
            ended, report = await self._last_report(port, ended)
        if ended.end is ResultKind.INTERRUPTED and port.was_pausing and not _is_asked(flags):
            flags.pause = True  # it had stopped for a pause that was withdrawn just now
        del self.active[job.seq, job.token]
        backoff = active.run.type.options.backoff
        try:
            settlement = self._policy.settlement_for(job, backoff, ended, flags, report)
        except Exception as error:
            log.exception("a settlement cannot be stored as it is", job=job.id, type=job.type)
            broken = error_info(error)
            settlement = self._policy.settlement_refused(job, f"{broken.type}: {broken.message}")
        if settlement is not None and settlement.error is not None:
            _log_failure(job, settlement)
        members = flags.__dict__  # a thread that was abandoned stops at its next checkpoint
        members["lost"] = members["any"] = True
        self._settle(job, settlement)

    async def _last_report(
        self, port: LocalLink, ended: AttemptResult
    ) -> tuple[AttemptResult, Report | None]:
        """The result of the attempt of a closed link, and what is left to be stored with its settlement."""
        while port.in_flight:
            # a job may cancel the task that it has run in, and be gone when that arrives
            with suppress(asyncio.CancelledError):
                await port.landing()
        if port.refused is not None and ended.end in (
            ResultKind.INTERRUPTED,
            ResultKind.SNOOZE,
            ResultKind.RETRY,
        ):
            # it would continue from a state that is not stored
            refused = ErrorInfo("InvalidInput", port.refused)
            ended = AttemptResult(ResultKind.FAILED_FOR_GOOD, error=refused, reason="report refused")
        return ended, port.last_report()

    # -- requests to running jobs -------------------------------------------------------------------------------------------

    def hear(self, asked: list[Asked]) -> None:
        """Pass on the requests that are pending for these jobs; a request that is missing was withdrawn."""
        wanted = {(a.seq, a.token): a.requested for a in asked}
        for active in self.active.values():
            request = wanted.get((active.run.job.seq, active.run.job.token))
            flags = active.port.flags
            pause, cancel = request == "pause", request == "cancel"
            if (pause, cancel) != (flags.pause, flags.cancel):
                active.port.raise_flag(pause=pause, cancel=cancel)
            if cancel and not active.cancelling:
                active.cancelling = True
                active.timers.append(self._loop.call_later(self._grace, self._force, active, "cancel"))

    def ask_all_to_stop(self) -> None:
        """The worker shuts down: every job may end, or is released at its next checkpoint."""
        self._stopping = True
        for active in self.active.values():
            active.port.raise_flag(stop=True)

    def force_all(self, why: str) -> None:
        """The worker's grace time is over: interrupt what still runs, and log it."""
        for active in list(self.active.values()):
            if active.forced:
                continue
            active.forced = True
            active.port.raise_flag(stop=True)
            log.warning("interrupted", why=why, job=active.run.job.id, type=active.run.job.type)
            active.executor.force(active.run, because="stop")

    def halt(self) -> None:
        """The lease may end: every job stops at its next checkpoint, and no other one begins until `resume`."""
        self._halted = True
        for active in self.active.values():
            active.port.raise_flag(stop=True)

    def resume(self) -> None:
        """Begin jobs again."""
        self._halted = False

    def lose(self, keys: Iterable[Key]) -> None:
        """Interrupt at once those of these attempts that still run: their jobs belong to other attempts now."""
        for active in filter(None, map(self.active.get, keys)):
            log.warning("job lost to another attempt; interrupting it", job=active.run.job.id)
            active.port.raise_flag(lost=True)
            active.executor.force(active.run, because="lost")

    def _time_is_over(self, active: Active) -> None:
        active.timed_out = True
        self._force(active, "timeout")

    def _force(self, active: Active, because: str) -> None:
        if (active.run.job.seq, active.run.job.token) in self.active:
            active.executor.force(active.run, because=because)


def _log_failure(job: Claimed, settlement: Settlement) -> None:
    error = settlement.error
    assert error is not None
    log.warning(
        "job failed",
        job=job.id,
        type=job.type,
        attempt=f"{job.attempt}/{job.max_attempts}",
        now=settlement.target.value,
        reason=settlement.reason,
        error=f"{error.type}: {cut_middle(error.message, 500)}",
    )


def _is_asked(flags: Flags) -> bool:
    """Whether the attempt has been asked to stop."""
    return flags.pause or flags.cancel or flags.stop or flags.lost
