"""A job on its way into the store and to a worker, as plain values.

Times are integers: microseconds since the epoch, UTC. Arguments, results and saved states are JSON texts, kept as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from holdfast.core.retention import Retention
from holdfast.core.states import State

CRASHES_BEFORE_ISOLATION = 2
"""A job that was running so many times when a worker process died runs alone in a child process from then on."""

CRASHES_TO_QUARANTINE = 3
"""After this many crashes, the last of them alone in a child process, a job fails: it kills every process that runs it."""

PRIORITY_RANGE = range(-1000, 1001)
"""Priorities a job may have; higher runs first, 0 is the default."""


@dataclass(slots=True)
class NewJob:
    """A job that is about to be stored. The id is made by the caller before the first try, so a repeat is harmless."""

    id: str
    type: str
    args: str
    queue: str = "default"
    priority: int = 0
    run_at: int | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    unique_key: str | None = None
    idempotency_key: str | None = None
    max_attempts: int = 11
    timeout: float | None = None
    retention: Retention | None = None
    actor: str | None = None
    origin: str | None = None
    delay: float | None = None
    """Seconds from the moment of storing; resolved to `run_at` by the store's clock."""

    def first_state(self, now: int) -> tuple[State, int | None]:
        """The state in which it is stored at `now`, and its due time: *enqueued* without one, or when it has passed."""
        run_at = self.run_at if self.delay is None else now + int(self.delay * 1_000_000)
        if run_at is None or run_at <= now:
            return State.ENQUEUED, None
        return State.SCHEDULED, run_at


class Inserted(NamedTuple):
    """What became of a NewJob: its id, or that of the job which already held its key, and whether it is new."""

    id: str
    created: bool


class Claimed(NamedTuple):
    """A job claimed by a worker. Every write about it is guarded by `token`."""

    seq: int
    id: str
    type: str
    queue: str
    priority: int
    token: int
    attempt: int
    max_attempts: int
    args: str
    owner: str | None
    tags: str | None
    timeout: float | None
    crashes: int
    retention: str | None
    created_at: int
    saved: str | None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """How many jobs a worker process wants now, and of what kind.

    `queues`: names, empty = every queue. `types`: the names it can run. `worker`: its incarnation id.
    """

    worker: str
    limit: int
    types: frozenset[str]
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process as it registers itself. `id` is random for each start; the host name is only a label."""

    id: str
    host: str
    pid: int
    version: str
    queues: tuple[str, ...]
    types: tuple[str, ...]
    slots: int
    name: str = ""


class TypeRow(NamedTuple):
    """A job type as it is published for programs that do not contain its code. `schema` is JSON Schema text, `tags` a JSON
    list or None, `retention` as `holdfast.core.retention.format_retention` writes it: what a job of it begins with."""

    name: str
    queue: str
    schema: str
    doc: str
    signature: str
    executor: str
    max_attempts: int
    timeout: float | None = None
    priority: int = 0
    tags: str | None = None
    retention: str | None = None
