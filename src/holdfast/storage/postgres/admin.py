"""Inspects and checks a schema without opening it as a store. Changes nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from holdfast.core.errors import Conflict, NotFound
from holdfast.storage.backends import SchemaStatus
from holdfast.storage.postgres.connection import Connection, Connector, Place, ReadingLines, run
from holdfast.storage.postgres.migrate import standing
from holdfast.storage.postgres.schema import MIGRATIONS

CHECK_MS: Final = 600_000

SIZE = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'
"""
CHECKS: Final = (
    (
        "the index {} is invalid; REINDEX it",
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
        "WHERE relnamespace = to_regnamespace(current_schema()) AND NOT indisvalid ORDER BY 1",
    ),
    (
        "job {} has no row of its state",
        "SELECT id FROM specs WHERE NOT EXISTS (SELECT FROM runs WHERE runs.seq = specs.seq) ORDER BY seq LIMIT 100",
    ),
    (
        "row {} of runs belongs to no job",
        "SELECT seq FROM runs WHERE NOT EXISTS (SELECT FROM specs WHERE specs.seq = runs.seq) ORDER BY seq LIMIT 100",
    ),
    (
        "job {} has no lane of its own",
        "SELECT specs.id FROM specs JOIN runs USING (seq) LEFT JOIN lanes ON lanes.id = runs.lane WHERE "
        "(lanes.queue, lanes.type, lanes.priority) IS DISTINCT FROM (specs.queue, specs.type, specs.priority) "
        "ORDER BY seq LIMIT 100",
    ),
    (
        "job {} is in another state than its history tells last",
        "SELECT specs.id FROM specs JOIN runs USING (seq) WHERE state IS DISTINCT FROM (SELECT events.state FROM events "
        "WHERE events.job = runs.seq AND events.kind < 2 AND events.kind = 0 ORDER BY events.seq DESC LIMIT 1) "
        "ORDER BY seq LIMIT 100",
    ),
    (
        "jobs are counted wrongly: {}",
        "SELECT concat_ws(' ', queue, type, state, counted, 'for', there) FROM "
        "(SELECT lane, state, sum(n) AS counted FROM counts GROUP BY 1, 2) AS kept "
        "FULL JOIN (SELECT lane, state, count(*) AS there FROM runs GROUP BY 1, 2) AS real USING (lane, state) "
        "LEFT JOIN lanes ON lanes.id = lane "
        "WHERE coalesce(counted, 0) <> coalesce(there, 0) ORDER BY 1 LIMIT 100",
    ),
)
"""What may be wrong, with the statement that finds it; each reads whole tables."""


class PostgresCare:
    """Care for the schema at `place`."""

    def __init__(self, place: Place) -> None:
        self.place = place.words
        self._lines = ReadingLines(Connector(place, "full"))

    def status(self) -> SchemaStatus:
        """Where the schema stands. Raises StorageUnavailable when the server does not answer."""
        names = tuple(name for name, _ in MIGRATIONS)
        with self._reading() as db:
            done, needs = standing(db)
            size = db.execute(SIZE).fetchone()
        bytes_ = size[0] if size and done else 0
        return SchemaStatus(self.place, done > 0, done, len(MIGRATIONS), names[done:], bytes_, needs)

    def check(self) -> list[str]:
        """What is wrong with indexes and rows, a line each; [] = sound. Raises NotFound without a schema."""
        with self._reading() as db:
            if not standing(db).applied:
                raise NotFound(f"There is no Holdfast at {self.place}; holdfast db migrate makes it.")
            with db.transaction():
                run(db, f"SET LOCAL statement_timeout = {CHECK_MS}")
                return [words.format(row[0]) for words, look in CHECKS for row in run(db, look)]

    def backup(self, target: Path) -> int:
        """Always raises Conflict: a server has its own tools for that."""
        raise Conflict(
            f"{self.place} is backed up by the tools of PostgreSQL: pg_dump --format=custom --schema=… for one copy, "
            "pg_basebackup with an archive of the log for every moment."
        )

    @contextmanager
    def _reading(self) -> Generator[Connection]:
        try:
            with self._lines.reading() as db:
                yield db
        finally:
            self._lines.close()
