"""The writes that a store can make, as values: each knows its verb, what it returns and what its commit wakes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, Final, Generic, Self, TypeVar

from holdfast.core.commands import Action
from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob, TypeRow, WorkerRow
from holdfast.core.outcome import Report, Settlement
from holdfast.core.records import JobRecord, Swept
from holdfast.core.states import DIED, State
from holdfast.storage.protocol import Writer
from holdfast.storage.topics import Topic

R = TypeVar("R")
Item = TypeVar("Item")

_NOTHING: Final = frozenset[Topic]()
_EVENTS: Final = frozenset({Topic.EVENTS})
_WORK: Final = frozenset({Topic.WORK, Topic.EVENTS})
_CONTROL: Final = frozenset({Topic.CONTROL, Topic.EVENTS})
_ALL: Final = frozenset(Topic)


class Write(ABC, Generic[R]):
    """One change of a store; `R` is what it returns."""

    __slots__ = ()

    topics: ClassVar[frozenset[Topic]] = _NOTHING
    """What its commit wakes, unless it changed nothing."""

    joins: ClassVar[bool] = False
    """Whether the gateway may join it with others of its class, see `BatchWrite`."""

    @abstractmethod
    def run(self, store: Writer) -> R:
        """Make it, inside the transaction that the gateway has opened."""

    def wakes(self, result: R) -> frozenset[Topic]:
        """What the commit wakes, after this result. An empty result means that nothing was changed."""
        return _NOTHING if result in ([], 0) else self.topics

    @property
    def seqs(self) -> frozenset[int]:
        """The jobs whose rows it is known to need, by `seq`."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class BatchWrite(Write[list[R]], Generic[Item, R]):
    """A write that returns one result for each of its items, in their order. So the gateway may join those of many callers
    into one, and hand each its part of the result."""

    joins = True
    items: Sequence[Item]

    def join(self, others: Sequence[Sequence[Item]]) -> Self:
        """One write with these items too."""
        return type(self)([*self.items, *chain.from_iterable(others)])


class Insert(BatchWrite[NewJob, Inserted]):
    """See `JobWrites.insert`."""

    __slots__ = ()
    topics = _WORK

    def run(self, store: Writer) -> list[Inserted]:
        return store.insert(self.items)


class Settle(BatchWrite[Settlement, str]):
    """See `AttemptWrites.settle`."""

    __slots__ = ()
    topics = _EVENTS

    def run(self, store: Writer) -> list[str]:
        return store.settle(self.items)

    def wakes(self, result: list[str]) -> frozenset[Topic]:
        if not result:
            return _NOTHING
        waits_again = any(item.target in (State.ENQUEUED, State.SCHEDULED) for item in self.items)
        return _WORK if waits_again else _EVENTS

    @property
    def seqs(self) -> frozenset[int]:
        return frozenset(item.seq for item in self.items)


class StoreReports(BatchWrite[Report, str]):
    """See `AttemptWrites.report`."""

    __slots__ = ()
    topics = _EVENTS

    def run(self, store: Writer) -> list[str]:
        return store.report(self.items)

    @property
    def seqs(self) -> frozenset[int]:
        return frozenset(item.seq for item in self.items)


@dataclass(frozen=True, slots=True)
class Claim(Write[list[Claimed]]):
    """See `AttemptWrites.claim`."""

    topics = _EVENTS
    request: ClaimRequest

    def run(self, store: Writer) -> list[Claimed]:
        return store.claim(self.request)


@dataclass(frozen=True, slots=True)
class Command(Write[JobRecord | None]):
    """See `JobWrites.command`."""

    topics = _ALL
    job_id: str
    action: Action
    actor: str | None = None
    reason: str | None = None

    def run(self, store: Writer) -> JobRecord | None:
        return store.command(self.job_id, self.action, actor=self.actor, reason=self.reason)


@dataclass(frozen=True, slots=True)
class CommandAll(Write[list[str | None]]):
    """See `JobWrites.command_all`."""

    topics = _ALL
    job_ids: Sequence[str]
    action: Action
    actor: str | None = None
    reason: str | None = None

    def run(self, store: Writer) -> list[str | None]:
        return store.command_all(self.job_ids, self.action, actor=self.actor, reason=self.reason)


@dataclass(frozen=True, slots=True)
class Promote(Write[tuple[int, int | None]]):
    """See `MaintenanceWrites.promote`."""

    topics = _WORK
    limit: int

    def run(self, store: Writer) -> tuple[int, int | None]:
        return store.promote(self.limit)

    def wakes(self, result: tuple[int, int | None]) -> frozenset[Topic]:
        promoted, _ = result
        return _WORK if promoted else _NOTHING


@dataclass(frozen=True, slots=True)
class Rescue(Write[list[Swept]]):
    """See `MaintenanceWrites.rescue`."""

    topics = _WORK
    dead: Sequence[str] = ()
    why: str = DIED

    def run(self, store: Writer) -> list[Swept]:
        return store.rescue(self.dead, why=self.why)


@dataclass(frozen=True, slots=True)
class Expire(Write[int]):
    """See `MaintenanceWrites.expire`."""

    limit: int

    def run(self, store: Writer) -> int:
        return store.expire(self.limit)


@dataclass(frozen=True, slots=True)
class AggregateEvents(Write[int]):
    """See `MaintenanceWrites.aggregate_events`."""

    limit: int

    def run(self, store: Writer) -> int:
        return store.aggregate_events(self.limit)


@dataclass(frozen=True, slots=True)
class Prove(Write[None]):
    """See `MaintenanceWrites.prove`."""

    def run(self, store: Writer) -> None:
        store.prove()


@dataclass(frozen=True, slots=True)
class RegisterWorker(Write[None]):
    """See `WorkerWrites.register_worker`."""

    topics = _WORK
    worker: WorkerRow
    lease: float

    def run(self, store: Writer) -> None:
        store.register_worker(self.worker, lease=self.lease)


@dataclass(frozen=True, slots=True)
class Heartbeat(Write[set[str]]):
    """See `WorkerWrites.heartbeat`."""

    workers: Sequence[str]
    lease: float

    def run(self, store: Writer) -> set[str]:
        return store.heartbeat(self.workers, lease=self.lease)


@dataclass(frozen=True, slots=True)
class DrainWorker(Write[None]):
    """See `WorkerWrites.drain_worker`."""

    topics = _CONTROL
    worker: str

    def run(self, store: Writer) -> None:
        store.drain_worker(self.worker)


@dataclass(frozen=True, slots=True)
class RetireWorker(Write[None]):
    """See `WorkerWrites.retire_worker`."""

    topics = _EVENTS
    worker: str

    def run(self, store: Writer) -> None:
        store.retire_worker(self.worker)


@dataclass(frozen=True, slots=True)
class PublishTypes(Write[None]):
    """See `WorkerWrites.publish_types`."""

    types: Sequence[TypeRow]

    def run(self, store: Writer) -> None:
        store.publish_types(self.types)


@dataclass(frozen=True, slots=True)
class PauseQueue(Write[None]):
    """See `QueueWrites.pause_queue`."""

    topics = _EVENTS
    name: str
    actor: str | None = None
    reason: str | None = None

    def run(self, store: Writer) -> None:
        store.pause_queue(self.name, actor=self.actor, reason=self.reason)


@dataclass(frozen=True, slots=True)
class ResumeQueue(Write[None]):
    """See `QueueWrites.resume_queue`."""

    topics = _WORK
    name: str
    actor: str | None = None

    def run(self, store: Writer) -> None:
        store.resume_queue(self.name, actor=self.actor)


@dataclass(frozen=True, slots=True)
class AcquireLease(Write[int | None]):
    """See `LeaseWrites.acquire_lease`."""

    role: str
    holder: str
    lease: float

    def run(self, store: Writer) -> int | None:
        return store.acquire_lease(self.role, self.holder, lease=self.lease)


@dataclass(frozen=True, slots=True)
class ReleaseLease(Write[bool]):
    """See `LeaseWrites.release_lease`."""

    topics = frozenset({Topic.CONTROL})
    role: str
    holder: str

    def run(self, store: Writer) -> bool:
        return store.release_lease(self.role, self.holder)
