"""What people may do in each state, as one table."""

from __future__ import annotations

from itertools import product

import pytest

from holdfast.core.commands import ALLOWED, Action, ChangeState, Delete, Facts, Reject, SetRequest, decide
from holdfast.core.states import TRANSITIONS, Request, State, Verb

NOW = 1_000_000
S, V, A = State, Verb, Action

TABLE = {
    (A.PAUSE, S.SCHEDULED): ChangeState(V.PAUSE),
    (A.PAUSE, S.AWAITING): ChangeState(V.PAUSE),
    (A.PAUSE, S.ENQUEUED): ChangeState(V.PAUSE),
    (A.PAUSE, S.PROCESSING): SetRequest(Request.PAUSE),
    (A.RESUME, S.PAUSED): ChangeState(V.RESUME),
    (A.CANCEL, S.SCHEDULED): ChangeState(V.CANCEL),
    (A.CANCEL, S.AWAITING): ChangeState(V.CANCEL),
    (A.CANCEL, S.ENQUEUED): ChangeState(V.CANCEL),
    (A.CANCEL, S.PAUSED): ChangeState(V.CANCEL),
    (A.CANCEL, S.PROCESSING): SetRequest(Request.CANCEL),
    (A.RETRY, S.FAILED): ChangeState(V.RETRY),
    (A.RETRY, S.CANCELLED): ChangeState(V.RETRY),
    (A.RETRY, S.SCHEDULED): ChangeState(V.RETRY),
    (A.DELETE, S.SUCCEEDED): Delete(),
    (A.DELETE, S.FAILED): Delete(),
    (A.DELETE, S.CANCELLED): Delete(),
}


def facts(
    state: State, *, requested: Request | None = None, run_at: int | None = None, parents: bool = False
) -> Facts:
    return Facts(state, requested, run_at, parents, NOW)


@pytest.mark.parametrize(("action", "state"), list(product(Action, State)))
def test_every_action_in_every_state(action: Action, state: State) -> None:
    decision = decide(action, facts(state))
    expected = TABLE.get((action, state))
    if expected is None:
        assert isinstance(decision, Reject)
        assert state in decision.why
        assert state not in ALLOWED[action]
    else:
        assert decision == expected
        assert state in ALLOWED[action]


@pytest.mark.parametrize(
    ("action", "state", "requested", "early"), list(product(Action, State, [None, *Request], [True, False]))
)
def test_a_move_is_always_a_legal_way(
    action: Action, state: State, requested: Request | None, early: bool
) -> None:
    decision = decide(action, facts(state, requested=requested, run_at=NOW + 5 if early else None))
    if isinstance(decision, ChangeState):
        assert state in TRANSITIONS[decision.verb].sources
    if isinstance(decision, SetRequest):
        assert state is State.PROCESSING
    if isinstance(decision, Reject):
        assert decision.why.endswith(".")


@pytest.mark.parametrize(
    ("run_at", "verb"),
    [(None, V.RESUME), (NOW - 1, V.RESUME), (NOW, V.RESUME), (NOW + 1, V.RESUME_LATER)],
)
def test_resume_keeps_the_time(run_at: int | None, verb: Verb) -> None:
    assert decide(A.RESUME, facts(S.PAUSED, run_at=run_at)) == ChangeState(verb)


def test_resume_keeps_the_parents() -> None:
    assert decide(A.RESUME, facts(S.PAUSED, run_at=NOW + 1, parents=True)) == ChangeState(V.RESUME_WAITING)


def test_requests_of_a_running_job() -> None:
    asked_pause, asked_cancel = (
        facts(S.PROCESSING, requested=Request.PAUSE),
        facts(S.PROCESSING, requested=Request.CANCEL),
    )
    assert decide(A.RESUME, asked_pause) == SetRequest(None)
    assert decide(A.PAUSE, asked_pause) == SetRequest(Request.PAUSE)
    assert decide(A.CANCEL, asked_pause) == SetRequest(Request.CANCEL)
    assert decide(A.CANCEL, asked_cancel) == SetRequest(Request.CANCEL)
    assert isinstance(decide(A.PAUSE, asked_cancel), Reject)
    assert isinstance(decide(A.RESUME, asked_cancel), Reject)
    assert isinstance(decide(A.RESUME, facts(S.PROCESSING)), Reject)
