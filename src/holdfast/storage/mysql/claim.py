"""Claims jobs: each worker locks the next entries of `ready` that no other has locked."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.states import State
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.connection import Row
from holdfast.storage.mysql.literals import listed, literal
from holdfast.storage.mysql.transaction import WritingSession

MAX_LANES: Final = 100
"""Lanes that are compared in one statement."""
SLOW: Final = 0.01
"""Seconds that finding the first entries of a lane may take; some hundred microseconds are usual."""
SLOW_LOOKS: Final = 5
"""So many slow looks in a row are no chance: a host that is busy makes one now and then."""
FLOOR_SECONDS: Final = 1.0
MAX_LOOKS: Final = 3
"""So often a claim looks further in a lane whose first jobs others have in hand."""
WIDER: Final = 8
"""So many times as many entries are looked at then."""


class Lane(NamedTuple):
    """The waiting jobs of one queue and type."""

    queue: str
    type: str


class Floor(NamedTuple):
    """Where the first entry of a lane was found, good until then (seconds, monotonic). `slow`: looks from the beginning that
    took long, one after the other."""

    turn: int = 0
    job: int = 0
    until: float = 0.0
    slow: int = 0


UNKNOWN: Final = Floor()


class ClaimVerbs:
    """`claim`."""

    def __init__(self, tx: WritingSession) -> None:
        self._tx = tx
        self._floors: dict[Lane, Floor] = {}

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        now = self._tx.now()
        if request.limit <= 0:
            return []
        if not self._tx.run(sql.MAY_CLAIM + sql.SHARED[self._tx.is_mariadb], request.worker, now):
            return []
        claimed: list[Claimed] = []
        lanes = self._lanes(request)
        while lanes and len(claimed) < request.limit:
            found, lanes = self._look(lanes, request.worker, request.limit - len(claimed), now)
            claimed += found
        claimed.sort(key=attrgetter("seq"))
        if len({job.priority for job in claimed}) > 1:
            claimed.sort(key=attrgetter("priority"), reverse=True)
        return claimed

    def _look(self, lanes: list[Lane], worker: str, limit: int, now: int) -> tuple[list[Claimed], list[Lane]]:
        """Up to `limit` of the best jobs, and the lanes that may have more: one that gave less than its share has none, but
        for what others have in hand."""
        shares = [(lanes[0], limit)] if len(lanes) == 1 else self._shares(lanes, limit)
        claimed: list[Claimed] = []
        exhausted: set[Lane] = set()
        for lane, share in shares:
            found = self._claim_of(lane, share, worker, now)
            claimed += found
            if len(found) < share:
                exhausted.add(lane)
        return claimed, [lane for lane in lanes if lane not in exhausted] if shares else []

    def _claim_of(self, lane: Lane, share: int, worker: str, now: int) -> list[Claimed]:
        """Up to `share` jobs of one lane. Those that somebody else is changing just now, or has locked, are passed by."""
        claimed: list[Claimed] = []
        passed: set[int] = set()
        limit = share
        for _ in range(MAX_LOOKS):
            entries = self._lock_entries(lane, limit)
            fresh = [entry for entry in entries if entry[1] not in passed]
            passed.update(seq for _, seq in fresh)
            while fresh and len(claimed) < share:
                some, fresh = fresh[: share - len(claimed)], fresh[share - len(claimed) :]
                claimed += self._claim_entries(lane, some, worker, now)
            if len(claimed) == share or len(entries) < limit:
                break
            limit *= WIDER
        return claimed

    def _lanes(self, request: ClaimRequest) -> list[Lane]:
        return [
            Lane(queue, type_)
            for queue, type_ in self._tx.run(sql.READY_LANES)
            if type_ in request.types and (not request.queues or queue in request.queues)
        ]

    def _lock_entries(self, lane: Lane, limit: int) -> Sequence[Row]:
        """The first entries of a lane that nobody else has in hand, (turn, job) of each.

        A transaction of somebody else that stays open for minutes (a dump of the database) keeps InnoDB from clearing away
        the entries of jobs that were claimed since, and every claim would walk over them. So after several slow looks it is
        noted where the first entry was found, and for a second claims begin there: what belongs before it waits so long."""
        known = self._floors.get(lane, UNKNOWN)
        if time.monotonic() < known.until:
            place = sql.LOCK_READY.format(floor=sql.FLOOR)
            bounds = (known.turn, known.job, known.turn)
            entries = self._tx.run(place, lane.queue, lane.type, *bounds, limit)
            if entries:
                turn, job = entries[0]
                self._floors[lane] = known._replace(turn=turn, job=job)
                return entries
        began = time.monotonic()
        entries = self._tx.run(sql.LOCK_READY.format(floor=""), lane.queue, lane.type, limit)
        ended = time.monotonic()
        if entries and ended - began > SLOW:
            turn, job = entries[0]
            slow = known.slow + 1
            until = ended + FLOOR_SECONDS if slow >= SLOW_LOOKS else 0.0
            self._floors[lane] = Floor(turn, job, until, slow)
        else:
            self._floors.pop(lane, None)
        return entries

    def _shares(self, lanes: list[Lane], limit: int) -> list[tuple[Lane, int]]:
        """How many of the best jobs of all lanes each lane has; no more than `limit` lanes have any."""
        while len(lanes) > MAX_LANES:
            parts = [lanes[n : n + MAX_LANES] for n in range(0, len(lanes), MAX_LANES)]
            kept = [lane for part in parts for lane, _ in self._compare(part, limit)]
            if len(kept) >= len(lanes):
                break  # each lane has one of the best: the server compares them all
            lanes = kept
        return self._compare(lanes, limit)

    def _compare(self, lanes: Sequence[Lane], limit: int) -> list[tuple[Lane, int]]:
        if not lanes:
            return []
        heads = " UNION ALL ".join(sql.HEAD.format(lane=n) for n in range(len(lanes)))
        values = [value for lane in lanes for value in (lane.queue, lane.type, limit)]
        return [
            (lanes[n], int(share))
            for n, share in self._tx.run(sql.SHARES.format(heads=heads), *values, limit)
        ]

    def _claim_entries(self, lane: Lane, entries: Sequence[Row], worker: str, now: int) -> list[Claimed]:
        """Move the jobs of these entries to *processing*, but for those that somebody else is changing just now."""
        rows = self._tx.run(sql.LOCK_ENQUEUED.format(seqs=listed([seq for _, seq in entries])))
        if not rows:
            return []
        seqs = [int(row[0]) for row in rows]
        turns: defaultdict[int, list[int]] = defaultdict(list)
        for row in rows:
            turns[-row[4]].append(row[0])
        for turn, several in turns.items():
            self._tx.write(
                sql.LEAVE_READY.format(
                    queue=literal(lane.queue), type=literal(lane.type), turn=turn, seqs=listed(several)
                )
            )
        self._tx.write(sql.CLAIM.format(worker=literal(worker), now=now, seqs=listed(seqs)))
        kept = [row[0] for row in rows if row[15] is not None]
        saved = dict(self._tx.run(sql.SAVED_OF.format(seqs=listed(kept)))) if kept else {}
        claimed = [Claimed._make((*row[:15], saved.get(row[0]))) for row in rows]
        for job, row in zip(claimed, rows, strict=True):
            about = (State.PROCESSING, State.ENQUEUED, None, None, job.attempt, worker)
            self._tx.tell_move(lane, max(now, row[16]), job.seq, *about)
        return claimed
