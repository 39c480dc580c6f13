"""Compiles a search to the index entries that PostgreSQL reads, in one statement for all pieces."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from psycopg.pq import TransactionStatus

from holdfast.core.records import JobRecord
from holdfast.core.states import State
from holdfast.storage import server_search
from holdfast.storage.page_query import FIRST, Row
from holdfast.storage.postgres.compiler import PostgresCompiler
from holdfast.storage.postgres.connection import Connection, run
from holdfast.storage.search import Sql, after_prefix
from holdfast.storage.server_search import Lane, Piece, Window

JOB_COLUMNS: Final = ", ".join(f"jobs.{name}" for name in JobRecord._fields)
NEWEST: Final = 256
"""When so many of the newest jobs all fit a prefix of the id, it is not worth looking for the bounds of what fits."""

LANES: Final = """
SELECT lanes.id, lanes.queue, lanes.type, kept.state, kept.n::bigint
FROM (SELECT lane, state, sum(n) AS n FROM counts GROUP BY lane, state HAVING sum(n) > 0) AS kept
JOIN lanes ON lanes.id = kept.lane
"""

# What the server knows of a piece or a window is a guess, and a wrong one makes it read whole tables: entries are to be read
# in the order of their index, and rows are brought to them one by one.
_SETTINGS: Final = "SET LOCAL plan_cache_mode = force_custom_plan;" + "".join(
    f"SET LOCAL enable_{way} = off;" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
)


@dataclass(frozen=True, slots=True)
class _Family:
    """Pieces of one kind: where their entries are, and which of them belong to `key.a` and `key.b`."""

    table: str
    seq: str
    belongs: str
    types: tuple[str, ...]


def _range(table: str, seq: str, column: str) -> _Family:
    """A piece that has to be sorted; fenced in, so that it is not looked for in the index that is in order and has all."""
    found = f"SELECT {seq} AS seq FROM {table} WHERE {column} >= key.a AND {column} < key.b OFFSET 0"
    return _Family(f"({found}) AS found", "found.seq", "TRUE", ("text", "text"))


_FAMILIES: Final = {
    "all": _Family("runs", "runs.seq", "TRUE", ()),
    "lane": _Family("runs", "runs.seq", "runs.state = key.a AND runs.lane = key.b", ("text", "integer")),
    "owner": _Family("specs", "specs.seq", "specs.owner = key.a", ("text",)),
    "tag": _Family("job_tags", "job_tags.job", "job_tags.tag = key.a", ("text",)),
    "id": _Family("specs", "specs.seq", "specs.id = key.a", ("text",)),
    "owners": _range("specs", "specs.seq", "specs.owner"),
    "tags": _range("job_tags", "job_tags.job", "job_tags.tag"),
    "ids": _range("specs", "specs.seq", "specs.id"),
}


class PostgresSnapshot(server_search.Snapshot):
    """The jobs as one transaction sees them."""

    compiler = PostgresCompiler()

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._known: list[Lane] | None = None

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(sql.encode(), values).fetchall()

    def lanes(self) -> Sequence[Lane]:
        if self._known is None:
            self._known = [Lane._make(row) for row in self._rows(LANES)]
        return self._known

    def heads(self, pieces: Sequence[Piece], *, down: bool, need: int) -> list[Row]:
        text, values = _heads(pieces, down, need)
        sql = f"SELECT {_once(pieces)}seq FROM ({text}) AS heads ORDER BY seq {_turn(down)} LIMIT %s"
        return self._rows(sql, (*values, need))

    def window(
        self, pieces: Sequence[Piece], condition: Sql, columns: str, *, down: bool, share: int, need: int
    ) -> Window:
        if [piece.family for piece in pieces] == ["all"]:
            return self._stretch(pieces[0], condition, columns, down, share, need)
        text, values = _heads(pieces, down, share)
        far, near, inside = ("min", "max", ">=") if down else ("max", "min", "<=")
        sql = f"""
        WITH heads (run, seq) AS MATERIALIZED ({text}), edge (seq) AS MATERIALIZED (
            SELECT {near}(last) FROM (SELECT {far}(seq) AS last FROM heads GROUP BY run HAVING count(*) >= %s) AS longer
        ), tried (seq) AS MATERIALIZED (
            SELECT {_once(pieces)}heads.seq FROM heads CROSS JOIN edge WHERE edge.seq IS NULL OR heads.seq {inside} edge.seq
        )
        SELECT edge.seq, (SELECT count(*) FROM tried), matched.* FROM edge LEFT JOIN (
            SELECT jobs.seq{columns} FROM tried JOIN {_half(f"{columns} {condition.text}")} ON jobs.seq = tried.seq
            WHERE ({condition.text}) IS TRUE ORDER BY tried.seq {_turn(down)} LIMIT %s
        ) AS matched ON TRUE
        """
        return self._window(sql, (*values, share, *condition.values, need))

    def _stretch(
        self, piece: Piece, condition: Sql, columns: str, down: bool, share: int, need: int
    ) -> Window:
        """The window of all jobs: they are read as they lie."""
        inside, open_end = (">=", piece.low) if down else ("<=", piece.high)
        sql = f"""
        WITH edge (seq) AS MATERIALIZED (SELECT (
            SELECT seq FROM runs WHERE seq > {piece.low} AND seq < {piece.high}
            ORDER BY seq {_turn(down)} LIMIT 1 OFFSET {share - 1}
        ))
        SELECT edge.seq, CASE WHEN edge.seq IS NOT NULL THEN {share} ELSE (
            SELECT count(*) FROM runs WHERE seq > {piece.low} AND seq < {piece.high}
        ) END, matched.*
        FROM edge LEFT JOIN (
            SELECT jobs.seq{columns} FROM {_half(f"{columns} {condition.text}")}
            WHERE jobs.seq > {piece.low} AND jobs.seq < {piece.high}
            AND jobs.seq {inside} coalesce((SELECT seq FROM edge), {open_end}) AND ({condition.text}) IS TRUE
            ORDER BY jobs.seq {_turn(down)} LIMIT %s
        ) AS matched ON TRUE
        """
        return self._window(sql, (*condition.values, need))

    def _window(self, sql: str, values: Sequence[Any]) -> Window:
        rows = self._rows(sql, values)
        end, looked = rows[0][:2]
        return Window([row[2:] for row in rows if row[2] is not None], looked, end)

    def entries(self, pieces: Sequence[Piece], cap: int) -> int:
        text, values = _heads(pieces, True, cap, sort=False)
        return self._rows(
            f"SELECT count(*) FROM (SELECT FROM ({text}) AS heads LIMIT %s) AS counted", (*values, cap)
        )[0][0]

    def names(self, family: Literal["owner", "tag"], prefix: str, limit: int) -> list[str]:
        table, column = ("specs", "owner") if family == "owner" else ("job_tags", "tag")
        above = after_prefix(prefix)
        bound, last = ("", ()) if above is None else (f" AND {column} < %s", (above,))
        least = f"SELECT min({column}) FROM {table} WHERE {column}"
        sql = f"""
        WITH RECURSIVE found (name) AS (
            SELECT ({least} >= %s{bound})
            UNION ALL SELECT ({least} > found.name{bound}) FROM found WHERE found.name IS NOT NULL
        ) SELECT name FROM found WHERE name IS NOT NULL LIMIT %s
        """
        return [name for (name,) in self._rows(sql, (prefix, *last, *last, limit))]

    def newest_fit(self, prefix: str) -> bool:
        sql = f"""
        SELECT coalesce(bool_and(starts_with(id, %s)), FALSE)
        FROM (SELECT id FROM specs ORDER BY seq DESC LIMIT {NEWEST}) AS newest
        """
        return self._rows(sql, (prefix,))[0][0]

    def ends(self, piece: Piece) -> tuple[int, int]:
        text, values = _heads([piece], True, None, sort=False)
        ((low, high),) = self._rows(f"SELECT min(seq), max(seq) FROM ({text}) AS heads", values)
        return low, high

    def first_since(self, at: int) -> int:
        sql = f"""
        WITH RECURSIVE halves (low, high) AS (
            SELECT min(seq), max(seq) + 1 FROM specs
            UNION ALL
            SELECT CASE WHEN middle.created_at >= %s THEN halves.low ELSE middle.seq + 1 END,
                   CASE WHEN middle.created_at >= %s THEN (halves.low + halves.high) / 2 ELSE halves.high END
            FROM halves CROSS JOIN LATERAL (
                SELECT specs.seq, specs.created_at FROM specs WHERE specs.seq >= (halves.low + halves.high) / 2
                ORDER BY specs.seq LIMIT 1
            ) AS middle WHERE halves.low < halves.high
        ) SELECT coalesce((SELECT low FROM halves WHERE low >= high), {FIRST + 1})
        """
        return self._rows(sql, (at, at))[0][0]

    def by_run_at(self, condition: Sql, after: tuple[int, int] | None, *, down: bool, need: int) -> list[Row]:
        beyond = "<" if down else ">"
        place = "TRUE" if after is None else f"(jobs.run_at, jobs.seq) {beyond} (%s, %s)"
        sql = f"""
        SELECT jobs.seq, jobs.run_at FROM jobs
        WHERE jobs.state = '{State.SCHEDULED}' AND jobs.run_at IS NOT NULL AND {place} AND ({condition.text}) IS TRUE
        ORDER BY jobs.run_at {_turn(down)}, jobs.seq {_turn(down)} LIMIT %s
        """
        return self._rows(sql, (*(after or ()), *condition.values, need))

    def jobs(self, seqs: Sequence[int]) -> list[JobRecord]:
        sql = f"SELECT {JOB_COLUMNS} FROM jobs WHERE jobs.seq = ANY(%s::bigint[])"
        found = {row[0]: JobRecord._make(row) for row in self._rows(sql, (list(seqs),))}
        return [found[seq] for seq in seqs]


@contextmanager
def snapshot(db: Connection) -> Generator[PostgresSnapshot]:
    """A snapshot on this connection, which may be in a new transaction already."""
    own = db.info.transaction_status is TransactionStatus.IDLE
    begin = (
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
        if own
        else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
    )
    run(db, begin + _SETTINGS)
    try:
        yield PostgresSnapshot(db)
    finally:
        if own and not db.closed:
            run(db, "ROLLBACK")


def _heads(pieces: Sequence[Piece], down: bool, need: int | None, *, sort: bool = True) -> Sql:
    """(run, seq) of the first `need` entries of each piece; a run is the number of a piece."""
    parts: list[str] = []
    values: list[Any] = []
    groups: dict[tuple[str, int, int], list[tuple[str | int, ...]]] = {}
    for piece in pieces:
        groups.setdefault((piece.family, piece.low, piece.high), []).append(piece.key)
    for number, ((name, low, high), keys) in enumerate(groups.items()):
        family = _FAMILIES[name]
        arrays = ", ".join(f"%s::{type_}[]" for type_ in family.types) or "'{0}'::integer[]"
        order = f" ORDER BY {family.seq} {_turn(down)}" if sort else ""
        limit = "" if need is None else " LIMIT %s"
        parts.append(f"""
        SELECT key.n + {number} * 1000000, head.seq
        FROM unnest({arrays}) WITH ORDINALITY AS key ({", ".join(("a", "b")[: len(family.types) or 1])}, n)
        CROSS JOIN LATERAL (
            SELECT {family.seq} FROM {family.table}
            WHERE {family.belongs} AND {family.seq} > %s AND {family.seq} < %s{order}{limit}
        ) AS head (seq)""")
        values += [list(column) for column in zip(*keys, strict=True)]
        values += [low, high, *([] if need is None else [need])]
    return Sql(" UNION ALL ".join(parts), tuple(values))


_COLUMN: Final = re.compile(r"\bjobs\.(\w+)")
# fmt: off
_IN_RUNS: Final = frozenset((
    "seq", "state", "token", "attempt", "max_attempts", "crashes", "changed_at", "run_at", "started_at", "finished_at",
    "expires_at", "saved_at", "requested_at", "worker", "reason", "actor", "requested", "requested_by", "requested_reason",
    "progress", "result", "error_type", "error_message", "error_traceback",
))
# fmt: on


def _half(text: str) -> str:
    """`jobs` for SQL that speaks of them: the one row of the two where that has all it asks for."""
    asked = set(_COLUMN.findall(text))
    if asked <= _IN_RUNS:
        return "runs AS jobs"
    return "jobs" if asked & (_IN_RUNS - {"seq"}) else "specs AS jobs"


_APART: Final = frozenset({"lane", "owner", "id"})
"""Families of which a job is in one piece only."""


def _once(pieces: Sequence[Piece]) -> str:
    """DISTINCT where a job may be in several pieces."""
    keys = {(piece.family, piece.key) for piece in pieces}
    families = {piece.family for piece in pieces}
    apart = len(pieces) == 1 or (len(families) == 1 and families <= _APART and len(keys) == len(pieces))
    return "" if apart else "DISTINCT "


def _turn(down: bool) -> str:
    return "DESC" if down else "ASC"
