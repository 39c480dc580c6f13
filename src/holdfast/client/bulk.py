"""Actions on all jobs that match a search: what matches, in which batches, and what has been done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from holdfast.client.views import BulkView, RefusalView
from holdfast.core.commands import ALLOWED, Action
from holdfast.core.query import JobState, Query, StateIs
from holdfast.core.query.nodes import all_of
from holdfast.core.states import State
from holdfast.storage.protocol import Reader

MAX_COUNTED = 100_000
"""Matches in one state are counted up to here."""

MAX_BATCH = 500
"""Jobs in one transaction: enough to share its cost, few enough that other writes wait only briefly."""

MAX_REFUSALS = 100


def dry_run(reader: Reader, action: Action, query: Query) -> BulkView:
    """How many jobs match in each state, and how many of them allow the action."""
    by_state = {
        state.value: found.count
        for state in State
        if (found := reader.count(_narrowed(query, state), cap=MAX_COUNTED)).count
    }
    return BulkView(
        action=action,
        q=query.text,
        dry_run=True,
        matched=sum(by_state.values()),
        fits=sum(by_state.get(state.value, 0) for state in ALLOWED[action]),
        by_state=by_state,
    )


def batches(reader: Reader, action: Action, query: Query) -> Iterator[list[str]]:
    """The ids of all jobs that match and may allow the action, in the order in which stores lock them."""
    allowed, cursor = _narrowed(query, *sorted(ALLOWED[action])), None
    while True:
        page = reader.search(allowed, sort="created", limit=MAX_BATCH, cursor=cursor)
        if page.items:
            yield [record.id for record in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return


@dataclass(slots=True)
class Progress:
    """What an action has done and refused so far."""

    done: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    refusals: list[RefusalView] = field(default_factory=list[RefusalView])

    @property
    def refused(self) -> int:
        """The number of refused jobs."""
        return self.reasons.total()

    def add(self, job_ids: Sequence[str], refused: Sequence[str | None]) -> None:
        """Add a batch, with why each of its jobs was refused (None: it is done)."""
        why = {job_id: reason for job_id, reason in zip(job_ids, refused, strict=True) if reason is not None}
        self.done += len(job_ids) - len(why)
        self.reasons.update(why.values())
        room = MAX_REFUSALS - len(self.refusals)
        self.refusals += [
            RefusalView(id=job_id, reason=reason) for job_id, reason in list(why.items())[:room]
        ]

    def result(self, plan: BulkView) -> BulkView:
        """The result of the action whose dry run is `plan`."""
        return plan.model_copy(
            update={
                "dry_run": False,
                "done": self.done,
                "refused": self.refused,
                "reasons": dict(self.reasons),
                "refusals": self.refusals,
            }
        )


def _narrowed(query: Query, *states: State) -> Query:
    # joined as a meaning, not as text: text would be read again without the zone and the user it was written for
    only = JobState(tuple(map(StateIs, states)))
    return replace(query, root=only if query.root is None else all_of((query.root, only)))
