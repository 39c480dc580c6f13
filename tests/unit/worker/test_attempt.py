"""What a function returns or raises, as the end of its attempt."""

from __future__ import annotations

import asyncio
from typing import Any

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
from holdfast.core.outcome import End, Ended, Interrupted
from holdfast.worker.attempt import conclude, ending, raised, returned
from tests.unit.worker.executors.helpers import ExecutorPort
from tests.unit.worker.reports import Memory


def group(*errors: BaseException) -> BaseException:
    return BaseExceptionGroup("several", errors)


@pytest.mark.parametrize(
    ("error", "end", "reason"),
    [
        (group(Interrupted(), Interrupted()), End.INTERRUPTED, None),
        (group(group(Interrupted()), asyncio.CancelledError()), End.INTERRUPTED, None),
        (group(Interrupted(), LeaseLost()), End.LOST, None),
        (group(LeaseLost(), ValueError()), End.FAILED, None),
        (group(Interrupted(), ValueError()), End.FAILED, None),
        (group(asyncio.CancelledError()), End.FAILED, None),
        (group(Snooze(3), group(Snooze(4))), End.SNOOZE, None),
        (group(Retry(delay=3)), End.RETRY, None),
        (group(Cancel("enough"), Cancel("more")), End.CANCELLED, "enough"),
        (group(Fail("no")), End.FAILED_FOR_GOOD, "no"),
        (group(Fail("no"), Snooze(3)), End.FAILED, None),
        (group(StorageUnavailable("away")), End.SNOOZE, "the store did not answer"),
        (group(TooLarge("big"), InvalidInput("bad")), End.FAILED_FOR_GOOD, "invalid input"),
        (InvalidInput("bad"), End.FAILED_FOR_GOOD, "invalid input"),
        (InvalidArguments("bad"), End.FAILED_FOR_GOOD, "arguments refused"),
        (CheckpointMismatch("other code"), End.FAILED_FOR_GOOD, "checkpoint mismatch"),
        (asyncio.CancelledError(), End.FAILED, None),
    ],
)
def test_what_was_raised(error: BaseException, end: End, reason: str | None) -> None:
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
    assert raised(error, port).end is End.FAILED
    assert raised(error, port, "timeout") == Ended(End.INTERRUPTED, reason="timeout")
    port.flags.heard = True
    assert raised(error, port).end is End.INTERRUPTED


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
        assert raised(error, port).end is End.INTERRUPTED
        (line,) = port.warnings
        assert "it is cancelled" in line
        assert "ValueError: import failed" in line


def test_an_outcome_that_came_from_an_interruption_stays_that_outcome() -> None:
    port = ExecutorPort()
    snooze = Snooze(3)
    snooze.__context__ = Interrupted()
    assert raised(snooze, port).end is End.SNOOZE
    failure = ValueError()
    failure.__context__ = KeyError()
    failure.__context__.__context__ = failure  # a ring
    assert raised(failure, port).end is End.FAILED
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
        assert returned(value, port).end is End.INTERRUPTED
        (line,) = port.warnings
        assert "the job returned although it had been interrupted" in line
        assert words in line


def test_a_return_before_the_interruption_was_heard_is_a_success() -> None:
    port = ExecutorPort()
    port.raise_flag("pause")
    assert returned(5, port) == Ended(End.SUCCEEDED, result="5")
    assert returned(5, port, "timeout") == Ended(End.INTERRUPTED, reason="timeout")


class Full(Memory):
    """A memory whose state cannot be stored."""

    def end(self) -> str | None:
        return "state: not JSON"


@pytest.mark.parametrize(
    ("end", "becomes"),
    [
        (End.SNOOZE, End.FAILED_FOR_GOOD),
        (End.RETRY, End.FAILED_FOR_GOOD),
        (End.INTERRUPTED, End.FAILED_FOR_GOOD),
        (End.FAILED, End.FAILED),
        (End.SUCCEEDED, End.SUCCEEDED),
        (End.LOST, End.LOST),
    ],
)
def test_a_state_that_cannot_be_stored_is_no_place_to_continue_from(end: End, becomes: End) -> None:
    port = ExecutorPort()
    port.remember(Full())
    ended = conclude(Ended(end), port)
    assert ended.end is becomes
    if becomes is End.FAILED_FOR_GOOD:
        assert ended.error is not None
        assert (ended.error.type, ended.error.message) == ("InvalidInput", "state: not JSON")
    assert bool(port.warnings) == (end in (End.FAILED, End.SUCCEEDED))


def test_an_attempt_that_is_lost_hands_nothing_up() -> None:
    class Counting(Memory):
        ends = 0

        def end(self) -> str | None:
            Counting.ends += 1
            return None

    port: Any = ExecutorPort()
    port.remember(Counting())
    conclude(Ended(End.FAILED), port)
    conclude(Ended(End.LOST), port)
    port.raise_flag("lost")
    conclude(Ended(End.INTERRUPTED), port)
    assert Counting.ends == 1
