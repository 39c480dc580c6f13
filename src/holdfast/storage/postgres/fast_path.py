"""Makes the commonest transactions in one round trip to the server instead of three or four.

A program that only enqueues calls the function `store` of the schema: begin, insert and commit at once. A worker that
settles what has succeeded and claims more sends begin, both statements and commit one behind the other (a *pipeline*), and
reads the results after that. Everything else is done the usual way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import repeat
from operator import attrgetter
from typing import Any, TypeVar

import psycopg

from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob
from holdfast.core.outcome import Settlement
from holdfast.core.retention import format_retention
from holdfast.core.states import State, Verb
from holdfast.storage.errors import CommitUnknown, Contended
from holdfast.storage.fast_path import Channels
from holdfast.storage.postgres import statements as sql
from holdfast.storage.postgres.arrays import texts
from holdfast.storage.postgres.connection import Connection, Line, uncertain
from holdfast.storage.postgres.transaction import Transactions
from holdfast.storage.postgres.writer import JobVerbs, Look, in_order, lane_of, succeeding, tags_of
from holdfast.storage.server_clock import since_boot
from holdfast.storage.writes import Claim, Insert, Settle, Write

T = TypeVar("T")

_PIPELINES = psycopg.Pipeline.is_supported()
"""The driver may have been built with a library that is too old for them."""

_ID = attrgetter("id")
_SHARED = attrgetter(
    *("type", "queue", "priority", "owner", "tags", "timeout", "retention", "origin", "actor"),
    *("max_attempts", "run_at", "delay", "unique_key", "idempotency_key"),
)
"""All of a new job but its id and its arguments."""


class FastPath:
    """`holdfast.storage.fast_path.SingleRoundTrip`."""

    def __init__(self, tx: Transactions, jobs: JobVerbs) -> None:
        self._tx = tx
        self._jobs = jobs

    def execute(self, writes: Sequence[Write[Any]], channels: Channels = tuple) -> list[Any] | None:
        line = self._tx.line
        # behind a pooler settings have to come along, and each statement may meet another session
        if line is None or line.local or not line.usable or self._tx.process != os.getpid():
            return None
        match writes:
            case [Insert(jobs)]:
                return self._store_directly(line, jobs, channels)
            case [Settle(settlements), *claims]:
                pass
            case [*claims]:
                settlements = None
        requests = [claim.request for claim in claims if isinstance(claim, Claim)]
        if len(requests) < len(claims):
            return None
        return self._exchange(line, settlements, requests)

    def _in_one_go(self, send: Callable[[], T]) -> T | None:
        """What `send` answers, committed; None when nothing was done. Raises CommitUnknown and Contended."""
        try:
            return send()
        except psycopg.Error as error:
            told = uncertain(error)
            self._tx.roll_back(error)
            if isinstance(told, (CommitUnknown, Contended)):
                raise told from error
            return None  # the usual way meets the same trouble, or the jobs that are stored, and tells of it
        except BaseException:  # interrupted: what became of it is not known, so neither is the connection
            self._tx.disconnect()
            raise

    def _store_directly(self, line: Line, jobs: Sequence[NewJob], channels: Channels) -> list[Any] | None:
        lane = self._tx.lanes.get(lane_of(jobs[0])) if jobs and _alike(jobs) else None
        if lane is None:
            return None
        job = jobs[0]
        given: dict[str, Any] = {
            "ids": texts([job.id for job in jobs]),
            "arguments": texts([job.args for job in jobs]),
            "type": job.type,
            "queue": job.queue,
            "priority": job.priority,
            "owner": job.owner,
            "tags": tags_of(job),
            "timeout": job.timeout,
            "retention": format_retention(job.retention),
            "origin": job.origin,
            "actor": job.actor,
            "max_attempts": job.max_attempts,
            "run_at": job.run_at,
            "delay": job.delay,
            "lane": lane,
            "told": None if self._tx.clock is None else self._tx.clock(),
            "channels": texts(channels()),
        }
        asked = since_boot()
        stored = self._in_one_go(lambda: line.db.execute(sql.STORE_DIRECTLY, given).fetchone())
        if stored is None:
            return None
        if self._tx.clock is None:
            self._tx.server_clock.set(stored[0], asked)
        return [list(map(Inserted, map(_ID, jobs), repeat(True)))]

    def _exchange(
        self, line: Line, settlements: Sequence[Settlement] | None, requests: Sequence[ClaimRequest]
    ) -> list[Any] | None:
        """Settlements, if any, and then claims."""
        if self._tx.server_clock.stale or not _PIPELINES or not all(map(_ended_well, settlements or ())):
            return None
        self._tx.time = self._tx.server_clock() if self._tx.clock is None else self._tx.clock()
        began = time.perf_counter()
        looks = [Look(request, self._jobs.floors.begin(), self._tx.time) for request in requests]
        done = self._in_one_go(lambda: self._send(line.db, settlements or (), looks))
        if done is None:
            return None
        ended, claimed = done
        # all is committed; a connection that breaks now is the next call's trouble
        with suppress(psycopg.Error):
            for look in looks:
                self._jobs.floors.learn(look.floors, look.heads, time.perf_counter() - began)
        results: list[Any] = [] if settlements is None else [self._settled(settlements, ended)]
        for request, look, jobs in zip(requests, looks, claimed, strict=True):
            missing = request.limit - len(jobs)
            if look.further(len(jobs)):
                with self._tx.transaction():
                    jobs += self._jobs.claim(
                        ClaimRequest(request.worker, missing, request.types, request.queues)
                    )
            results.append(in_order(jobs))
        return results

    def _send(
        self, db: Connection, settlements: Sequence[Settlement], looks: Sequence[Look]
    ) -> tuple[set[tuple[int, int]], list[list[Claimed]]]:
        """The attempts that were ended, and what each look has claimed."""
        with db.pipeline():
            db.execute("BEGIN", prepare=False)
            db.execute(sql.OPEN, (self._tx.seal_lock,))
            ended = [db.execute(sql.SUCCEED, succeeding(settlements, self._tx.time))] if settlements else []
            claimed = [db.execute(sql.CLAIM, look.parameters(0)) for look in looks]
            db.execute("COMMIT", prepare=False)
        return (
            {(seq, token) for cursor in ended for seq, token in cursor},
            [look.read(cursor.fetchall()) for look, cursor in zip(looks, claimed, strict=True)],
        )

    def _settled(self, settlements: Sequence[Settlement], ended: set[tuple[int, int]]) -> list[str]:
        """The answers to settlements. What was not ended is lost, or is asked for something, which only the usual way
        knows to answer."""
        if len(ended) == len(settlements):
            return [State.SUCCEEDED] * len(settlements)
        answers: list[str] = []
        rest: list[Settlement] = []
        for s in settlements:
            known = (s.seq, s.token) in ended
            ended.discard((s.seq, s.token))  # told once: a second settlement of the attempt is a repeat
            answers.append(State.SUCCEEDED if known else "")
            rest += [] if known else [s]
        with self._tx.transaction():
            late = iter(self._jobs.settle(rest))
        return [answer or next(late) for answer in answers]


def _alike(jobs: Sequence[NewJob]) -> bool:
    """Whether they have everything in common but id and arguments, and no keys, which somebody else may have."""
    first = jobs[0]
    if first.unique_key is not None or first.idempotency_key is not None:
        return False
    return len(jobs) == 1 or not any(map(_SHARED(first).__ne__, map(_SHARED, jobs)))


def _ended_well(settlement: Settlement) -> bool:
    return settlement.verb is Verb.SUCCEED and settlement.report is None
