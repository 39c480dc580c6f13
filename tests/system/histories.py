"""Judges of what has happened: they know nothing of how it was done, only the committed history and the effects outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from holdfast.core.records import HistoryRecord, JobRecord
from holdfast.core.states import FINAL_STATES, TRANSITIONS, State

LEGAL = {(source, way.target) for way in TRANSITIONS.values() for source in way.sources}

Effect = dict[str, Any]


def check_history(job: JobRecord, history: Sequence[HistoryRecord]) -> None:
    """Only legal ways; one end at most, and as the last change; as many claims as the token says; nothing is left asked."""
    states = [row for row in history if row.kind == "state"]
    path = [State(row.state) for row in states]
    assert path[-1] == job.state, (job, history)
    for way in pairwise(path):
        assert way in LEGAL, f"no such way: {way}\n{job}\n{history}"
    assert not [state for state in path[:-1] if state in FINAL_STATES], f"ended twice\n{job}\n{history}"
    assert path.count(State.PROCESSING) == job.token, f"the token does not count the claims\n{job}\n{history}"
    if job.state != State.PROCESSING:
        assert job.requested is None, f"a request was left unanswered\n{job}\n{history}"


def interruptions(history: Sequence[HistoryRecord]) -> int:
    """How often a run of the job was cut off: its worker died, stopped, or gave it back."""
    states = [row for row in history if row.kind == "state"]
    return sum(
        before.state == State.PROCESSING and row.state in (State.ENQUEUED, State.SCHEDULED, State.PAUSED)
        for before, row in pairwise(states)
    )


def check_items(effects: Iterable[Effect], n: int, again: int) -> int:
    """The effects of one job that walks through `n` items, holding each.

    Every item is there; within one run they come in order, without a gap; no run begins before an item that an earlier run
    has left behind (the next one had begun, so its checkpoint had returned). At most `again` come twice; returns how many.
    """
    runs: dict[int, list[int]] = {}
    for effect in effects:
        runs.setdefault(effect["token"], []).append(effect["item"])
    held = 0
    for token in sorted(runs):
        items = runs[token]
        assert items == list(range(items[0], items[0] + len(items))), f"a gap in run {token}: {runs}"
        assert items[0] >= held, f"run {token} went back behind item {held}, which was held: {runs}"
        held = max(held, items[-1])
    counted = Counter(item for items in runs.values() for item in items)
    assert set(counted) == set(range(n)), f"items missing: {set(range(n)) - set(counted)}, {runs}"
    twice = sum(counted.values()) - n
    assert twice <= again, f"{twice} items came twice, {again} interruptions: {runs}"
    return twice
