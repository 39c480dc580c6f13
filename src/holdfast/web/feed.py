"""The feed of committed changes for programs: resumable, and explicit about what was dropped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdfast.client.jobs import Jobs
from holdfast.client.views import JobView
from holdfast.core.errors import InvalidQuery
from holdfast.core.query import may_match
from holdfast.core.records import EventRecord
from holdfast.runtime.clock import from_us
from holdfast.web.api.search import Filter
from holdfast.web.live import Tick
from holdfast.web.stream import Message, Watcher, message

MAX_MESSAGES = 256
MAX_BYTES = 64 * 1024
SLICE = 64
"""Messages that are put into the box at once, before the writer gets its chance to empty it."""

MAX_REPLAYED = 10_000
"""Events between the one a client has seen and now; of more it is told `resync`."""

CHANGES = frozenset({"state", "request", "progress"})


class Feed(Watcher):
    """One listener of `/events` or `/ws`: `job` for each job that changed and matches, `removed`, `resync`.

    Changes of one job that come together are told once, as the job is then.
    """

    feeds = True

    def __init__(self, wanted: Filter, jobs: Jobs, last_seen: int | None) -> None:
        super().__init__()
        wanted.query(jobs)  # a search that cannot be read is refused now
        self._wanted = wanted
        self._jobs = jobs
        self._seen = last_seen
        self._floor = last_seen or 0
        self._fresh: list[tuple[str, Message]] = []
        self._replay: list[Message] = []
        self._box: dict[str, Message] = {}
        self._bytes = 0

    # -- in the hub's thread ----------------------------------------------------------------------------------------------

    def begin(self, tick: Tick) -> None:
        if self._seen is None or self._seen == tick.seq:
            return
        if tick.forgotten(self._seen):
            self._floor = 0
            self._replay = [message("resync", tick.newest, {"seq": tick.newest})]
            return
        missed = [
            e for e in tick.client.events.read(after=self._seen, limit=MAX_REPLAYED + 1) if e.seq <= tick.seq
        ]
        if len(missed) > MAX_REPLAYED:
            self._replay = [message("resync", tick.seq, {"seq": tick.seq})]
        else:
            self._replay = [told for _, told in self._messages(tick, missed)]

    def look(self, tick: Tick) -> None:
        if tick.seq > tick.after:
            told = tick.once(("feed", self._wanted), lambda: self._messages(tick, tick.events))
            self._fresh += [one for one in told if one[1].seq > self._floor]

    def _messages(self, tick: Tick, events: Iterable[EventRecord]) -> list[tuple[str, Message]]:
        last: dict[str, EventRecord] = {}
        for event in events:
            if event.job is not None and (event.kind in CHANGES or event.kind == "removed"):
                last[event.job] = event
        ids = frozenset(job for job, event in last.items() if event.kind != "removed")
        try:
            query = self._wanted.query(self._jobs)
            jobs = tick.matching(ids, self._wanted, query)
        except InvalidQuery:
            return []  # it could be read when the listener came; a time that lay in the future may not do so any more
        told: list[tuple[str, Message]] = []
        for job, event in sorted(last.items(), key=lambda item: item[1].seq):
            at = from_us(event.at).isoformat().replace("+00:00", "Z")
            if event.kind == "removed" and may_match(query.root, job, event.previous or ""):
                told.append((job, message("removed", event.seq, {"id": job, "at": at})))
            elif job in jobs:
                told.append((job, message("job", event.seq, _shown(jobs[job], at))))
        return told

    # -- on the event loop ------------------------------------------------------------------------------------------------

    def deliver(self) -> bool:
        put, self._fresh = self._fresh[:SLICE], self._fresh[SLICE:]
        for job, told in put:
            self._put(job, told)
        if not self._fresh:
            self.seq = max(self.told, self._floor)
        if put:
            self.wake()
        return bool(self._fresh)

    def _put(self, job: str, told: Message) -> None:
        old = self._box.pop(job, None)
        self._box[job] = told
        self._bytes += _size(told) - (_size(old) if old else 0)
        if len(self._box) > MAX_MESSAGES or self._bytes > MAX_BYTES:
            dropped = message("resync", told.seq, {"seq": told.seq})
            self._box = {"": dropped}
            self._bytes = _size(dropped)

    def flush(self) -> list[Message]:
        messages = [*self._replay, *self._box.values()]
        self._replay, self._box, self._bytes = [], {}, 0
        return messages


def _size(told: Message) -> int:
    return len(told.data) + 60


def _shown(job: JobView, at: str) -> dict[str, Any]:
    return {
        "id": job.id,
        "type": job.type,
        "queue": job.queue,
        "owner": job.owner,
        "tags": job.tags,
        "state": job.state,
        "reason": job.reason,
        "requested": job.requested,
        "progress": job.progress.model_dump(mode="json") if job.progress else None,
        "at": at,
    }
