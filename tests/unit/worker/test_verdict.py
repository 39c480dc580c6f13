"""From the end of an attempt to its settlement: delays, backoff functions, and what cannot be stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.context.worker_link import Flags
from holdfast.core.job import Claimed
from holdfast.core.outcome import AttemptResult, ErrorInfo, ResultKind, Settlement
from holdfast.core.retention import Retention
from holdfast.core.retry import hangfire
from holdfast.core.states import Verb
from holdfast.worker.settling import Judge
from tests.unit.worker.reports import a_job

NOW = 1_000_000_000
JUDGE = Judge(Retention(60.0, 120.0, 180.0), lambda: NOW, lambda: 0.5)


def settled(
    ended: AttemptResult, backoff: Callable[[int, float], Any] = hangfire, job: Claimed | None = None
) -> Settlement:
    settlement = JUDGE.settle(job or a_job(), backoff, ended, Flags(), None)
    assert settlement is not None
    return settlement


def _exits(attempt: int, chance: float) -> float:
    raise SystemExit(f"{attempt} {chance}")


@pytest.mark.parametrize(
    ("backoff", "told"),
    [
        (lambda attempt, chance: 5.0 ** (attempt * 500), "OverflowError"),
        (lambda attempt, chance: None, "TypeError"),
        (lambda attempt, chance: math.nan, "ValueError"),
        (lambda attempt, chance: -1, "ValueError"),
        (lambda attempt, chance: 1e14, "ValueError"),
        (lambda attempt, chance: 11 * 365 * 86_400.0, "10 years"),
        (lambda attempt: 1, "TypeError"),
        (_exits, "SystemExit"),
    ],
)
def test_a_backoff_that_fails_is_replaced_and_the_error_says_so(
    backoff: Callable[..., Any], told: str
) -> None:
    settlement = settled(
        AttemptResult(ResultKind.FAILED, error=ErrorInfo("KeyError", "the real reason")), backoff
    )
    assert (settlement.verb, settlement.reason) == (Verb.RETRY_LATER, "retry")
    assert settlement.run_at == NOW + int(hangfire(1, 0.5) * 1_000_000)
    assert settlement.error is not None
    assert settlement.error.type == "KeyError"
    assert settlement.error.message.startswith("the real reason (its backoff cannot be used")
    assert told in settlement.error.message


@pytest.mark.parametrize(("backoff", "seconds"), [(lambda a, c: "5m", 300), (lambda a, c: 2 * a, 2)])
def test_a_backoff_may_say_its_delay_like_every_duration(backoff: Callable[..., Any], seconds: int) -> None:
    assert settled(AttemptResult(ResultKind.FAILED), backoff).run_at == NOW + seconds * 1_000_000


def test_a_delay_of_the_job_itself_needs_no_backoff() -> None:
    settlement = settled(AttemptResult(ResultKind.RETRY, delay=3.0), _exits)
    assert settlement.run_at == NOW + 3_000_000
    assert settled(AttemptResult(ResultKind.SNOOZE, delay=4.0), _exits).run_at == NOW + 4_000_000


def test_a_retention_that_cannot_be_read_is_the_default_one() -> None:
    for text in ("{", '{"succeeded": "soon"}', '{"other": 1}', "[]"):
        job = a_job()._replace(retention=text)
        assert settled(AttemptResult(ResultKind.SUCCEEDED, result="1"), job=job).keep == NOW + 60_000_000


def test_an_end_that_cannot_be_stored_is_a_failure_that_says_why_or_nothing() -> None:
    told = JUDGE.unstorable(a_job(), "DataError: too long\x00")
    assert (told.verb, told.result, told.report, told.keep) == (Verb.FAIL, None, None, NOW + 120_000_000)
    assert told.error == ErrorInfo(
        "StorageRefused", "The end of this attempt cannot be stored: DataError: too long�"
    )
    silent = JUDGE.unstorable(a_job(), None)
    assert (silent.verb, silent.error, silent.report) == (Verb.FAIL, None, None)
    assert silent.reason is not None
    assert silent.reason.isascii()
