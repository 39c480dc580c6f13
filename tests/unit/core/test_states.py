"""The transition table: complete, consistent, and closed where it must be."""

from __future__ import annotations

import pytest

from holdfast.core.states import ACTIVE_STATES, FINAL_STATES, TRANSITIONS, State, Verb, mermaid

PEOPLE = {Verb.PAUSE, Verb.RESUME, Verb.RESUME_LATER, Verb.RESUME_WAITING, Verb.CANCEL, Verb.RETRY}


def test_every_verb_has_one_way() -> None:
    assert set(TRANSITIONS) == set(Verb)
    assert all(way.verb is verb and way.sources and way.meaning for verb, way in TRANSITIONS.items())


def test_every_state_is_live_or_final() -> None:
    assert set(State) == ACTIVE_STATES | FINAL_STATES
    assert not ACTIVE_STATES & FINAL_STATES


def test_only_a_person_who_retries_leaves_an_end() -> None:
    leaving = {verb for verb, way in TRANSITIONS.items() if way.sources & FINAL_STATES}
    assert leaving == {Verb.RETRY}
    assert State.SUCCEEDED not in TRANSITIONS[Verb.RETRY].sources


def test_a_running_job_is_moved_by_its_attempt_or_its_rescue_only() -> None:
    for verb, way in TRANSITIONS.items():
        if State.PROCESSING in way.sources:
            assert way.sources == {State.PROCESSING}
            assert verb not in PEOPLE


def test_only_a_claim_begins_an_attempt() -> None:
    assert [verb for verb, way in TRANSITIONS.items() if way.target is State.PROCESSING] == [Verb.CLAIM]


@pytest.mark.parametrize(
    "verb", [Verb.SNOOZE, Verb.SUSPEND, Verb.STOP, Verb.RELEASE, Verb.CONTINUE, Verb.RESCUE]
)
def test_interrupted_work_does_not_count_as_an_attempt(verb: Verb) -> None:
    assert not TRANSITIONS[verb].counts_attempt


@pytest.mark.parametrize("verb", [Verb.SUCCEED, Verb.FAIL, Verb.RETRY_LATER, Verb.QUARANTINE])
def test_an_attempt_that_ended_by_itself_is_counted(verb: Verb) -> None:
    assert TRANSITIONS[verb].counts_attempt


def test_every_live_state_leads_to_every_end() -> None:
    reach = {state: {way.target for way in TRANSITIONS.values() if state in way.sources} for state in State}
    for state in ACTIVE_STATES:
        seen, todo = set[State](), {state}
        while todo:
            seen |= todo
            todo = set[State]().union(*(reach[one] for one in todo)) - seen
        assert seen >= FINAL_STATES


def test_the_diagram_is_the_table() -> None:
    drawn = {line.strip() for line in mermaid().splitlines()}
    for verb, way in TRANSITIONS.items():
        for source in way.sources:
            assert f"{source} --> {way.target}: {verb.replace('_', ' ')}" in drawn
    assert {f"{state} --> [*]" for state in FINAL_STATES} <= drawn
    ways = sum(len(way.sources) for way in TRANSITIONS.values())
    assert len(drawn) == ways + len(FINAL_STATES) + 3  # the heading and the two ways in
