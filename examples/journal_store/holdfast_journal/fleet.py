"""Worker processes, leases and job types."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from holdfast.core.job import TypeRow, WorkerRow
from holdfast.core.records import TypeRecord
from holdfast_journal.journal import Draft

SECOND: Final = 1_000_000


class FleetVerbs:
    """The writing verbs about workers, types and leaders. The gateway calls them within `transaction`; `self._draft` is what
    this one has changed."""

    _draft: Draft
    now: Callable[[], int]

    def register_worker(self, worker: WorkerRow, *, lease: float) -> None:
        now = self.now()
        row = asdict(worker) | {"state": "live", "started_at": now, "heartbeat_at": now, "lost_at": None}
        row |= {"queues": json.dumps(worker.queues), "types": json.dumps(worker.types)}
        if self._draft.get("workers", worker.id) is None:  # one that was lost does not come back
            self._draft.put("workers", worker.id, row | {"deadline": now + int(lease * SECOND)})
        self._tell("worker")

    def heartbeat(self, workers: Sequence[str], *, lease: float) -> set[str]:
        now = self.now()
        rows = [self._draft.get("workers", worker) for worker in workers]
        alive = [row for row in rows if row is not None and row["state"] != "lost"]
        for row in alive:
            renewed = row | {"heartbeat_at": now, "deadline": now + int(lease * SECOND)}
            self._draft.put("workers", row["id"], renewed)
        return {row["id"] for row in alive}

    def drain_worker(self, worker: str) -> None:
        row = self._draft.get("workers", worker)
        if row is not None and row["state"] == "live":
            self._draft.put("workers", worker, row | {"state": "draining"})
            self._tell("worker")

    def retire_worker(self, worker: str) -> None:
        self._draft.put("workers", worker, None)
        self._tell("worker")

    def publish_types(self, types: Sequence[TypeRow]) -> None:
        for kind in types:
            self._draft.put("types", kind.name, TypeRecord(*kind, self.now())._asdict())

    def acquire_lease(self, role: str, holder: str, *, lease: float) -> int | None:
        now, led = self.now(), self._draft.get("leaders", role) or {"holder": None, "term": 0}
        if led["holder"] not in (None, holder) and led["deadline"] >= now:
            return None
        if led["holder"] != holder:
            led = {"role": role, "holder": holder, "term": led["term"] + 1, "since": now}
        self._draft.put("leaders", role, led | {"deadline": now + int(lease * SECOND)})
        return led["term"]

    def release_lease(self, role: str, holder: str) -> bool:
        led = self._draft.get("leaders", role)
        if led is None or led["holder"] != holder:
            return False
        self._draft.put("leaders", role, led | {"holder": None, "deadline": self.now()})
        return True

    # -- numbers and events ----------------------------------------------------------------------------------

    def _number(self, name: str) -> int:
        return (self._draft.get("meta", name) or {"value": 0})["value"]

    def _count_on(self, name: str, value: int) -> None:
        self._draft.put("meta", name, {"value": max(value, self._number(name))})

    def _next(self, name: str) -> int:
        """A number that is never given again, also after a removal."""
        self._count_on(name, self._number(name) + 1)
        return self._number(name)

    def _tell(self, kind: str, **facts: Any) -> None:
        seq = self._next("event")
        event = {"seq": seq, "at": self.now(), "kind": kind, "job": None, "state": None, "previous": None}
        self._draft.put("events", seq, event | facts)
