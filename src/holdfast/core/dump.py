"""The rows by which all that a store holds is copied to another one.

Each row begins with its key, unique in its part; numbers that other rows refer to (a job's `seq`) are kept. What belongs to
running processes (workers, leaders, passing events) is not part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, cast

from holdfast.core.errors import InvalidInput
from holdfast.core.records import BucketRecord, JobRecord, TypeRecord
from holdfast.core.sizes import load_json


class Part(StrEnum):
    """The parts of a store, in the order in which they are copied."""

    JOBS = "jobs"
    SAVED = "saved"
    LOGS = "logs"
    HISTORY = "history"
    QUEUES = "queues"
    TYPES = "types"
    BUCKETS = "buckets"


class WholeJob(NamedTuple):
    """A job with the fields that no reader returns. Key: `job.seq`. `continues`: the next claim continues the same attempt.
    `retention`: as `holdfast.core.retention.format_retention` writes it."""

    job: JobRecord
    continues: bool
    idempotency_key: str | None
    retention: str | None
    log_lines: int


class WholeSaved(NamedTuple):
    """The saved state of the job with this seq."""

    job: int
    saved: str
    at: int
    times: int


class WholeLog(NamedTuple):
    """A console line. Key: `n`, which orders the lines of all jobs."""

    n: int
    job: int
    at: int
    level: str
    message: str
    fields: str | None
    attempt: int


class WholeHistory(NamedTuple):
    """A committed change of a job: `kind` "state" or "request". Key: `seq`, which orders the changes of all jobs."""

    seq: int
    job: int
    at: int
    kind: str
    state: str
    reason: str | None
    actor: str | None
    attempt: int
    worker: str | None


class WholeQueue(NamedTuple):
    """What was said of a queue. Key: `name`."""

    name: str
    paused_at: int | None
    paused_by: str | None
    paused_reason: str | None


Row = WholeJob | WholeSaved | WholeLog | WholeHistory | WholeQueue | TypeRecord | BucketRecord
"""A row of any part: of TYPES a TypeRecord (key: `name`), of BUCKETS a BucketRecord of ten seconds (key: `at`)."""

Key = int | str

_PLAIN = {
    Part.SAVED: WholeSaved,
    Part.LOGS: WholeLog,
    Part.HISTORY: WholeHistory,
    Part.QUEUES: WholeQueue,
    Part.TYPES: TypeRecord,
    Part.BUCKETS: BucketRecord,
}
_OF_JOB = len(JobRecord._fields)


def row_of(part: Part, values: Sequence[Any]) -> Row:
    """The row of a part from its values in the order of its fields; those of a job: JobRecord's, then WholeJob's others."""
    if part is Part.JOBS:
        continues, *rest = values[_OF_JOB:]
        return WholeJob._make((JobRecord._make(values[:_OF_JOB]), bool(continues), *rest))
    return _PLAIN[part]._make(values)


def tags_of(job: JobRecord) -> list[str] | None:
    """The tags of a job; None for none, and where what is stored cannot be read as tags."""
    try:
        value = None if job.tags is None else load_json(job.tags, what="tags")
    except InvalidInput:
        return None
    tags = cast(list[Any], value) if isinstance(value, list) else None
    return tags if tags and all(isinstance(tag, str) for tag in tags) else None


def key_of(row: Row) -> Key:
    """The key of a row in its part."""
    return row.job.seq if isinstance(row, WholeJob) else row[0]


_MOVED = "moved:"


class Seal(NamedTuple):
    """The read-only lock of a store. `copy`: the id of the copy that set it; `words`: the message for users: why, and which
    store to use instead."""

    copy: str
    words: str

    @property
    def moved(self) -> bool:
        """Whether the copy has finished and this is its source."""
        return self.copy.startswith(_MOVED)

    def left(self, words: str) -> Seal:
        """The lock of the source store once the same copy has finished."""
        return Seal(self.copy if self.moved else _MOVED + self.copy, words)

    def of_same_copy(self, other: Seal | None) -> bool:
        """Whether the same copy has set the other lock."""
        return other is not None and self.copy.removeprefix(_MOVED) == other.copy.removeprefix(_MOVED)
