"""Rows for the tests of searches, put into a real file, and what the plain reading of a search finds among them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from holdfast.core.query import Candidate, Node, Query, parse
from holdfast.core.query import matches as found_by
from holdfast.core.records import JobRecord
from holdfast.core.states import State
from holdfast.storage.sqlite import SqliteStore

NOW = datetime(2026, 11, 19, 16, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


SECOND = 1_000_000
NAMES = (
    "mail",
    "mail.send",
    "Mail",
    "a%b",
    "a_b",
    "axb",
    "a*b",
    "a?b",
    "a[b]",
    "a]b",
    "x'y",
    'x"y',
    "x\\y",
    "ä",
    "Äx",
    "ÉTÉ",
    "été",
)
ODD = (
    "😀",
    "\U0010ffff",
    "\ud7ff",
    "\ue000",
    "line\nbreak",
    "null",
    "me",
    "-x",
    "a,b",
    "(a)",
    "OR",
    "x:y",
    "%",
    "_",
    "*",
    "[",
    ";--",
)
TEXTS = NAMES + ODD
CLASSES = (*TEXTS, *(f"shop.errors.{text}" for text in TEXTS))
KEYS = ("n", "a.b", "a b", 'q"q', "b\\s", "ä", "", "0", "#", "$", "[0]")

NUMBERS = (-1, 0, 1, 2, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, 1e10, 1e-7, -0.0, 1e300)


def us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def ask(text: str) -> Query:
    return parse(text, now=NOW, me="ann")


@dataclass
class Job:
    """One row, with its tags and the times at which it became claimable again."""

    id: str
    type: str = "mail"
    queue: str = "default"
    state: str = "enqueued"
    reason: str | None = None
    actor: str | None = None
    requested: str | None = None
    requested_by: str | None = None
    priority: int = 0
    args: Any = field(default_factory=dict[str, Any])
    owner: str | None = None
    tags: tuple[str, ...] = ()
    progress: dict[str, float] | None = None
    error_type: str | None = None
    error_message: str | None = None
    attempt: int = 0
    worker: str | None = None
    unique_key: str | None = None
    created_at: int = us(NOW)
    run_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    enqueued_again: tuple[int, ...] = ()

    @property
    def wait(self) -> int | None:
        times = [self.created_at] if self.state == "enqueued" else []
        before = [
            at
            for at in (*times, *self.enqueued_again)
            if self.started_at is not None and at <= self.started_at
        ]
        return self.started_at - max(before) if self.started_at is not None and before else None


PLAIN = (
    *(
        "id",
        "type",
        "queue",
        "state",
        "reason",
        "actor",
        "requested",
        "requested_by",
        "priority",
        "owner",
        "error_type",
    ),
    *(
        "error_message",
        "attempt",
        "worker",
        "unique_key",
        "created_at",
        "run_at",
        "started_at",
        "finished_at",
    ),
)
INSERT = f"""
INSERT INTO jobs ({", ".join(PLAIN)}, args, tags, progress, changed_at, max_attempts)
VALUES ({", ".join("?" * len(PLAIN))}, ?, ?, ?, 0, 11) RETURNING seq
"""


def connect(folder: Path) -> apsw.Connection:
    """A connection to a new store."""
    store = SqliteStore(folder / "jobs.db", durability="normal")
    store.open()
    store.close()
    return apsw.Connection(str(folder / "jobs.db"))


def put(db: apsw.Connection, jobs: Iterable[Job]) -> list[int]:
    """Store the jobs as they are; returns their seqs."""
    seqs: list[int] = []
    with db:
        for job in jobs:
            plain = [getattr(job, name) for name in PLAIN]
            ((seq,),) = db.execute(INSERT, (*plain, *texts(job).values()))
            db.executemany("INSERT INTO job_tags (tag, job) VALUES (?, ?)", [(tag, seq) for tag in job.tags])
            again = [(at, seq) for at in job.enqueued_again]
            db.executemany("INSERT INTO events (at, kind, job, state) VALUES (?, 0, ?, 'enqueued')", again)
            seqs.append(seq)
    return seqs


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Maker(random.Random):
    """Rows from a seed: drawing each value by itself would take most of the time of the test."""

    def maybe(self, values: Sequence[Any]) -> Any:
        return self.choice(values) if self.random() < 0.7 else None

    def at(self) -> int:
        return us(NOW) + self.randint(-40, 40) * 60 * SECOND

    def when(self) -> int | None:
        return self.at() if self.random() < 0.7 else None

    def value(self, depth: int) -> Any:
        kind = self.random()
        if depth and kind < 0.2:
            return [self.value(depth - 1) for _ in range(self.randint(0, 2))]
        if depth and kind < 0.4:
            return self.mapping(depth - 1)
        return self.choice((*NUMBERS, True, False, None, *self.sample(TEXTS, 12)))

    def mapping(self, depth: int) -> dict[str, Any]:
        return {self.choice(KEYS): self.value(depth) for _ in range(self.randint(0, 3))}

    def job(self, n: int) -> Job:
        return Job(
            id=f"{self.choice(('01J8', '01j9', 'a%', 'ä', '😀'))}-{n}",
            type=self.choice(TEXTS),
            queue=self.choice(TEXTS),
            state=self.choice([state.value for state in State]),
            reason=self.maybe(("retry", "deploy", "x'y")),
            actor=self.maybe(TEXTS),
            requested=self.maybe(("pause", "cancel")),
            requested_by=self.maybe(TEXTS),
            priority=self.randint(-2, 2),
            args=self.mapping(2),
            owner=self.maybe(TEXTS),
            tags=tuple(self.sample(TEXTS, self.randint(0, 3))),
            progress=self.maybe(({"done": 1, "total": 2}, {"done": 7.0, "total": 0}, {"done": 3})),
            error_type=self.maybe(CLASSES),
            error_message=f"{self.choice(TEXTS)} {self.choice(TEXTS)}" if self.random() < 0.7 else None,
            attempt=self.randint(0, 3),
            worker=self.maybe(TEXTS),
            unique_key=self.maybe((f"k{n}", f"a%{n}")),
            # In the order of seq, but for a clock that was set back by less than is allowed for.
            created_at=us(NOW) + (3 * n - 30 + self.randint(-4, 4)) * 60 * SECOND,
            run_at=self.when(),
            started_at=self.when(),
            finished_at=self.when(),
            enqueued_again=tuple(self.at() for _ in range(self.randint(0, 2))),
        )


def make(seed: int, number: int) -> list[Job]:
    maker = Maker(seed)
    return [maker.job(n) for n in range(number)]


# -- what a node means, read plainly ----------------------------------------------------------------------------------------


def matches(node: Node | None, job: Job) -> bool:
    """What the shipped reading of nodes says, which shares no code with the compilers it is held against."""
    plain = {name: getattr(job, name) for name in PLAIN}
    record = JobRecord(**(dict.fromkeys(JobRecord._fields) | plain | texts(job)))
    ended = None if job.wait is None or job.started_at is None else job.started_at - job.wait
    return found_by(node, Candidate(record, claimable_at=ended))


def texts(job: Job) -> dict[str, str | None]:
    """The columns that are JSON."""
    return {
        "args": compact(job.args),
        "tags": json.dumps(job.tags, ensure_ascii=False) if job.tags else None,
        "progress": None if job.progress is None else json.dumps(job.progress),
    }
