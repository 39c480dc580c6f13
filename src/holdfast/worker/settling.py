"""How the end of an attempt becomes the settlement that is written: retry policy, flags and retention applied."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from holdfast.context.worker_link import Flags
from holdfast.core.job import CRASHES_TO_QUARANTINE, Claimed
from holdfast.core.outcome import AttemptResult, ErrorInfo, Report, ResultKind, Settlement
from holdfast.core.retention import Retention, parse_retention
from holdfast.core.retry import Backoff, hangfire, read_delay
from holdfast.core.sizes import clean_text
from holdfast.core.states import TRANSITIONS, Verb
from holdfast.worker.attempt import MAX_MESSAGE, error_info, noted

log = structlog.get_logger("holdfast.worker")

REFUSED = "refused by the store"
"""The reason of a failure whose own reason the store has refused."""


class Judge:
    """Turns ends into settlements. Clock and chance are handed in."""

    def __init__(self, retention: Retention, clock: Callable[[], int], chance: Callable[[], float]) -> None:
        self._retention = retention
        self._clock = clock
        self._chance = chance

    def settle(
        self, job: Claimed, backoff: Backoff, ended: AttemptResult, flags: Flags, report: Report | None
    ) -> Settlement | None:
        """The settlement to write, or None when the job is lost and nothing may be written."""
        match ended.end:
            case ResultKind.LOST:
                return None
            case ResultKind.SUCCEEDED:
                return self._final(job, Verb.SUCCEED, None, ended, report)
            case ResultKind.FAILED | ResultKind.TIMED_OUT | ResultKind.RETRY if (
                job.attempt < job.max_attempts
            ):
                return self._again(job, backoff, ended, report)
            case ResultKind.FAILED | ResultKind.RETRY:
                return self._final(job, Verb.FAIL, "no attempt left", ended, report)
            case ResultKind.TIMED_OUT:
                return self._final(job, Verb.FAIL, "timed out", ended, report)
            case ResultKind.FAILED_FOR_GOOD:
                return self._final(job, Verb.FAIL, ended.reason, ended, report)
            case ResultKind.SNOOZE:
                run_at = self._clock() + int((ended.delay or 0.0) * 1_000_000)
                return self._move(job, Verb.SNOOZE, ended.reason or "snoozed", ended, report, run_at=run_at)
            case ResultKind.CANCELLED:
                return self._final(job, Verb.STOP, ended.reason, ended, report)
            case ResultKind.CRASHED:
                return self._crashed(job, ended, report)
            case ResultKind.INTERRUPTED:
                return self._interrupted(job, backoff, ended, flags, report)

    def unstorable(self, job: Claimed, why: str | None) -> Settlement:
        """The settlement for an attempt whose end could not be stored: it fails for good, and says why. None: not even that
        could be stored, so nothing is said that a store could refuse."""
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

    def _again(
        self, job: Claimed, backoff: Backoff, ended: AttemptResult, report: Report | None
    ) -> Settlement:
        """Another attempt after the delay that the job has asked for, or that the policy says. A backoff function that fails
        is replaced by the default one, and the error of the attempt says so."""
        delay = ended.delay
        if delay is None:
            chance = self._chance()
            try:
                delay = read_delay(backoff(job.attempt, chance))
            except BaseException as error:
                # the user's function: whatever it raises is no affair of the worker's
                delay = hangfire(job.attempt, chance)
                broken = error_info(error)
                note = f"its backoff cannot be used, the default is: {broken.type}: {broken.message}"
                ended = ended._replace(error=noted(ended.error or ErrorInfo("Exception", "failed"), note))
        run_at = self._clock() + int(delay * 1_000_000)
        return self._move(job, Verb.RETRY_LATER, "retry", ended, report, run_at=run_at)

    def _interrupted(
        self, job: Claimed, backoff: Backoff, ended: AttemptResult, flags: Flags, report: Report | None
    ) -> Settlement | None:
        if flags.lost:
            return None
        if flags.cancel:
            return self._final(job, Verb.STOP, "cancelled", ended, report)
        if flags.pause:  # the store makes it *paused*, if the pause still stands when this is written
            return self._move(job, Verb.CONTINUE, "resumed", ended, report)
        if flags.stop:
            return self._move(job, Verb.RELEASE, "worker stopped", ended, report)
        # nobody asked: the function itself raised CancelledError or Interrupted, which is its own failure
        error = ended.error or ErrorInfo(
            "CancelledError", "The job was interrupted from inside; nobody had asked for it."
        )
        return self.settle(job, backoff, AttemptResult(ResultKind.FAILED, error=error), flags, report)

    def _crashed(self, job: Claimed, ended: AttemptResult, report: Report | None) -> Settlement:
        error = ErrorInfo("WorkerCrashed", f"The process that ran this job died: {ended.reason}.")
        crashed = AttemptResult(ResultKind.CRASHED, error=error)
        if job.crashes + 1 >= CRASHES_TO_QUARANTINE:
            return self._final(job, Verb.QUARANTINE, "quarantined", crashed, report, crashed=True)
        return self._move(job, Verb.RESCUE, "rescued", crashed, report, crashed=True)

    def _final(
        self,
        job: Claimed,
        verb: Verb,
        reason: str | None,
        ended: AttemptResult,
        report: Report | None,
        *,
        crashed: bool = False,
    ) -> Settlement:
        retention = parse_retention(job.retention) or self._retention
        keep = retention.until(TRANSITIONS[verb].target, self._clock())
        return Settlement(
            job.seq, job.token, verb, reason, None, None, ended.result, ended.error, keep, report, crashed
        )

    def _move(
        self,
        job: Claimed,
        verb: Verb,
        reason: str,
        ended: AttemptResult,
        report: Report | None,
        *,
        run_at: int | None = None,
        crashed: bool = False,
    ) -> Settlement:
        return Settlement(
            job.seq, job.token, verb, reason, None, run_at, None, ended.error, None, report, crashed
        )
