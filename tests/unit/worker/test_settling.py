"""From the result of an attempt to its settlement."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from holdfast.context.worker_link import Flags
from holdfast.core.job import CRASHES_TO_QUARANTINE, Claimed
from holdfast.core.outcome import AttemptResult, ErrorInfo, Report, ResultKind, Settlement
from holdfast.core.retention import Retention
from holdfast.core.retry import hangfire
from holdfast.core.states import FINAL_STATES, State, Verb
from holdfast.worker.settling import SettlementPolicy
from tests.unit.worker.reports import a_job

NOW = 1_000_000_000
RETENTION = Retention(60.0, 120.0, 180.0)
POLICY = SettlementPolicy(RETENTION, lambda: NOW, lambda: 0.5)
REPORT = Report(1, 7, progress='{"done": 1}')
ERROR = ErrorInfo("KeyError", "the real reason")

# -- the decision table -----------------------------------------------------------------------------------------------------

K = ResultKind


class Decision(NamedTuple):
    verb: Verb
    reason: str | None
    delay: float | None = None
    error: str | None = None
    """The type of the stored error."""
    result: str | None = None
    crashed: bool = False


SUCCEED = Decision(Verb.SUCCEED, None, result="42")
RETRY = Decision(Verb.RETRY_LATER, "retry", delay=3.0, error="KeyError")
RETRY_DEFAULT = RETRY._replace(delay=hangfire(1, 0.5))
NO_ATTEMPT_LEFT = Decision(Verb.FAIL, "no attempt left", error="KeyError")
CANCELLED = Decision(Verb.STOP, "cancelled")
PAUSED = Decision(Verb.CONTINUE, "resumed")
RELEASED = Decision(Verb.RELEASE, "worker stopped")
RESCUED = Decision(Verb.RESCUE, "rescued", error="WorkerCrashed", crashed=True)
QUARANTINED = Decision(Verb.QUARANTINE, "quarantined", error="WorkerCrashed", crashed=True)

# Each result that does not depend on requests: what follows while attempts are left, and after the last one.
RESULTS: dict[str, tuple[AttemptResult, Decision | None, Decision | None]] = {
    "succeeded": (AttemptResult(K.SUCCEEDED, result="42"), SUCCEED, SUCCEED),
    "failed": (AttemptResult(K.FAILED, error=ERROR), RETRY_DEFAULT, NO_ATTEMPT_LEFT),
    "retry": (AttemptResult(K.RETRY, error=ERROR), RETRY_DEFAULT, NO_ATTEMPT_LEFT),
    "retry with a delay": (AttemptResult(K.RETRY, error=ERROR, delay=3.0), RETRY, NO_ATTEMPT_LEFT),
    "timed out": (
        AttemptResult(K.TIMED_OUT, error=ERROR),
        RETRY_DEFAULT,
        Decision(Verb.FAIL, "timed out", error="KeyError"),
    ),
    "failed for good": (
        AttemptResult(K.FAILED_FOR_GOOD, error=ERROR, reason="result refused"),
        *[Decision(Verb.FAIL, "result refused", error="KeyError")] * 2,
    ),
    "snoozed": (
        AttemptResult(K.SNOOZE, delay=4.0),
        *[Decision(Verb.SNOOZE, "snoozed", delay=4.0)] * 2,
    ),
    "store away": (
        AttemptResult(K.SNOOZE, delay=1.0, error=ERROR, reason="away"),
        *[Decision(Verb.SNOOZE, "away", delay=1.0, error="KeyError")] * 2,
    ),
    "cancelled by itself": (
        AttemptResult(K.CANCELLED, reason="no longer needed"),
        *[Decision(Verb.STOP, "no longer needed")] * 2,
    ),
    "crashed": (AttemptResult(K.CRASHED, reason="SIGKILL"), RESCUED, RESCUED),
    "lost": (AttemptResult(K.LOST), None, None),
}

# What an interruption becomes, by the request that caused it. The first one in this order decides.
INTERRUPTIONS: dict[str, Decision | None] = {
    "lost": None,
    "cancel": CANCELLED,
    "pause": PAUSED,
    "stop": RELEASED,
}
REQUESTS = [
    frozenset(names)
    for count in range(len(INTERRUPTIONS) + 1)
    for names in itertools.combinations(INTERRUPTIONS, count)
]


def cases() -> list[Any]:
    found: list[Any] = []
    for requests in REQUESTS:
        name = "+".join(sorted(requests)) or "no request"
        for outcome, (result, with_attempts, at_the_last) in RESULTS.items():
            for last, decision in ((False, with_attempts), (True, at_the_last)):
                case_id = f"{outcome}-{name}-{'last attempt' if last else 'attempts left'}"
                found.append(pytest.param(result, requests, last, decision, id=case_id))
        for last in (False, True):
            decided = [decision for request, decision in INTERRUPTIONS.items() if request in requests]
            itself = NO_ATTEMPT_LEFT if last else RETRY_DEFAULT
            decision = decided[0] if decided else itself._replace(error="CancelledError")
            case_id = f"interrupted-{name}-{'last attempt' if last else 'attempts left'}"
            found.append(pytest.param(AttemptResult(K.INTERRUPTED), requests, last, decision, id=case_id))
    return found


def test_every_kind_of_result_is_in_the_table() -> None:
    assert {result.end for result, _, _ in RESULTS.values()} | {K.INTERRUPTED} == set(K)


@pytest.mark.parametrize(("result", "requests", "last", "decision"), cases())
def test_the_settlement_of_each_result(
    result: AttemptResult, requests: frozenset[str], last: bool, decision: Decision | None
) -> None:
    """By the result, the requests that are pending, and whether it was the last attempt. Requests decide about interruptions
    only; for the others the store applies them, in the transaction of the settlement (`answer_request`)."""
    job = a_job()._replace(attempt=11 if last else 1, max_attempts=11)
    flags = Flags()
    for request in requests:
        setattr(flags, request, True)
    settlement = POLICY.settlement_for(job, hangfire, result, flags, REPORT)
    if decision is None:
        assert settlement is None
        return
    assert settlement is not None
    expires = {State.SUCCEEDED: 60, State.FAILED: 120, State.CANCELLED: 180}.get(settlement.target)
    assert (settlement.seq, settlement.token, settlement.report) == (job.seq, job.token, REPORT)
    assert settlement.keep == (None if expires is None else NOW + expires * 1_000_000)
    assert (settlement.target in FINAL_STATES) == (expires is not None)
    assert decision == Decision(
        settlement.verb,
        settlement.reason,
        None if settlement.run_at is None else (settlement.run_at - NOW) / 1_000_000,
        None if settlement.error is None else settlement.error.type,
        settlement.result,
        settlement.crashed,
    )


@pytest.mark.parametrize("crashes", range(CRASHES_TO_QUARANTINE + 1))
def test_the_third_crash_quarantines_a_job(crashes: int) -> None:
    crashed = AttemptResult(K.CRASHED, reason="SIGSEGV")
    settlement = settled(crashed, job=a_job()._replace(crashes=crashes))
    expected = QUARANTINED if crashes + 1 >= CRASHES_TO_QUARANTINE else RESCUED
    assert (settlement.verb, settlement.reason, settlement.crashed) == (
        expected.verb,
        expected.reason,
        True,
    )
    assert settlement.error == ErrorInfo("WorkerCrashed", "The process that ran this job died: SIGSEGV.")


# -- delays -----------------------------------------------------------------------------------------------------------------


def settled(
    result: AttemptResult, backoff: Callable[[int, float], Any] = hangfire, job: Claimed | None = None
) -> Settlement:
    settlement = POLICY.settlement_for(job or a_job(), backoff, result, Flags(), None)
    assert settlement is not None
    return settlement


def _exits(attempt: int, jitter: float) -> float:
    raise SystemExit(f"{attempt} {jitter}")


@pytest.mark.parametrize(
    ("backoff", "named"),
    [
        (lambda attempt, jitter: 5.0 ** (attempt * 500), "OverflowError"),
        (lambda attempt, jitter: None, "TypeError"),
        (lambda attempt, jitter: math.nan, "ValueError"),
        (lambda attempt, jitter: -1, "ValueError"),
        (lambda attempt, jitter: 1e14, "ValueError"),
        (lambda attempt, jitter: 11 * 365 * 86_400.0, "10 years"),
        (lambda attempt: 1, "TypeError"),
        (_exits, "SystemExit"),
    ],
)
def test_a_backoff_that_fails_is_replaced_and_the_error_says_so(
    backoff: Callable[..., Any], named: str
) -> None:
    settlement = settled(AttemptResult(K.FAILED, error=ERROR), backoff)
    assert (settlement.verb, settlement.reason) == (Verb.RETRY_LATER, "retry")
    assert settlement.run_at == NOW + int(hangfire(1, 0.5) * 1_000_000)
    assert settlement.error is not None
    assert settlement.error.type == "KeyError"
    assert settlement.error.message.startswith("the real reason (its backoff cannot be used")
    assert named in settlement.error.message


def test_a_backoff_gets_the_attempt_and_the_jitter() -> None:
    job = a_job()._replace(attempt=3)
    settlement = settled(AttemptResult(K.FAILED), lambda attempt, jitter: 10 * attempt + jitter, job)
    assert settlement.run_at == NOW + 30_500_000


@pytest.mark.parametrize(("backoff", "seconds"), [(lambda a, c: "5m", 300), (lambda a, c: 2 * a, 2)])
def test_a_backoff_may_say_its_delay_like_every_duration(backoff: Callable[..., Any], seconds: int) -> None:
    assert settled(AttemptResult(K.FAILED), backoff).run_at == NOW + seconds * 1_000_000


def test_a_delay_of_the_job_itself_needs_no_backoff() -> None:
    settlement = settled(AttemptResult(K.RETRY, delay=3.0), _exits)
    assert settlement.run_at == NOW + 3_000_000
    assert settled(AttemptResult(K.SNOOZE, delay=4.0), _exits).run_at == NOW + 4_000_000


# -- retention and refusals -------------------------------------------------------------------------------------------------


def test_the_retention_of_a_job_is_used_before_the_default_one() -> None:
    job = a_job()._replace(retention='{"succeeded": 5.0}')
    assert settled(AttemptResult(K.SUCCEEDED, result="1"), job=job).keep == NOW + 5_000_000


def test_a_retention_that_cannot_be_read_is_the_default_one() -> None:
    for text in ("{", '{"succeeded": "soon"}', '{"other": 1}', "[]"):
        job = a_job()._replace(retention=text)
        assert settled(AttemptResult(K.SUCCEEDED, result="1"), job=job).keep == NOW + 60_000_000


def test_a_refused_settlement_becomes_a_failure_with_the_reason_or_a_fixed_text() -> None:
    with_reason = POLICY.settlement_refused(a_job(), "DataError: too long\x00")
    assert (with_reason.verb, with_reason.result, with_reason.report) == (Verb.FAIL, None, None)
    assert with_reason.keep == NOW + 120_000_000
    assert with_reason.error == ErrorInfo(
        "StorageRefused", "The end of this attempt cannot be stored: DataError: too long�"
    )
    fixed = POLICY.settlement_refused(a_job(), None)
    assert (fixed.verb, fixed.error, fixed.report) == (Verb.FAIL, None, None)
    assert fixed.reason is not None
    assert fixed.reason.isascii()
