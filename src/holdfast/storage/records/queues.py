"""Whether jobs of a queue are claimed."""

from __future__ import annotations

from typing import Final

from holdfast.storage.records.session import QUEUE, Event, WriteSession

COLUMNS: Final = ("name", "paused_at", "paused_by", "paused_reason")
RESUME: Final = "UPDATE queues SET paused_at = NULL, paused_by = NULL, paused_reason = NULL WHERE name = ?"


class QueueWriter:
    """`QueueWrites`."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        since_when = "coalesce(queues.paused_at, excluded.paused_at)"
        self._pause = session.dialect.upsert("queues", COLUMNS, key=("name",), paused_at=since_when)

    def pause_queue(self, name: str, *, actor: str | None, reason: str | None) -> None:
        now = self._session.now()
        self._session.write(self._pause, (name, now, actor, reason))
        self._session.emit(Event(now, QUEUE, state="paused", actor=actor, reason=name))

    def resume_queue(self, name: str, *, actor: str | None) -> None:
        self._session.write(RESUME, (name,))
        self._session.emit(Event(self._session.now(), QUEUE, state="open", actor=actor, reason=name))
