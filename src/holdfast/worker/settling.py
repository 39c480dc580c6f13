"""Which settlement an attempt's result leads to: retry policy, requests and retention applied."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.context.worker_link import Flags
from holdfast.core.job import CRASHES_TO_QUARANTINE, Claimed
from holdfast.core.outcome import AttemptResult, ErrorInfo, Report, ResultKind, Settlement
from holdfast.core.retention import Retention, parse_retention
from holdfast.core.retry import Backoff, hangfire, read_delay
from holdfast.core.sizes import clean_text
from holdfast.core.states import TRANSITIONS, Verb
from holdfast.worker.attempt import MAX_MESSAGE, error_info, noted

REFUSED = "refused by the store"
"""The reason of a failure whose own reason the store has refused."""


class SettlementPolicy:
    """Turns the results of attempts into settlements.

    `retention`: how long ended jobs are kept when the job says nothing itself. `clock` returns the store's time in
    microseconds, `random` a number in [0, 1) for the jitter of a delay."""

    def __init__(self, retention: Retention, clock: Callable[[], int], random: Callable[[], float]) -> None:
        self._retention = retention
        self._clock = clock
        self._random = random

    def settlement_for(
        self, job: Claimed, backoff: Backoff, result: AttemptResult, flags: Flags, report: Report | None
    ) -> Settlement | None:
        """The settlement to write, or None when the job is lost and nothing may be written."""
        match result.end:
            case ResultKind.LOST:
                return None
            case ResultKind.SUCCEEDED:
                return self._final(job, Verb.SUCCEED, None, result, report)
            case ResultKind.FAILED | ResultKind.TIMED_OUT | ResultKind.RETRY if (
                job.attempt < job.max_attempts
            ):
                return self._retry(job, backoff, result, report)
            case ResultKind.FAILED | ResultKind.RETRY:
                return self._final(job, Verb.FAIL, "no attempt left", result, report)
            case ResultKind.TIMED_OUT:
                return self._final(job, Verb.FAIL, "timed out", result, report)
            case ResultKind.FAILED_FOR_GOOD:
                return self._final(job, Verb.FAIL, result.reason, result, report)
            case ResultKind.SNOOZE:
                run_at = self._clock() + int((result.delay or 0.0) * 1_000_000)
                return self._move(job, Verb.SNOOZE, result.reason or "snoozed", result, report, run_at=run_at)
            case ResultKind.CANCELLED:
                return self._final(job, Verb.STOP, result.reason, result, report)
            case ResultKind.CRASHED:
                return self._crashed(job, result, report)
            case ResultKind.INTERRUPTED:
                return self._interrupted(job, backoff, result, flags, report)

    def settlement_refused(self, job: Claimed, why: str | None) -> Settlement:
        """The settlement for an attempt whose own one the store has refused: it fails for good, with the reason `why`. None:
        not even the reason could be stored, so this one contains nothing that a store could refuse."""
        if why is None:
            return self._final(job, Verb.FAIL, REFUSED, AttemptResult(ResultKind.FAILED_FOR_GOOD), None)
        error = ErrorInfo(
            "StorageRefused", clean_text(f"The end of this attempt cannot be stored: {why}", MAX_MESSAGE)
        )
        return self._final(
            job,
            Verb.FAIL,
            "its end cannot be stored",
            AttemptResult(ResultKind.FAILED_FOR_GOOD, error=error),
            None,
        )

    def _retry(
        self, job: Claimed, backoff: Backoff, result: AttemptResult, report: Report | None
    ) -> Settlement:
        """Another attempt after the delay that the job has asked for, or else that of its backoff function. A function that
        fails is replaced by the default one, and the error of the attempt mentions it."""
        delay = result.delay
        if delay is None:
            jitter = self._random()
            try:
                delay = read_delay(backoff(job.attempt, jitter))
            except BaseException as error:
                # the function is the user's: whatever it raises must not reach the worker
                delay = hangfire(job.attempt, jitter)
                broken = error_info(error)
                note = f"its backoff cannot be used, the default is: {broken.type}: {broken.message}"
                result = result._replace(error=noted(result.error or ErrorInfo("Exception", "failed"), note))
        run_at = self._clock() + int(delay * 1_000_000)
        return self._move(job, Verb.RETRY_LATER, "retry", result, report, run_at=run_at)

    def _interrupted(
        self, job: Claimed, backoff: Backoff, result: AttemptResult, flags: Flags, report: Report | None
    ) -> Settlement | None:
        if flags.lost:
            return None
        if flags.cancel:
            return self._final(job, Verb.STOP, "cancelled", result, report)
        if flags.pause:  # the store makes it *paused*, if the request is still pending when this is written
            return self._move(job, Verb.CONTINUE, "resumed", result, report)
        if flags.stop:
            return self._move(job, Verb.RELEASE, "worker stopped", result, report)
        # nothing was requested: the function itself raised CancelledError or Interrupted, which is its own failure
        error = result.error or ErrorInfo(
            "CancelledError", "The job interrupted itself; no request was pending."
        )
        failed = AttemptResult(ResultKind.FAILED, error=error)
        return self.settlement_for(job, backoff, failed, flags, report)

    def _crashed(self, job: Claimed, result: AttemptResult, report: Report | None) -> Settlement:
        error = ErrorInfo("WorkerCrashed", f"The process that ran this job died: {result.reason}.")
        crashed = AttemptResult(ResultKind.CRASHED, error=error)
        if job.crashes + 1 >= CRASHES_TO_QUARANTINE:
            return self._final(job, Verb.QUARANTINE, "quarantined", crashed, report, crashed=True)
        return self._move(job, Verb.RESCUE, "rescued", crashed, report, crashed=True)

    def _final(
        self,
        job: Claimed,
        verb: Verb,
        reason: str | None,
        result: AttemptResult,
        report: Report | None,
        *,
        crashed: bool = False,
    ) -> Settlement:
        retention = parse_retention(job.retention) or self._retention
        keep = retention.until(TRANSITIONS[verb].target, self._clock())
        return Settlement(
            job.seq, job.token, verb, reason, None, None, result.result, result.error, keep, report, crashed
        )

    def _move(
        self,
        job: Claimed,
        verb: Verb,
        reason: str,
        result: AttemptResult,
        report: Report | None,
        *,
        run_at: int | None = None,
        crashed: bool = False,
    ) -> Settlement:
        return Settlement(
            job.seq, job.token, verb, reason, None, run_at, None, result.error, None, report, crashed
        )
