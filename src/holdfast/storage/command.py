"""Actions on jobs, for a store that locks rows and writes all jobs that change alike in one guarded statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from holdfast.core.commands import (
    GONE,
    KEY_HELD,
    Action,
    ChangeState,
    Delete,
    Facts,
    Reject,
    SetRequest,
    check_refusal,
    decide_each,
)
from holdfast.core.records import JobRecord
from holdfast.core.states import Request, State, Verb


class LockedJob(Protocol):
    """A job whose row is locked until the end of the transaction. Hashable."""

    @property
    def seq(self) -> int: ...

    @property
    def id(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def requested(self) -> str | None: ...

    @property
    def run_at(self) -> int | None: ...

    @property
    def long(self) -> int | None:
        """Whether its history has grown over what is kept."""
        ...


Job = TypeVar("Job", bound=LockedJob)


class Author(NamedTuple):
    """Who acts, and why."""

    actor: str | None
    reason: str | None


class CommandSteps(Protocol[Job]):
    """What a database does for an action, each step for several jobs, in the open transaction."""

    def now(self) -> int:
        """The time of the transaction."""
        ...

    def lock(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of the jobs that exist, locked in the order of seq."""
        ...

    def read(self, job_id: str) -> JobRecord | None:
        """A job as it is now."""
        ...

    def request(self, jobs: Sequence[Job], request: Request | None, author: Author) -> None:
        """Store or withdraw a request of running jobs."""
        ...

    def move(self, jobs: Sequence[Job], verb: Verb, author: Author) -> Sequence[Job]:
        """Change the state of jobs that are not running. Returns those whose unique key another job holds, unchanged."""
        ...

    def remove(self, jobs: Sequence[Job]) -> None:
        """Remove ended jobs, with all that belongs to them."""
        ...

    def forget_history(self, seqs: Sequence[int]) -> None:
        """Remove what is not kept of a long history."""
        ...


class Commands(Generic[Job]):
    """`command` and `command_all` of `JobWrites`."""

    def __init__(self, steps: CommandSteps[Job]) -> None:
        self._steps = steps

    def command(
        self, job_id: str, action: Action, *, actor: str | None, reason: str | None
    ) -> JobRecord | None:
        [refused] = self.command_all([job_id], action, actor=actor, reason=reason)
        check_refusal(job_id, refused)
        return self._steps.read(job_id)

    def command_all(
        self, job_ids: Sequence[str], action: Action, *, actor: str | None, reason: str | None
    ) -> list[str | None]:
        jobs = self._steps.lock(job_ids)
        refused: dict[str, str | None] = dict.fromkeys(job_ids, GONE) | {job.id: None for job in jobs}
        author, now = Author(actor, reason), self._steps.now()
        facts = {job: _facts(job, now) for job in jobs}
        for decision, group in decide_each(action, facts).items():
            match decision:
                case Reject(why):
                    refused |= {job.id: why for job in group}
                case Delete():
                    self._steps.remove(group)
                case SetRequest(request):
                    # requested before: the first request and its author are kept
                    if fresh := [job for job in group if job.requested != request]:
                        self._steps.request(fresh, request, author)
                case ChangeState(verb):
                    refused |= {job.id: KEY_HELD for job in self._steps.move(group, verb, author)}
        if long := [job.seq for job in jobs if job.long and refused[job.id] is None]:
            self._steps.forget_history(long)
        return [refused[job_id] for job_id in job_ids]


def _facts(job: LockedJob, now: int) -> Facts:
    requested = Request(job.requested) if job.requested else None
    return Facts(State(job.state), requested, job.run_at, False, now)
