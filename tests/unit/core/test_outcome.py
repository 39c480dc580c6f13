"""The winner table: what becomes of an attempt that ends after something was asked of its job."""

from __future__ import annotations

import pytest

from holdfast.core.outcome import Cancel, Fail, Interrupted, Retry, Settlement, Snooze, answer_request
from holdfast.core.states import TRANSITIONS, Request, State, Verb

ENDS = [verb for verb, way in TRANSITIONS.items() if State.PROCESSING in way.sources]


def end(verb: Verb) -> Settlement:
    return Settlement(7, 3, verb, reason="own", actor=None, run_at=99, result="1", keep=55)


@pytest.mark.parametrize("verb", ENDS)
def test_a_cancel_wins_over_everything_and_keeps_the_result(verb: Verb) -> None:
    answer = answer_request(end(verb), Request.CANCEL, "enough", "ann", 77)
    assert (answer.target, answer.reason, answer.actor) == (State.CANCELLED, "enough", "ann")
    assert (answer.result, answer.run_at, answer.keep) == ("1", None, 77)
    assert (answer.seq, answer.token) == (7, 3)


WINS_OVER_PAUSE = {Verb.SUCCEED, Verb.FAIL, Verb.QUARANTINE, Verb.STOP}


@pytest.mark.parametrize("verb", ENDS)
def test_a_pause_wins_over_another_attempt_not_over_an_end(verb: Verb) -> None:
    answer = answer_request(end(verb), Request.PAUSE, "lunch", "ann", 77)
    if verb in WINS_OVER_PAUSE:
        assert answer == end(verb)
    else:
        assert (answer.target, answer.reason, answer.run_at) == (State.PAUSED, "lunch", 99)


def test_reasons_when_none_was_given() -> None:
    assert answer_request(end(Verb.RELEASE), Request.PAUSE, None, None, None).reason == "paused"
    assert answer_request(end(Verb.CONTINUE), Request.PAUSE, None, None, None).verb is Verb.SUSPEND
    assert answer_request(end(Verb.RELEASE), Request.CANCEL, None, None, None).reason == "cancelled"


@pytest.mark.parametrize("verb", ENDS)
def test_every_result_of_a_request_can_be_settled(verb: Verb) -> None:
    for requested in Request:
        answer = answer_request(end(verb), requested, None, None, None)
        assert State.PROCESSING in TRANSITIONS[answer.verb].sources


def test_an_interruption_passes_a_broad_except() -> None:
    assert not issubclass(Interrupted, Exception)
    assert all(issubclass(kind, Exception) for kind in (Retry, Snooze, Cancel, Fail))


def test_what_the_exceptions_carry() -> None:
    assert (Retry().delay, Retry("again", delay=5).delay) == (None, 5)
    assert (Snooze(90).delay, str(Snooze(90))) == (90, "snoozed for 90 s")
    assert (Cancel("why").reason, Fail("why").reason) == ("why", "why")
