"""Makes rows with plain values for everything that a test does not name."""

from __future__ import annotations

from typing import Any

from holdfast.core.job import NewJob, TypeRow, WorkerRow
from holdfast.runtime.clock import new_id

TYPE = "noop"
"""The job type of everything that is made here without another one."""


def new_job(**fields: Any) -> NewJob:
    """A job to be stored, with a new id unless one is given."""
    plain: dict[str, Any] = {"id": new_id(), "type": TYPE, "args": "{}"}
    return NewJob(**(plain | fields))


def worker_row(worker: str, **fields: Any) -> WorkerRow:
    """A worker process as it registers itself, under the incarnation id `worker`."""
    plain: dict[str, Any] = {
        "id": worker,
        "host": "here",
        "pid": 4711,
        "version": "1",
        "queues": (),
        "types": (TYPE,),
        "slots": 10,
    }
    return WorkerRow(**(plain | fields))


def type_row(name: str = TYPE, **fields: Any) -> TypeRow:
    """A published job type without arguments."""
    plain: dict[str, Any] = {
        "name": name,
        "queue": "default",
        "schema": '{"type":"object"}',
        "doc": "",
        "signature": "()",
        "executor": "loop",
        "max_attempts": 11,
    }
    return TypeRow(**(plain | fields))
