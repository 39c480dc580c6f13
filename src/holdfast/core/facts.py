"""What is known of the whole system at one moment. Times are microseconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ROLE = "clock"
"""The role that the scheduler leads, the one there is: promotion, rescue, retention, sums."""

FAILING_ATTEMPTS = 3
"""So many attempts of a type without a success are no accident."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process. `queues`: None = every queue. `gone_at`: when a lost one was heard last."""

    name: str
    state: str
    types: frozenset[str]
    queues: frozenset[str] | None = None
    busy: int = 0
    gone_at: int | None = None

    def listens(self, queue: str) -> bool:
        """Whether it takes jobs from a queue; one that drains takes none."""
        return self.state == "live" and (self.queues is None or queue in self.queues)

    def knows(self, type_: str) -> bool:
        """Whether it can run a type."""
        return self.state == "live" and type_ in self.types


@dataclass(frozen=True, slots=True)
class Waiting:
    """The enqueued jobs of one queue and type. `capped`: at least so many."""

    queue: str
    type: str
    jobs: int
    since: int
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Paused:
    """A queue that is paused, with how many jobs wait in it."""

    queue: str
    since: int
    by: str | None = None
    reason: str | None = None
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the attempts of a type ended lately. `failing`: those since `since`, none of which succeeded."""

    type: str
    succeeded: int = 0
    failed: int = 0
    failing: int = 0
    since: int | None = None

    @property
    def fails_always(self) -> bool:
        """Whether no attempt succeeds any more."""
        return self.failing >= FAILING_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The failed jobs of a type; `at` and `error`: when and by what the newest of them failed. `recovered`: an attempt of
    the type has succeeded since. `capped`: at least so many."""

    type: str
    jobs: int
    at: int | None = None
    error: str | None = None
    recovered: bool = False
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the judgement is made from. `led_until`: end of the newest lease of a scheduler. `errors`: the newest error of a
    type that fails always."""

    now: int
    workers: Sequence[Worker] = ()
    waiting: Sequence[Waiting] = ()
    paused: Sequence[Paused] = ()
    outcomes: Sequence[Outcome] = ()
    exhausted: Sequence[Exhausted] = ()
    enqueued: int = 0
    scheduled: int = 0
    next_due: int | None = None
    has_scheduler: bool = True
    led_until: int | None = None
    errors: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def live(self) -> list[Worker]:
        """The workers that take jobs."""
        return [worker for worker in self.workers if worker.state == "live"]
