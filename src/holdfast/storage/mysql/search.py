"""Compiles a search to the index entries that MariaDB and MySQL read, in one statement for all pieces."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from holdfast.core.records import JobRecord
from holdfast.core.states import State
from holdfast.storage import server_search
from holdfast.storage.mysql.compiler import MysqlCompiler
from holdfast.storage.mysql.connection import Connection
from holdfast.storage.mysql.literals import listed
from holdfast.storage.mysql.statements import JOB_COLUMNS
from holdfast.storage.page_query import FIRST, Row
from holdfast.storage.search import Sql, Value, after_prefix
from holdfast.storage.server_search import Lane, Piece, Window

NEWEST: Final = 256
"""When so many of the newest jobs all fit a prefix of the id, it is not worth looking for the bounds of what fits."""
MAX_PIECES: Final = 200
"""Pieces that one statement reads; a server takes long to understand one that names thousands."""

LANES: Final = "SELECT queue, type, state, n FROM counts WHERE n > 0 ORDER BY queue, type, state"


@dataclass(frozen=True, slots=True)
class _Family:
    """Pieces of one kind: the index that has their entries, its seq, and what belongs to a piece's key."""

    source: str
    seq: str
    belongs: str


_FAMILIES: Final = {
    "all": _Family("jobs FORCE INDEX (PRIMARY)", "jobs.seq", "TRUE"),
    "lane": _Family(
        "jobs FORCE INDEX (jobs_lane)", "jobs.seq", "jobs.state = %s AND jobs.queue = %s AND jobs.type = %s"
    ),
    "owner": _Family("jobs FORCE INDEX (jobs_owner)", "jobs.seq", "jobs.owner = %s"),
    "tag": _Family("job_tags FORCE INDEX (PRIMARY)", "job_tags.job", "job_tags.tag = %s"),
    "id": _Family("jobs FORCE INDEX (jobs_id)", "jobs.seq", "jobs.id = %s"),
    "owners": _Family("jobs FORCE INDEX (jobs_owner)", "jobs.seq", "jobs.owner >= %s AND jobs.owner < %s"),
    "tags": _Family(
        "job_tags FORCE INDEX (PRIMARY)", "job_tags.job", "job_tags.tag >= %s AND job_tags.tag < %s"
    ),
    "ids": _Family("jobs FORCE INDEX (jobs_id)", "jobs.seq", "jobs.id >= %s AND jobs.id < %s"),
}


class MysqlSnapshot(server_search.Snapshot):
    """The jobs as one transaction sees them."""

    compiler = MysqlCompiler()

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._known: list[Lane] | None = None
        self._named: list[tuple[str, str]] = []

    def _rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        with self._db.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def lanes(self) -> Sequence[Lane]:
        if self._known is None:
            rows = self._rows(LANES)
            self._named = list(dict.fromkeys((queue, type_) for queue, type_, _, _ in rows))
            keys = {name: key for key, name in enumerate(self._named)}
            self._known = [
                Lane(keys[queue, type_], queue, type_, state, n) for queue, type_, state, n in rows
            ]
        return self._known

    def heads(self, pieces: Sequence[Piece], *, down: bool, need: int) -> list[Row]:
        best: list[Row] = []
        for several in _portions(pieces):
            text, values = self._heads(several, need, down=down)
            sql = f"SELECT DISTINCT seq FROM ({text}) AS heads ORDER BY seq {_turn(down)} LIMIT %s"
            best = sorted({*best, *self._rows(sql, (*values, need))}, reverse=down)[:need]
        return best

    def window(
        self, pieces: Sequence[Piece], condition: Sql, columns: str, *, down: bool, share: int, need: int
    ) -> Window:
        edge, tried = self._edge(pieces, share, down)
        if not tried:
            return Window([], 0, None)
        sql = f"""
        SELECT jobs.seq{columns} FROM jobs FORCE INDEX (PRIMARY)
        WHERE jobs.seq IN {listed(tried).replace("%", "%%")} AND ({condition.text}) IS TRUE
        ORDER BY jobs.seq {_turn(down)} LIMIT %s
        """
        return Window(self._rows(sql, (*condition.values, need)), len(tried), edge)

    def _edge(self, pieces: Sequence[Piece], share: int, down: bool) -> tuple[int | None, list[int]]:
        """As far as `share` entries of each piece reach for all of them (None: to the end), and the entries up to there."""
        found: set[int] = set()
        last: list[int] = []
        for several in _portions(pieces):
            text, values = self._heads(several, share, down=down)
            runs: dict[int, list[int]] = {}
            for run, seq in self._rows(f"SELECT run, seq FROM ({text}) AS heads", values):
                runs.setdefault(run, []).append(seq)
            found.update(seq for run in runs.values() for seq in run)
            last += [min(run) if down else max(run) for run in runs.values() if len(run) >= share]
        if not last:
            return None, sorted(found)
        edge = max(last) if down else min(last)
        return edge, sorted(seq for seq in found if (seq >= edge if down else seq <= edge))

    def entries(self, pieces: Sequence[Piece], cap: int) -> int:
        counted = 0
        for several in _portions(pieces):
            text, values = self._heads(several, cap - counted)
            sql = f"SELECT count(*) FROM (SELECT 1 FROM ({text}) AS heads LIMIT %s) AS counted"
            counted += self._rows(sql, (*values, cap - counted))[0][0]
            if counted >= cap:
                break
        return counted

    def names(self, family: Literal["owner", "tag"], prefix: str, limit: int) -> list[str]:
        table, column = ("jobs", "owner") if family == "owner" else ("job_tags", "tag")
        found: list[str] = []
        above = after_prefix(prefix)
        bound, last = ("", ()) if above is None else (f" AND {column} < %s", (above,))
        start, beyond = prefix, ">="
        while len(found) < limit:
            sql = f"SELECT min({column}) FROM {table} WHERE {column} {beyond} %s{bound}"
            [(name,)] = self._rows(sql, (start, *last))
            if name is None:
                break
            found.append(name)
            start, beyond = name, ">"
        return found

    def newest_fit(self, prefix: str) -> bool:
        sql = f"SELECT id FROM jobs FORCE INDEX (PRIMARY) ORDER BY seq DESC LIMIT {NEWEST}"
        newest = self._rows(sql)
        return bool(newest) and all(job_id.startswith(prefix) for (job_id,) in newest)

    def ends(self, piece: Piece) -> tuple[int, int]:
        text, values = self._heads([piece], None)
        [(low, high)] = self._rows(f"SELECT min(seq), max(seq) FROM ({text}) AS heads", values)
        return low, high

    def first_since(self, at: int) -> int:
        [(low, last)] = self._rows("SELECT min(seq), max(seq) FROM jobs")
        if low is None:
            return FIRST + 1
        high = last + 1
        while low < high:
            middle = (low + high) // 2
            sql = (
                "SELECT seq, created_at FROM jobs FORCE INDEX (PRIMARY) WHERE seq >= %s ORDER BY seq LIMIT 1"
            )
            [(seq, created)] = self._rows(sql, (middle,))
            low, high = (low, middle) if created >= at else (seq + 1, high)
        return low

    def by_run_at(self, condition: Sql, after: tuple[int, int] | None, *, down: bool, need: int) -> list[Row]:
        beyond = "<" if down else ">"
        place, values = "TRUE", ()
        if after is not None:
            at, seq = after
            place = f"due.at {beyond}= %s AND (due.at {beyond} %s OR due.job {beyond} %s)"
            values = (at, at, seq)
        sql = f"""
        SELECT jobs.seq, jobs.run_at FROM due FORCE INDEX (PRIMARY) STRAIGHT_JOIN jobs ON jobs.seq = due.job
        WHERE jobs.state = '{State.SCHEDULED}' AND {place} AND ({condition.text}) IS TRUE
        ORDER BY due.at {_turn(down)}, due.job {_turn(down)} LIMIT %s
        """
        return self._rows(sql, (*values, *condition.values, need))

    def jobs(self, seqs: Sequence[int]) -> list[JobRecord]:
        if not seqs:
            return []
        rows = self._rows(f"SELECT {JOB_COLUMNS} FROM jobs WHERE seq IN {listed(seqs)}")
        found = {row[0]: JobRecord._make(row) for row in rows}
        return [found[seq] for seq in seqs]

    def _heads(self, pieces: Sequence[Piece], need: int | None, *, down: bool | None = None) -> Sql:
        """(run, seq) of the first `need` entries of each piece; a run is the number of a piece. `down` None: in no order."""
        parts: list[str] = []
        values: list[Value] = []
        for number, piece in enumerate(pieces):
            family = _FAMILIES[piece.family]
            order = "" if down is None else f" ORDER BY {family.seq} {_turn(down)}"
            limit = "" if need is None else " LIMIT %s"
            parts.append(
                f"(SELECT {number} AS run, {family.seq} AS seq FROM {family.source} WHERE {family.belongs} "
                f"AND {family.seq} > %s AND {family.seq} < %s{order}{limit})"
            )
            values += [*self._key(piece), piece.low, piece.high, *(() if need is None else (need,))]
        return Sql(" UNION ALL ".join(parts), tuple(values))

    def _key(self, piece: Piece) -> tuple[str | int, ...]:
        if piece.family != "lane":
            return piece.key
        state, lane = piece.key
        assert isinstance(lane, int)  # as `lanes` numbers them
        return (state, *self._named[lane])


@contextmanager
def snapshot(db: Connection) -> Generator[MysqlSnapshot]:
    """A snapshot on this connection, in a transaction of its own."""
    with db.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield MysqlSnapshot(db)
        cursor.execute("COMMIT")


def _portions(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    """As many pieces as one statement reads."""
    for start in range(0, len(pieces), MAX_PIECES):
        yield pieces[start : start + MAX_PIECES]


def _turn(down: bool) -> str:
    return "DESC" if down else "ASC"
