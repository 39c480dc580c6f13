"""What an attempt reports and how it ended, and the rule that turns its end into the next state.

Precedence, the same in every store:

* a cancel that was accepted before the attempt ended wins over everything: the job becomes *cancelled* (its result is kept);
* a pause that was accepted before the attempt ended wins over another attempt or a release, not over an end: a job that
  succeeded or finally failed is not paused;
* otherwise the outcome is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from holdfast.core.states import TRANSITIONS, Request, State, Verb


class Retry(Exception):
    """Raise it in a job to end the attempt as failed and try again after `delay`: seconds, "5m" or a timedelta, at most
    10 years (None: the delay of the policy)."""

    def __init__(
        self, message: str = "retry requested", *, delay: float | str | timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.delay = delay


class Snooze(Exception):
    """Raise it in a job to continue later from its saved state, after `delay`: seconds, "5m" or a timedelta, at most
    10 years. It does not count as an attempt."""

    def __init__(self, delay: float | str | timedelta) -> None:
        unit = " s" if isinstance(delay, (int, float)) else ""
        super().__init__(f"snoozed for {delay}{unit}")
        self.delay = delay


class Cancel(Exception):
    """Raise it in a job to end it as cancelled, with a reason."""

    def __init__(self, reason: str = "cancelled by the job") -> None:
        super().__init__(reason)
        self.reason = reason


class Fail(Exception):
    """Raise it in a job to end it as failed at once, without another attempt."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Interrupted(BaseException):
    """Raised inside a job at a checkpoint when it is to be paused, cancelled or requeued.

    It is a BaseException, so that a broad `except Exception` in user code does not swallow it. Let it pass.
    """


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """A failure as text; exceptions are never rebuilt from what is stored."""

    type: str
    message: str
    traceback: str | None = None


class ResultKind(StrEnum):
    """How an attempt ended, before the retry policy and requests are applied."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the policy decides about another attempt
    FAILED_FOR_GOOD = "failed_for_good"
    RETRY = "retry"
    SNOOZE = "snooze"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # it stopped at a checkpoint because a flag was set
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"  # the child process that ran it died
    LOST = "lost"  # the job belongs to another attempt; nothing may be written


class AttemptResult(NamedTuple):
    """The end of an attempt as a value that also travels over a pipe: texts and numbers only."""

    end: ResultKind
    result: str | None = None
    error: ErrorInfo | None = None
    delay: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a job's console. `at` is microseconds since the epoch; `level` a lower-case word."""

    at: int
    level: str
    message: str
    fields: str | None = None


class Report(NamedTuple):
    """What a running attempt has to say, guarded by its token. None = nothing new of that kind.

    `progress` and `saved` are JSON texts; `saved` is the whole saved state and replaces the one before.
    """

    seq: int
    token: int
    progress: str | None = None
    saved: str | None = None
    logs: tuple[LogLine, ...] = ()


class Settlement(NamedTuple):
    """The end of one attempt as it shall be written: guarded by `token`, moved by `verb`.

    `run_at` (microseconds) only for scheduled; `result` is JSON text; `keep` is the time in microseconds after which the
    ended job may be removed (None = kept).
    """

    seq: int
    token: int
    verb: Verb
    reason: str | None = None
    actor: str | None = None
    run_at: int | None = None
    result: str | None = None
    error: ErrorInfo | None = None
    keep: int | None = None
    report: Report | None = None
    crashed: bool = False
    """The process that ran it died: counted towards the quarantine."""

    @property
    def target(self) -> State:
        return TRANSITIONS[self.verb].target


def answer_request(
    settlement: Settlement,
    requested: Request,
    reason: str | None,
    actor: str | None,
    keep_cancelled: int | None,
) -> Settlement:
    """The settlement that is written when `requested` had been accepted before it (see the winner table above)."""
    if requested is Request.CANCEL:
        return settlement._replace(
            verb=Verb.STOP,
            reason=reason or "cancelled",
            actor=actor,
            run_at=None,
            keep=keep_cancelled,
        )
    if settlement.target in (State.SCHEDULED, State.ENQUEUED):
        return settlement._replace(verb=Verb.SUSPEND, reason=reason or "paused", actor=actor)
    if settlement.verb is Verb.SUSPEND:
        return settlement._replace(reason=reason or "paused", actor=actor)
    return settlement
