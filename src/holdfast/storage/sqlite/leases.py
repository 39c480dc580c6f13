"""The leader lease: one row, changed by one guarded statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import apsw

LEAD = """
INSERT INTO leaders (role, holder, term, since, boot, deadline) VALUES (?1, ?2, 1, ?3, ?4, ?6)
ON CONFLICT (role) DO UPDATE SET
    term = term + (holder IS NOT excluded.holder), since = iif(holder IS excluded.holder, since, excluded.since),
    holder = excluded.holder, boot = excluded.boot, deadline = excluded.deadline
WHERE holder IS NULL OR holder = excluded.holder OR boot <> excluded.boot OR deadline < ?5
RETURNING term
"""
RESIGN = "UPDATE leaders SET holder = NULL, deadline = ?3 WHERE role = ?1 AND holder = ?2 RETURNING term"
LEADERS = """
SELECT role, holder, term, since FROM leaders WHERE holder IS NOT NULL AND boot = ?1 AND deadline >= ?2 ORDER BY role
"""


class LeaseVerbs:
    """The verbs of the leader lease, a part of `SqliteWriter`."""

    _db: apsw.Connection
    _now: Callable[[], int]
    _lease_now: Callable[[], int]
    _boot: str

    def acquire_lease(self, role: str, holder: str, *, lease: float) -> int | None:
        now = self._lease_now()
        asked = (role, holder, self._now(), self._boot, now, now + int(lease * 1_000_000))
        taken = self._db.execute(LEAD, asked).fetchall()
        return cast(int, taken[0][0]) if taken else None

    def release_lease(self, role: str, holder: str) -> bool:
        return bool(self._db.execute(RESIGN, (role, holder, self._lease_now())).fetchall())
