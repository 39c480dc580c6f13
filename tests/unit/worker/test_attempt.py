"""What a function returns or raises, as the end of its attempt."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from holdfast import Cancel, Fail, Retry, Snooze
from holdfast.core.errors import (
    CheckpointMismatch,
    InvalidArguments,
    InvalidInput,
    LeaseLost,
    StorageUnavailable,
    TooLarge,
)
from holdfast.core.outcome import AttemptResult, Interrupted, ResultKind
from holdfast.core.sizes import MAX_REASON, MAX_RESULT
from holdfast.worker import attempt
from holdfast.worker.attempt import conclude, encode, ending, raised, returned
from tests.unit.worker.executors.helpers import ExecutorPort
from tests.unit.worker.reports import Memory


def group(*errors: BaseException) -> BaseException:
    return BaseExceptionGroup("several", errors)


@pytest.mark.parametrize(
    ("error", "end", "reason"),
    [
        (group(Interrupted(), Interrupted()), ResultKind.INTERRUPTED, None),
        (group(group(Interrupted()), asyncio.CancelledError()), ResultKind.INTERRUPTED, None),
        (group(Interrupted(), LeaseLost()), ResultKind.LOST, None),
        (group(LeaseLost(), ValueError()), ResultKind.FAILED, None),
        (group(Interrupted(), ValueError()), ResultKind.FAILED, None),
        (group(asyncio.CancelledError()), ResultKind.FAILED, None),
        (group(Snooze(3), group(Snooze(4))), ResultKind.SNOOZE, None),
        (group(Retry(delay=3)), ResultKind.RETRY, None),
        (group(Cancel("enough"), Cancel("more")), ResultKind.CANCELLED, "enough"),
        (group(Fail("no")), ResultKind.FAILED_FOR_GOOD, "no"),
        (group(Fail("no"), Snooze(3)), ResultKind.FAILED, None),
        (group(StorageUnavailable("away")), ResultKind.SNOOZE, "the store did not answer"),
        (group(TooLarge("big"), InvalidInput("bad")), ResultKind.FAILED_FOR_GOOD, "invalid input"),
        (InvalidInput("bad"), ResultKind.FAILED_FOR_GOOD, "invalid input"),
        (InvalidArguments("bad"), ResultKind.FAILED_FOR_GOOD, "arguments refused"),
        (CheckpointMismatch("other code"), ResultKind.FAILED_FOR_GOOD, "checkpoint mismatch"),
        (asyncio.CancelledError(), ResultKind.FAILED, None),
    ],
)
def test_what_was_raised(error: BaseException, end: ResultKind, reason: str | None) -> None:
    ended = ending(error)
    assert (ended.end, ended.reason) == (end, reason)


def test_a_group_of_one_kind_has_the_delay_and_the_error_of_its_first() -> None:
    assert ending(group(Snooze(3), Snooze(4))).delay == 3
    error = ending(group(Fail("first"), Fail("second"))).error
    assert error is not None
    assert (error.type, error.message) == ("holdfast.core.outcome.Fail", "first") or error.message == "first"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), group(asyncio.CancelledError())])
def test_a_cancellation_after_an_interruption_is_part_of_it(error: BaseException) -> None:
    port = ExecutorPort()
    assert raised(error, port).end is ResultKind.FAILED
    assert raised(error, port, "timeout") == AttemptResult(ResultKind.INTERRUPTED, reason="timeout")
    port.flags.heard = True
    assert raised(error, port).end is ResultKind.INTERRUPTED


def _while_interrupted(cause: bool) -> BaseException:
    try:
        try:
            raise Interrupted
        except Interrupted as interrupted:
            if cause:
                raise ValueError("import failed") from interrupted
            raise ValueError("import failed") from None
    except ValueError as error:
        return error


@pytest.mark.parametrize("cause", [True, False])
def test_an_error_that_came_from_an_interruption_is_one(cause: bool) -> None:
    for error in (_while_interrupted(cause), group(_while_interrupted(cause), _while_interrupted(cause))):
        port = ExecutorPort()
        port.flags.cancel = True
        assert raised(error, port).end is ResultKind.INTERRUPTED
        (line,) = port.warnings
        assert "it is cancelled" in line
        assert "ValueError: import failed" in line


def test_an_outcome_that_came_from_an_interruption_stays_that_outcome() -> None:
    port = ExecutorPort()
    snooze = Snooze(3)
    snooze.__context__ = Interrupted()
    assert raised(snooze, port).end is ResultKind.SNOOZE
    failure = ValueError()
    failure.__context__ = KeyError()
    failure.__context__.__context__ = failure  # a ring
    assert raised(failure, port).end is ResultKind.FAILED
    assert port.warnings == []


@pytest.mark.parametrize(
    ("flag", "words"),
    [("cancel", "it is cancelled"), ("pause", "it is paused"), ("stop", "it is released")],
)
def test_a_return_after_an_interruption_is_one(flag: str, words: str) -> None:
    for value in ("done", object()):
        port = ExecutorPort()
        port.raise_flag(flag)
        port.flags.heard = True
        assert returned(value, port).end is ResultKind.INTERRUPTED
        (line,) = port.warnings
        assert "the job returned although it had been interrupted" in line
        assert words in line


def test_a_return_before_the_interruption_was_heard_is_a_success() -> None:
    port = ExecutorPort()
    port.raise_flag("pause")
    assert returned(5, port) == AttemptResult(ResultKind.SUCCEEDED, result="5")
    assert returned(5, port, "timeout") == AttemptResult(ResultKind.INTERRUPTED, reason="timeout")


class Full(Memory):
    """A memory whose state cannot be stored."""

    def end(self) -> str | None:
        return "state: not JSON"


@pytest.mark.parametrize(
    ("end", "becomes"),
    [
        (ResultKind.SNOOZE, ResultKind.FAILED_FOR_GOOD),
        (ResultKind.RETRY, ResultKind.FAILED_FOR_GOOD),
        (ResultKind.INTERRUPTED, ResultKind.FAILED_FOR_GOOD),
        (ResultKind.FAILED, ResultKind.FAILED),
        (ResultKind.SUCCEEDED, ResultKind.SUCCEEDED),
        (ResultKind.LOST, ResultKind.LOST),
    ],
)
def test_a_state_that_cannot_be_stored_is_no_place_to_continue_from(
    end: ResultKind, becomes: ResultKind
) -> None:
    port = ExecutorPort()
    port.remember(Full())
    ended = conclude(AttemptResult(end), port)
    assert ended.end is becomes
    if becomes is ResultKind.FAILED_FOR_GOOD:
        assert ended.error is not None
        assert (ended.error.type, ended.error.message) == ("InvalidInput", "state: not JSON")
    assert bool(port.warnings) == (end in (ResultKind.FAILED, ResultKind.SUCCEEDED))


def test_an_attempt_that_is_lost_hands_nothing_up() -> None:
    class Counting(Memory):
        ends = 0

        def end(self) -> str | None:
            Counting.ends += 1
            return None

    port: Any = ExecutorPort()
    port.remember(Counting())
    conclude(AttemptResult(ResultKind.FAILED), port)
    conclude(AttemptResult(ResultKind.LOST), port)
    port.raise_flag("lost")
    conclude(AttemptResult(ResultKind.INTERRUPTED), port)
    assert Counting.ends == 1


# -- what a job says of its delay, and what its exceptions are made of -----------------------------------------------------


@pytest.mark.parametrize(
    ("delay", "seconds"), [("5m", 300), (timedelta(minutes=5), 300), (0, 0), (3.5, 3.5), ("10", 10)]
)
def test_a_delay_is_read_like_every_duration(delay: Any, seconds: float) -> None:
    assert ending(Retry(delay=delay)).delay == seconds
    assert ending(Snooze(delay)).delay == seconds


BAD_DELAYS = [
    math.inf,
    math.nan,
    -1,
    1e14,
    1e15,
    10**400,
    11 * 365 * 86_400,
    "soon",
    timedelta(days=-1),
    object(),
    [1],
]


@pytest.mark.parametrize("delay", BAD_DELAYS)
def test_a_delay_that_cannot_be_used_fails_the_attempt_with_that_reason(delay: Any) -> None:
    for error in (Retry("why", delay=delay), Snooze(delay), group(Snooze(delay))):
        ended = ending(error)
        assert ended.end is ResultKind.FAILED
        assert ended.error is not None
        assert "its delay cannot be used" in ended.error.message


class NoModule(Exception):
    pass


NoModule.__module__ = None  # type: ignore[assignment]


class NoTraceback(Exception):
    @property
    def __traceback__(self) -> Any:
        raise RuntimeError("no traceback")


class NoCause(Exception):
    @property
    def __cause__(self) -> Any:
        raise RuntimeError("no cause")

    __context__ = __cause__  # type: ignore[assignment]


class NoClass(Exception):
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")


class NoDelay(Snooze):
    def __init__(self) -> None:
        Exception.__init__(self, "the real reason")


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("no name")


def of_no_name(message: str) -> Exception:
    class OfNoName(Exception, metaclass=Nameless):
        pass

    return OfNoName(message)


@pytest.mark.parametrize("kind", [NoModule, NoTraceback, NoCause, NoClass, of_no_name])
def test_an_odd_exception_is_the_end_of_its_job_and_of_nothing_else(kind: Callable[[str], Exception]) -> None:
    try:
        raise kind("the real reason")
    except Exception as error:
        ended = raised(error, ExecutorPort())
    assert ended.end is ResultKind.FAILED
    assert ended.error is not None
    assert ended.error.message == "the real reason"
    assert "test_attempt.py" in (ended.error.traceback or "")


def test_an_outcome_without_what_belongs_to_it_is_a_failure() -> None:
    ended = raised(NoDelay(), ExecutorPort())
    assert (ended.end, ended.error and ended.error.message) == (ResultKind.FAILED, "the real reason")


def test_what_a_job_gives_as_a_reason_can_be_stored() -> None:
    class Odd:
        def __str__(self) -> str:
            raise SystemExit

    for kind in (Cancel, Fail):
        reason = ending(kind("a\x00b\ud800" + "x" * 5_000)).reason or ""
        assert len(reason) <= MAX_REASON
        reason.encode()
        assert "\x00" not in reason
        assert ending(kind(5)).reason == "5"  # type: ignore[arg-type]
        assert ending(kind(Odd())).reason == "(its __str__ raised SystemExit)"  # type: ignore[arg-type]


def test_the_name_of_an_exception_can_be_stored() -> None:
    error = ending(type("É\x01" + "x" * 5_000, (Exception,), {})("why")).error
    assert error is not None
    assert len(error.type) <= 200


class Exits:
    @property
    def value(self) -> int:
        raise SystemExit(3)


def test_a_result_that_ends_the_program_while_it_is_stored_ends_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dump(value: Exits) -> str:
        return str(value.value)

    monkeypatch.setattr(attempt, "dump_result", dump)
    ended = returned(Exits(), ExecutorPort())
    assert (ended.end, ended.error and ended.error.type) == (ResultKind.FAILED, "SystemExit")


# -- results of steps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 7, 1, tzinfo=UTC), '"2026-07-01T00:00:00Z"'),
        (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
        (Decimal("1.10"), '"1.10"'),
        (b"bytes", '"bytes"'),
        ({7}, "[7]"),
        ((1, None), "[1,null]"),
    ],
)
def test_a_step_stores_what_a_result_may_be(value: Any, text: str) -> None:
    assert encode(value, "step result") == text == ending_result(value)


def ending_result(value: Any) -> str | None:
    return returned(value, ExecutorPort()).result


@pytest.mark.parametrize("value", [object(), math.nan, "\ud800", lambda: 0, "a\x00b"])
def test_a_step_that_cannot_be_stored_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match="step result: ") as raised_by:
        encode(value, "step result")
    assert not isinstance(raised_by.value, InvalidArguments)
    assert ending(raised_by.value).end is ResultKind.FAILED_FOR_GOOD
    with pytest.raises(TooLarge, match="step result: "):
        encode("x" * MAX_RESULT, "step result")
