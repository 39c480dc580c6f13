"""The leader lease: one row, changed by one guarded statement."""

from __future__ import annotations

from holdfast.storage.postgres.transaction import Transactions

LEAD = """
INSERT INTO leaders AS held (role, holder, term, since, deadline)
VALUES (%(role)s, %(holder)s, 1, %(now)s, %(deadline)s)
ON CONFLICT (role) DO UPDATE SET
    term = held.term + CASE WHEN held.holder IS DISTINCT FROM excluded.holder THEN 1 ELSE 0 END,
    since = CASE WHEN held.holder IS DISTINCT FROM excluded.holder THEN excluded.since ELSE held.since END,
    holder = excluded.holder, deadline = excluded.deadline
WHERE held.holder IS NULL OR held.holder = excluded.holder OR held.deadline < %(now)s
RETURNING term
"""
RESIGN = "UPDATE leaders SET holder = NULL, deadline = %s WHERE role = %s AND holder = %s RETURNING term"
LEADERS = (
    "SELECT role, holder, term, since FROM leaders WHERE holder IS NOT NULL AND deadline >= %s ORDER BY role"
)


class LeaseVerbs(Transactions):
    """The verbs of the leader lease, a part of `PostgresWriter`."""

    def acquire_lease(self, role: str, holder: str, *, lease: float) -> int | None:
        now = self._time
        asked = {"role": role, "holder": holder, "now": now, "deadline": now + int(lease * 1_000_000)}
        taken = self._db.execute(LEAD, asked).fetchone()
        return None if taken is None else int(taken[0])

    def release_lease(self, role: str, holder: str) -> bool:
        return self._db.execute(RESIGN, (self._time, role, holder)).fetchone() is not None
