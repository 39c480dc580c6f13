"""Inserts jobs in an open transaction of the caller.

Three things differ from `insert` of the writer. A key that another job holds must not raise, for that would end the
caller's transaction: that job is skipped, and what was half stored is taken back. The event is stored by a deferred trigger
at the caller's commit (`runs.joined` in the schema). And a new lane is stored beforehand, in a transaction of ours: all
others would have to wait for the caller's commit to know whether there is one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

import psycopg

from holdfast.core.dump import Seal
from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.core.job import Inserted, NewJob
from holdfast.core.retention import format_retention
from holdfast.core.states import ACTIVE_STATES
from holdfast.storage.postgres.connection import translated
from holdfast.storage.postgres.drivers import Line, Steps, on, on_async
from holdfast.storage.postgres.transaction import Transactions
from holdfast.storage.postgres.writer import lane_of, lock_key

TRIES: Final = 5
"""How often a job is offered again when the one that held its key has gone in between."""

LOOK: Final = """
SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint || '/' || home.oid,
       (SELECT has_schema_privilege(place.oid, 'USAGE')
               AND bool_and(CASE kept.relkind WHEN 'S' THEN has_sequence_privilege(kept.oid, needs.what)
                                              ELSE has_table_privilege(kept.oid, needs.what) END)
        FROM pg_namespace AS place JOIN pg_class AS kept ON kept.relnamespace = place.oid
        JOIN (VALUES ('specs', 'SELECT'), ('specs', 'INSERT'), ('specs', 'DELETE'), ('runs', 'SELECT'), ('runs', 'INSERT'),
                     ('job_tags', 'INSERT'), ('events', 'INSERT'), ('counts', 'INSERT'), ('meta', 'SELECT'),
                     ('meta', 'INSERT'), ('meta', 'DELETE'), ('job_seq', 'USAGE'), ('event_seq', 'USAGE'),
                     ('event_seq', 'SELECT')
             ) AS needs (name, what) ON needs.name = kept.relname
        WHERE place.nspname = $1::text GROUP BY place.oid)
FROM pg_database AS home WHERE home.datname = current_database()
"""
"""Which server and database answers, and whether its role may store jobs in our schema; NULL: there is no such schema."""

INSERT: Final = """
WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::text::json) AS job (
        n integer, id text, type text, queue text, priority integer, args text, owner text, tags text, timeout float8,
        unique_key text, idempotency_key text, retention text, origin text, lane integer, actor text, max_attempts integer,
        lock_key text, run_at bigint, delay float8)
    WHERE NOT EXISTS (SELECT FROM {schema}.meta WHERE name = 'sealed')
), told AS MATERIALIZED (
    SELECT coalesce(nullif($2::text, '')::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS now
), due AS MATERIALIZED (
    SELECT id, CASE WHEN at > now THEN 'scheduled' ELSE 'enqueued' END AS state, CASE WHEN at > now THEN at END AS run_at
    FROM told, LATERAL (
        SELECT id, coalesce(now + trunc(delay * 1000000)::bigint, run_at) AS at FROM given) AS waits
), stored AS (
    INSERT INTO {schema}.specs (id, type, queue, priority, args, owner, tags, timeout, unique_key, idempotency_key,
                                retention, origin, created_at)
    SELECT id, type, queue, priority, args, owner, tags, timeout, unique_key, idempotency_key, retention, origin, now
    FROM given, told ORDER BY n
    ON CONFLICT DO NOTHING RETURNING seq, id
), placed AS (
    INSERT INTO {schema}.runs (seq, lane, state, actor, max_attempts, run_at, lock_key, changed_at, joined)
    SELECT seq, lane, state, actor, max_attempts, due.run_at, lock_key, now, true
    FROM stored JOIN given USING (id) JOIN due USING (id), told ORDER BY seq
    ON CONFLICT DO NOTHING RETURNING seq
), tagged AS (
    INSERT INTO {schema}.job_tags (tag, job)
    SELECT DISTINCT tag, seq FROM placed JOIN stored USING (seq) JOIN given USING (id),
                                  json_array_elements_text(given.tags::json) AS tag
), woken AS (
    SELECT pg_notify(channel, '') FROM json_array_elements_text($3::text::json) AS channel
    WHERE EXISTS (SELECT FROM placed)
)
SELECT stored.id, stored.seq::text, placed.seq IS NOT NULL, (SELECT count(*) FROM woken)
FROM stored LEFT JOIN placed USING (seq)
"""
"""$1: the jobs; $2: the time, empty = the server's; $3: channels that are told at the commit."""

TAKE_BACK: Final = """
DELETE FROM {schema}.specs WHERE seq IN (SELECT value::bigint FROM json_array_elements_text($1::text::json)) RETURNING seq
"""

FIND_SAME: Final = """
SELECT given.id, coalesce(
    (SELECT id FROM {schema}.specs WHERE specs.id = given.id),
    (SELECT id FROM {schema}.specs WHERE specs.idempotency_key = given.idempotency_key),
    (SELECT specs.id FROM {schema}.runs JOIN {schema}.specs USING (seq)
     WHERE runs.lock_key = given.lock_key AND runs.state IN ({live}))),
    (SELECT value FROM {schema}.meta WHERE name = 'sealed')
FROM json_to_recordset($1::text::json) AS given (id text, idempotency_key text, lock_key text)
"""


class JoiningVerbs:
    """`holdfast.storage.joining.Joining`. All but `make_ready` may be called from any thread."""

    def __init__(self, tx: Transactions) -> None:
        self._tx = tx
        self._home = ""
        self._known = WeakSet[Any]()
        schema = '"' + tx.connector.place.schema.replace('"', '""') + '"'
        live = ", ".join(f"'{state}'" for state in sorted(ACTIVE_STATES))
        self._insert_sql, self._take_back_sql, self._find_same_sql = (
            sql.replace("{schema}", schema).replace("{live}", live) for sql in (INSERT, TAKE_BACK, FIND_SAME)
        )

    def lanes_exist(self, jobs: Sequence[NewJob]) -> bool:
        return all(lane_of(job) in self._tx.lanes for job in jobs)

    def create_lanes(self, jobs: Sequence[NewJob]) -> None:
        self._tx.lane_ids(lane_of(job) for job in jobs)

    def insert_joined(
        self, connection: object, jobs: Sequence[NewJob], *, channels: Sequence[str] = ()
    ) -> list[Inserted]:
        return on(connection, lambda line: self._join(line, jobs, channels))

    async def insert_joined_async(
        self, connection: object, jobs: Sequence[NewJob], *, channels: Sequence[str] = ()
    ) -> list[Inserted]:
        if not self._home:
            self._home = await asyncio.to_thread(self._look)
        return await on_async(connection, lambda line: self._join(line, jobs, channels))

    def _look(self) -> str:
        """Where our own connections lead."""
        line = self._tx.connector.open(reading=True)
        try:
            found = line.db.execute(
                LOOK.replace("$1", "%s").encode(), (self._tx.connector.place.schema,)
            ).fetchone()
        except psycopg.Error as error:
            raise translated(error) from error
        finally:
            line.db.close()
        return found[0] if found else ""

    def _join(self, line: Line, jobs: Sequence[NewJob], channels: Sequence[str]) -> Steps[list[Inserted]]:
        yield from self._recognise(line)
        answers: dict[str, Inserted] = {}
        for _ in range(TRIES):
            left = [job for job in jobs if job.id not in answers]
            if not left:
                break
            yield from self._offer(left, channels, answers)
        missing = [job for job in jobs if job.id not in answers]
        if missing:
            raise StorageUnavailable(
                f"The keys of {len(missing)} jobs were given up and taken by others again and again. Repeat the call."
            )
        return [answers[job.id] for job in jobs]

    def _recognise(self, line: Line) -> Steps[None]:
        """Refuse a connection on which what we promise could not hold."""
        if line.in_transaction() and line.driver in self._known:
            return
        place = self._tx.connector.place
        ((home, allowed),) = yield LOOK, (place.schema,)
        if not line.in_transaction():
            raise ValueError(
                "tx=: the connection commits each statement by itself (autocommit), so nothing would hold the job back; "
                "begin a transaction first"
            )
        if home != self._home:
            self._home = self._look()  # the first time, or our server was started anew
        if home != self._home or allowed is None:
            raise StorageRefused(
                f"tx=: the connection leads to another database than the store of this app, {place.words}. "
                "A job must be stored in the same database as what it belongs to."
            )
        if not allowed:
            raise StorageRefused(
                f"tx=: the role of this connection may not store jobs. Grant it USAGE on the schema {place.schema}, "
                "SELECT, INSERT and DELETE on all its tables, USAGE and SELECT on all its sequences."
            )
        # a proxy of asyncpg's pool takes no weak references: it is looked at each time
        with suppress(TypeError):
            self._known.add(line.driver)

    def _offer(
        self, jobs: Sequence[NewJob], channels: Sequence[str], answers: dict[str, Inserted]
    ) -> Steps[None]:
        rows = json.dumps([self._row(n, job) for n, job in enumerate(jobs)], ensure_ascii=False)
        now = "" if self._tx.clock is None else str(self._tx.clock())
        halves: list[str] = []
        for job_id, seq, whole, _ in (yield self._insert_sql, (rows, now, json.dumps(list(channels)))):
            if whole:
                answers[job_id] = Inserted(job_id, True)
            else:
                halves.append(seq)
        if halves:
            yield self._take_back_sql, (json.dumps(halves),)
        if len(answers) == len(jobs):
            return
        keys = [
            {"id": job.id, "idempotency_key": job.idempotency_key, "lock_key": lock_key(job)}
            for job in jobs
            if job.id not in answers
        ]
        for job_id, same, seal in (yield self._find_same_sql, (json.dumps(keys, ensure_ascii=False),)):
            if seal is not None:
                raise StorageUnavailable(Seal(*json.loads(seal)).words)
            if same is not None:
                answers[job_id] = Inserted(same, False)

    def _row(self, n: int, job: NewJob) -> dict[str, Any]:
        return {
            "n": n,
            "id": job.id,
            "type": job.type,
            "queue": job.queue,
            "priority": job.priority,
            "args": job.args,
            "owner": job.owner,
            "tags": json.dumps(list(dict.fromkeys(job.tags)), ensure_ascii=False) if job.tags else None,
            "timeout": job.timeout,
            "unique_key": job.unique_key,
            "idempotency_key": job.idempotency_key,
            "retention": format_retention(job.retention),
            "origin": job.origin,
            "lane": self._tx.lanes[lane_of(job)],
            "actor": job.actor,
            "max_attempts": job.max_attempts,
            "lock_key": lock_key(job),
            "run_at": job.run_at,
            "delay": job.delay,
        }
