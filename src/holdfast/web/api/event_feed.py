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
from holdfast.web.live.tick import Tick
from holdfast.web.live.watcher import Message, Watcher, message

MAX_MESSAGES = 256
MAX_BYTES = 64 * 1024
SLICE = 64
"""Messages that are put into the outbox at once, before the connection can empty it."""

MAX_REPLAYED = 10_000
"""Events between the one a client has seen and now; when there are more, the client receives `resync`."""

CHANGES = frozenset({"state", "request", "progress"})


class EventFeed(Watcher):
    """One client of `/events` or `/ws`: `job` for each job that changed and matches, `removed`, `resync`.

    Changes of one job that come together are sent once, with the job as it is then.
    """

    needs_events = True

    def __init__(self, filter: Filter, jobs: Jobs, last_seen: int | None) -> None:
        super().__init__()
        filter.query(jobs)  # an invalid search is refused now
        self._filter = filter
        self._jobs = jobs
        self._last_seen = last_seen
        self._sent_before = last_seen or 0
        self._fresh: list[tuple[str, Message]] = []
        self._replay: list[Message] = []
        self._outbox: dict[str, Message] = {}
        self._bytes = 0

    # -- in the hub's thread ----------------------------------------------------------------------------------------------

    def start(self, tick: Tick) -> None:
        if self._last_seen is None or self._last_seen == tick.seq:
            return
        if tick.is_incomplete_after(self._last_seen):
            self._sent_before = 0
            self._replay = [message("resync", tick.newest, {"seq": tick.newest})]
            return
        missed = [
            event
            for event in tick.client.events.read(after=self._last_seen, limit=MAX_REPLAYED + 1)
            if event.seq <= tick.seq
        ]
        if len(missed) > MAX_REPLAYED:
            self._replay = [message("resync", tick.seq, {"seq": tick.seq})]
        else:
            self._replay = [one for _, one in self._messages(tick, missed)]

    def update(self, tick: Tick) -> None:
        if tick.seq > tick.after:
            made = tick.once(("feed", self._filter), lambda: self._messages(tick, tick.events))
            self._fresh += [(job, one) for job, one in made if one.seq > self._sent_before]

    def _messages(self, tick: Tick, events: Iterable[EventRecord]) -> list[tuple[str, Message]]:
        last: dict[str, EventRecord] = {}
        for event in events:
            if event.job is not None and (event.kind in CHANGES or event.kind == "removed"):
                last[event.job] = event
        ids = frozenset(job for job, event in last.items() if event.kind != "removed")
        try:
            query = self._filter.query(self._jobs)
            jobs = tick.matching(ids, self._filter, query)
        except InvalidQuery:
            return []  # it was valid when the client connected; a time that was in the future then may be invalid now
        made: list[tuple[str, Message]] = []
        for job, event in sorted(last.items(), key=lambda item: item[1].seq):
            at = from_us(event.at).isoformat().replace("+00:00", "Z")
            if event.kind == "removed" and may_match(query.root, job, event.previous or ""):
                made.append((job, message("removed", event.seq, {"id": job, "at": at})))
            elif job in jobs:
                made.append((job, message("job", event.seq, _job_data(jobs[job], at))))
        return made

    # -- on the event loop ------------------------------------------------------------------------------------------------

    def deliver(self) -> bool:
        put, self._fresh = self._fresh[:SLICE], self._fresh[SLICE:]
        for job, one in put:
            self._put(job, one)
        if not self._fresh:
            self.seq = max(self.taken, self._sent_before)
        if put:
            self.wake()
        return bool(self._fresh)

    def _put(self, job: str, one: Message) -> None:
        old = self._outbox.pop(job, None)
        self._outbox[job] = one
        self._bytes += _size(one) - (_size(old) if old else 0)
        if len(self._outbox) > MAX_MESSAGES or self._bytes > MAX_BYTES:
            dropped = message("resync", one.seq, {"seq": one.seq})
            self._outbox = {"": dropped}
            self._bytes = _size(dropped)

    def flush(self) -> list[Message]:
        messages = [*self._replay, *self._outbox.values()]
        self._replay, self._outbox, self._bytes = [], {}, 0
        return messages


def _size(one: Message) -> int:
    return len(one.data) + 60


def _job_data(job: JobView, at: str) -> dict[str, Any]:
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
