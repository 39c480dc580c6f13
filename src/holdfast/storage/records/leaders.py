"""The leases by which processes lead: one row for each role, changed by one guarded statement."""

from __future__ import annotations

from typing import Final

from holdfast.core.records import LeaderRecord
from holdfast.storage.records.dialect import parameters
from holdfast.storage.records.session import ReadSession, WriteSession

IS_LED: Final = "SELECT 1 FROM leaders WHERE role = ?"
TERM: Final = "SELECT term FROM leaders WHERE role = ? AND holder = ?"


class LeaseWriter:
    """`LeaseWrites`."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        lease = session.leases
        # `holder` comes behind the columns that ask for the old one: some servers set one column after the other
        self._take = f"""
        UPDATE leaders SET term = term + CASE WHEN holder = ? THEN 0 ELSE 1 END,
                           since = CASE WHEN holder = ? THEN since ELSE ? END,
                           holder = ?, {parameters(lease.columns)}
        WHERE role = ? AND (holder IS NULL OR holder = ? OR {lease.over})
        """
        columns = ("role", "holder", "term", "since", *lease.columns)
        self._first = session.dialect.insert_missing("leaders", columns, key=("role",))
        self._release = (
            f"UPDATE leaders SET holder = NULL, {parameters(lease.columns)} WHERE role = ? AND holder = ?"
        )

    def acquire_lease(self, role: str, holder: str, *, lease: float) -> int | None:
        session, now = self._session, self._session.now()
        until = session.leases.until(lease)
        taken = (holder, holder, now, holder, *until, role, holder, *session.leases.now())
        if not session.change(self._take, taken):
            if session.rows(IS_LED, (role,)):
                return None
            session.write(self._first, (role, holder, 1, now, *until))
        term = session.rows(TERM, (role, holder))
        return int(term[0][0]) if term else None

    def release_lease(self, role: str, holder: str) -> bool:
        return self._session.change(self._release, (*self._session.leases.now(), role, holder)) > 0


class LeaseReader:
    """`LeaseReads`."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        lease = session.leases
        self._leaders = f"""
        SELECT role, holder, term, since FROM leaders WHERE holder IS NOT NULL AND NOT ({lease.over}) ORDER BY role
        """
        self._led_until = f"SELECT {', '.join(lease.columns)} FROM leaders WHERE role = ?"

    def leaders(self) -> list[LeaderRecord]:
        session = self._session
        return [LeaderRecord._make(row) for row in session.rows(self._leaders, session.leases.now())]

    def led_until(self, role: str) -> int | None:
        rows = self._session.rows(self._led_until, (role,))
        return self._session.leases.ended_at(rows[0]) if rows else None
