"""This exists so that nobody above the storage asks which database it is: about 25 job verbs with written guarantees.

Rules for every backend (the kit in `holdfast.testing.conformance` checks them):

* Write verbs run on the one writing connection, inside the transaction that the gateway has opened; they commit nothing.
  A verb that raises must leave its transaction fit to be rolled back.
* Every change of a job is one guarded statement; a guard that does not match is the normal answer LOST or a Conflict.
* Each change of state or request leaves a history row and an event in the same transaction. Of a long history the first
  row and the MAX_HISTORY newest are kept: `settle` removes the others at the end of every HISTORY_CLAIMS-th claim,
  `command` and `command_all` when there are HISTORY_CLAIMS too many.
* Read verbs may be called from any thread at any time, see only committed facts, and never block a writer.
* Times are microseconds since the epoch by the store's clock (`now()`).
* A database that cannot be reached or cannot write raises StorageUnavailable; nothing of that transaction is stored.
* A transaction that was only in the way of others, or that was ended by the database for standing still, raises
  Contended, and is run again from its beginning. Locks are waited for shortly: everything of the process waits meanwhile.
* A change of a job is never told to be before the one that its history tells last, also when the clock was set back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Final, Protocol

from holdfast.core.commands import Action
from holdfast.core.errors import HoldfastError, StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob, TypeRow, WorkerRow
from holdfast.core.outcome import Report, Settlement
from holdfast.core.query import Query
from holdfast.core.records import (
    Asked,
    BucketRecord,
    Count,
    EventRecord,
    HistoryRecord,
    JobRecord,
    LeaderRecord,
    LogRecord,
    Page,
    QueueRecord,
    SavedRecord,
    Swept,
    TypeRecord,
    WorkerRecord,
)
from holdfast.core.states import DIED
from holdfast.core.whole import Key, Part, Row, Seal
from holdfast.storage.insight import Insight

LOST: Final = "lost"
"""The guard did not match: the job belongs to another attempt, has ended, or is gone. Nothing was written."""

MAX_IDS: Final = 1_000
"""So many ids a question about given jobs takes; what stands behind them is not looked at."""

MAX_N: Final = 2**63 - 1  # above the number of any console line

BULK_VERBS: Final = frozenset({"insert", "settle", "report"})
"""Verbs that take one sequence and answer in its order, so that the gateway may join the calls of many callers."""


class Contended(StorageUnavailable):
    """The database gave this transaction up for others (a deadlock, a lock held too long): rolled back, to be run again."""


class CommitUnknown(StorageUnavailable):
    """The connection was lost during a commit, so whether the call was stored is not known. The desk repeats an insert with
    the same ids for a while, which stores nothing twice."""

    def __init__(self) -> None:
        super().__init__(
            "The connection to the database was lost during a commit, so whether the call was stored is not known. "
            "Repeat it; what is enqueued again without an idempotency_key may then be there twice."
        )


class KeyPending(HoldfastError):
    """A foreign transaction that has not ended yet holds the key of a job, so whether there will be such a job is not known.
    Nothing was stored. The desk asks again later: a wait within the writing turn would keep everybody from writing."""


class Topic(StrEnum):
    """What a process may want to be woken for, once a commit has made it true."""

    WORK = "work"  # a job may be claimable, or be due earlier than known
    CONTROL = "control"  # a running job is asked for something
    EVENTS = "events"  # anything has changed


WAKES: Final[dict[str, frozenset[Topic]]] = {
    "insert": frozenset({Topic.WORK, Topic.EVENTS}),
    "settle": frozenset({Topic.EVENTS}),
    "claim": frozenset({Topic.EVENTS}),
    "report": frozenset({Topic.EVENTS}),
    "command": frozenset({Topic.WORK, Topic.CONTROL, Topic.EVENTS}),
    "command_all": frozenset({Topic.WORK, Topic.CONTROL, Topic.EVENTS}),
    "promote": frozenset({Topic.WORK, Topic.EVENTS}),
    "sweep": frozenset({Topic.WORK, Topic.EVENTS}),
    "resume_queue": frozenset({Topic.WORK, Topic.EVENTS}),
    "pause_queue": frozenset({Topic.EVENTS}),
    "register_worker": frozenset({Topic.WORK, Topic.EVENTS}),
    "retire_worker": frozenset({Topic.EVENTS}),
    "drain_worker": frozenset({Topic.CONTROL, Topic.EVENTS}),
    "resign": frozenset({Topic.CONTROL}),
}
"""Whom the commit of a verb concerns. A verb that changed nothing (its answer is empty) wakes nobody."""


class Writer(Protocol):
    """Verbs that change something; called by the gateway only, between `begin` and its commit."""

    def transaction(self, *, sealed: bool = False) -> AbstractContextManager[None]:
        """BEGIN … COMMIT around the body, ROLLBACK when it raises. Durable, at the configured level, when it returns.

        Raises StorageUnavailable with the words of the seal, and stores nothing, when the store is sealed (see `seal`),
        unless `sealed` says that this is meant."""
        ...

    def prove(self) -> None:
        """Store something that means nothing, so that the commit proves that writes are taken. No event tells of it."""
        ...

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        """Those of these jobs whose rows no other transaction has locked; all where one writer at a time is at work."""
        ...

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        """Store new jobs. A repeated id or idempotency key, or a unique key held by a live job of the same type,
        stores nothing and answers with the job that is there (`created` False)."""
        ...

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Move up to `limit` enqueued jobs of the asked queues and types to *processing* under the worker, token + 1 each.

        Order: priority (high first), then age. Jobs of paused queues stay. Answers [] for a worker that is not
        registered, drains, is taken for dead, or whose lease is over."""
        ...

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """End attempts; answers the new state of each, or LOST. A request that was accepted before is honoured first
        (`holdfast.core.outcome.answer_request`). Repeating a settlement with the same token answers LOST."""
        ...

    def report(self, reports: Sequence[Report]) -> list[str]:
        """Write progress, console lines and saved state of running attempts; answers for each what is requested of the job
        ("pause", "cancel" or ""), or LOST."""
        ...

    def command(
        self, job_id: str, action: Action, *, actor: str | None, reason: str | None
    ) -> JobRecord | None:
        """Do what a person asks (`holdfast.core.commands.decide`); answers the job as it is now, None when it was removed.

        Raises NotFound or Conflict; then nothing was changed."""
        ...

    def command_all(
        self, job_ids: Sequence[str], action: Action, *, actor: str | None, reason: str | None
    ) -> list[str | None]:
        """`command` for many, locked in order of `seq`; answers why each was refused (that hinders no other), else None."""
        ...

    def promote(self, limit: int) -> tuple[int, int | None]:
        """Enqueue up to `limit` scheduled jobs whose time has come; answers how many, and when the next one is due."""
        ...

    def sweep(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        """Requeue the jobs of workers that are dead: those named in `dead` (their process is known to have ended) and
        those whose lease has run out or whose row is gone. A requested cancel or pause is honoured; everything else is
        enqueued again, with its saved state and a reason: `why` for jobs of `dead`, else LEASE_EXPIRED. `crashes` grows
        by one up to SUSPECT: such a job then runs alone in a child process, and only the death of that child counts
        further (see `Settlement.crashed`). So a process that is killed often does not condemn the innocent jobs in it."""
        ...

    def expire(self, limit: int) -> int:
        """Remove up to `limit` ended jobs whose retention is over, with all that belongs to them, and old events."""
        ...

    def register_worker(self, worker: WorkerRow, *, lease: float) -> None:
        """Store a worker process with a lease of so many seconds."""
        ...

    def beat(self, workers: Sequence[str], *, lease: float) -> set[str]:
        """Renew the leases of these workers; answers the ids that still stand. A missing one must stop."""
        ...

    def drain_worker(self, worker: str) -> None:
        """Mark a worker as draining: it claims nothing more."""
        ...

    def retire_worker(self, worker: str) -> None:
        """Remove the row of a worker that has ended in order."""
        ...

    def publish_types(self, types: Sequence[TypeRow]) -> None:
        """Make job types known to programs that do not contain their code."""
        ...

    def pause_queue(self, name: str, *, actor: str | None, reason: str | None) -> None:
        """Stop claims from a queue. Jobs may still be added. Idempotent."""
        ...

    def resume_queue(self, name: str, *, actor: str | None) -> None:
        """Allow claims from a queue again. Idempotent."""
        ...

    def roll_up(self, limit: int) -> int:
        """Add the next events, up to `limit` numbers of the feed, to the buckets of ten seconds and to the outcomes of each
        type; answers how many numbers further it is then, 0 when all is counted."""
        ...

    def lead(self, role: str, holder: str, *, lease: float) -> int | None:
        """Lead a role for so many seconds: take it where nobody's lease stands, or renew one's own; one guarded statement,
        by the store's lease clock. Answers the term, None when another one leads.

        A new holder begins a new term, one above the last; terms begin with 1 and never go back, also after `resign`. Who
        renews keeps his term, even when his lease had run out and nobody has taken it. Repeating a call is harmless."""
        ...

    def resign(self, role: str, holder: str) -> bool:
        """Give a role back, so that the next one need not wait for the end of the lease; answers whether it was held."""
        ...

    def seal(self, seal: Seal | None) -> None:
        """Keep everybody from writing. Once this is committed, no other transaction of any process can be committed, not
        even one that began before; reading goes on. None takes the seal away. Only in a transaction with `sealed`."""
        ...

    def load(self, part: Part, rows: Sequence[Row]) -> int:
        """Store rows of another store (`Reader.dump`) as they are, in a transaction with `sealed`; answers how many were not
        there yet. A row whose key is there already is left alone, so that a repeat is harmless.

        JOBS come first: they bring their tags, and no history but what HISTORY brings. What is added later is numbered
        above all loaded keys. Loaded history is not rolled up again: BUCKETS hold it. A job that is *processing* belongs to
        a worker that is not here, so the next sweep gives it back."""
        ...


class Reader(Insight, Protocol):
    """Verbs that only look. Any thread."""

    def now(self) -> int:
        """The store's clock."""
        ...

    def job(self, job_id: str) -> JobRecord | None:
        """One job."""
        ...

    def jobs(self, ids: Sequence[str], query: Query | None = None) -> list[JobRecord]:
        """Those of the given jobs that exist (and match `query`), at most MAX_IDS, in no order. One statement."""
        ...

    def history(self, job_id: str) -> list[HistoryRecord]:
        """All committed changes of a job, oldest first."""
        ...

    def saved(self, job_id: str) -> SavedRecord | None:
        """The last saved state of a job."""
        ...

    def logs(self, job_id: str, *, after: int, limit: int, before: int | None = None) -> list[LogRecord]:
        """Console lines with n > `after` (and n < `before`), oldest first. A negative `after` -k: the last k of them."""
        ...

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        """How many console lines a job has (with n < `before`)."""
        ...

    def search(self, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
        """Jobs that match, in the order of `sort` (a key of SORTS, "-" before it = descending), by key after `cursor`.

        Raises InvalidInput for an unknown sort or a cursor that is not from this search."""
        ...

    def count(self, query: Query, *, cap: int) -> Count:
        """How many jobs match, counted up to `cap`."""
        ...

    def count_by_state(self, query: Query, *, cap: int) -> dict[str, Count]:
        """The same for each state, and for "retrying" (scheduled with reason retry), without the query's own state term."""
        ...

    def states(self) -> dict[str, int]:
        """Number of jobs in each state, all states named."""
        ...

    def queues(self) -> list[QueueRecord]:
        """Every queue that a job, a type or a pause names."""
        ...

    def workers(self) -> list[WorkerRecord]:
        """Every worker process in the order of their starts, after them the lost ones, for 24 h at least."""
        ...

    def leaders(self) -> list[LeaderRecord]:
        """Who leads what, by role; only those whose lease stands."""
        ...

    def types(self) -> list[TypeRecord]:
        """Every published job type."""
        ...

    def asked(self, workers: Sequence[str]) -> list[Asked]:
        """Requests (pause, cancel) on the jobs which these workers are processing."""
        ...

    def held(self, worker: str) -> list[tuple[int, int]]:
        """(seq, token) of every job that is processing under a worker."""
        ...

    def overdue(self, workers: Sequence[str], *, grace: float) -> list[tuple[str, str]]:
        """(worker, job id) of jobs under these workers that should have ended `grace` seconds ago, by their time limit or by
        a cancel: their process does not react. The limit of a suspect is its child's (SUSPECT)."""
        ...

    def writing(self) -> tuple[int, int] | None:
        """The process of this host that is in a writing transaction which keeps all others from writing, and a mark that
        every commit changes. None for nobody, and for backends where one writer does not stop the others."""
        ...

    def next_due(self) -> int | None:
        """When the next scheduled job is due."""
        ...

    def last_event(self) -> int:
        """The sequence number of the newest committed event, 0 for none."""
        ...

    def events(self, *, after: int, limit: int) -> list[EventRecord]:
        """Committed events with seq > `after`, in commit order. A reader that resumes from the last seq it has seen misses
        none, unless they have been removed (`oldest_event`)."""
        ...

    def oldest_event(self) -> int:
        """The sequence number of the oldest event that is still there."""
        ...

    def changed(self, *, after: int, ids: Sequence[str]) -> set[str]:
        """Which of `ids` have an event after `after`. One statement, whatever the number of events."""
        ...

    def tally(self, *, after: int) -> dict[tuple[str | None, str | None], int]:
        """Number of state events after `after` by (previous state, state). One statement."""
        ...

    def sealed(self) -> Seal | None:
        """The seal on this store."""
        ...

    def dump(self, part: Part, *, after: Key | None, limit: int) -> Sequence[Row]:
        """Up to `limit` rows of a part with a key above `after` (None: from the first), in the order of their keys, so that
        `load` can store them elsewhere. Steady only when nobody writes (`seal`)."""
        ...

    def buckets(self, *, since: int, step: int) -> list[BucketRecord]:
        """What started and ended per `step` seconds since `since`, oldest first, empty buckets left out."""
        ...


class Store(Writer, Reader, Protocol):
    """A database that keeps the facts of Holdfast."""

    scheme: str
    """What the URL begins with, for example "sqlite"."""

    def open(self) -> None:
        """Connect, bring the schema up to date, refuse what cannot be used (StorageRefused). Idempotent."""
        ...

    def close(self) -> None:
        """Close every connection. Idempotent."""
        ...

    def ping(self) -> None:
        """Raise StorageUnavailable when the database does not answer."""
        ...

    def facts(self) -> dict[str, str | int]:
        """What `holdfast doctor` tells of it: `place`, `durability`, `bytes`, and whatever else a person may ask."""
        ...
