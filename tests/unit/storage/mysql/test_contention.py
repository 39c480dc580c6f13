"""Many writers on one database: no error reaches anybody, and the books are right afterwards.

HOLDFAST_TEST_SECONDS asks for more than the usual two seconds.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter

import pytest

from holdfast.core.commands import Action
from holdfast.core.errors import Conflict, NotFound, StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import LogLine, Report, Settlement
from holdfast.core.states import State, Verb
from holdfast.storage.gateway import Gateway
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql.admin import MysqlCare
from holdfast.storage.writes import (
    AggregateEvents,
    Claim,
    Command,
    Expire,
    Heartbeat,
    Insert,
    Promote,
    RegisterWorker,
    Rescue,
    Settle,
    StoreReports,
)
from holdfast.testing import new_job
from holdfast.testing.factories import TYPE, worker_row

WRITERS = 8
SECONDS = float(os.environ.get("HOLDFAST_TEST_SECONDS", 2))
ENDS = (Verb.SUCCEED, Verb.SUCCEED, Verb.SUCCEED, Verb.FAIL, Verb.RETRY_LATER, Verb.RELEASE, Verb.STOP)


class Writer:
    """A process of its own, as far as the server can tell: it does everything that processes do, at random."""

    def __init__(self, store: MysqlStore, number: int, until: float) -> None:
        self.store = MysqlStore(store.address)
        self.name = f"worker-{number}"
        self.chance = random.Random(number)
        self.until = until
        self.claims: list[tuple[int, int]] = []
        self.errors: list[Exception] = []
        self.known: list[str] = []

    def run(self) -> None:
        self.store.open()
        gateway = Gateway(self.store, lambda topics: None)
        try:
            gateway.run(RegisterWorker(worker_row(self.name), lease=600.0))
            while time.monotonic() < self.until:
                self.step(gateway)
        except Exception as error:
            self.errors.append(error)
        finally:
            gateway.close()
            self.store.close()

    def step(self, gateway: Gateway) -> None:
        jobs = [
            new_job(
                queue=f"q{self.chance.randrange(3)}",
                priority=self.chance.randrange(2),
                unique_key=self.chance.choice([None, None, f"key-{self.chance.randrange(20)}"]),
                delay=self.chance.choice([None, None, None, 0.2]),
                tags=("eu",) if self.chance.random() < 0.2 else (),
            )
            for _ in range(self.chance.randrange(12))
        ]
        self.known += [answer.id for answer in gateway.run(Insert(jobs))]
        claimed: list[Claimed] = gateway.run(Claim(ClaimRequest(self.name, 10, frozenset({TYPE}))))
        self.claims += [(job.seq, job.token) for job in claimed]
        gateway.run(
            StoreReports([Report(job.seq, job.token, progress="{}", saved="{}") for job in claimed[:3]])
        )
        self.ask(gateway)
        gateway.run(Settle([self.end(job) for job in claimed]))
        gateway.run(Heartbeat([self.name], lease=600.0))
        gateway.run(self.chance.choice([Promote, Expire])(20))
        if self.chance.random() < 0.2:
            gateway.run(self.chance.choice([AggregateEvents(1000), Rescue()]))

    def ask(self, gateway: Gateway) -> None:
        for job in self.chance.sample(self.known, min(2, len(self.known))):
            with contextlib.suppress(Conflict, NotFound):  # others were faster
                gateway.run(Command(job, self.chance.choice(list(Action)), actor=None, reason=None))

    def end(self, job: Claimed) -> Settlement:
        verb = self.chance.choice(ENDS)
        now = self.store.now()
        later = now + 100_000 if verb is Verb.RETRY_LATER else None
        return Settlement(job.seq, job.token, verb, run_at=later, result="1", keep=now + 300_000)


@pytest.mark.timeout(120 + SECONDS * 2)
def test_no_error_reaches_any_of_many_writers(store: MysqlStore) -> None:
    until = time.monotonic() + SECONDS
    writers = [Writer(store, number, until) for number in range(WRITERS)]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    seen, last = Counter[int](), 0
    while any(thread.is_alive() for thread in threads):  # a reader of the feed, as the live pages are
        page = store.events(after=last, limit=500)
        seen.update(event.seq for event in page)
        last = page[-1].seq if page else last
    for thread in threads:
        thread.join(60)
    assert [error for writer in writers for error in writer.errors] == []
    claims = Counter(claim for writer in writers for claim in writer.claims)
    assert claims
    assert max(claims.values()) == 1
    while page := store.events(after=last, limit=500):
        seen.update(event.seq for event in page)
        last = page[-1].seq
    assert max(seen.values()) == 1
    assert MysqlCare(store.address).check() == []
    assert store.states()[State.PROCESSING] == 0


def test_a_report_that_the_server_refuses_costs_no_other(store: MysqlStore) -> None:
    """The name of a level that is longer than its column, in one transaction with the report of a neighbour."""
    gateway = Gateway(store, lambda topics: None)
    gateway.run(RegisterWorker(worker_row("w"), lease=600.0))
    gateway.run(Insert([new_job(), new_job()]))
    jobs = gateway.run(Claim(ClaimRequest("w", 2, frozenset({TYPE}), ())))
    levels = ["info", "l" * 25]
    with gateway._write_lock:
        good, bad = (
            gateway.submit(StoreReports([Report(job.seq, job.token, logs=(LogLine(1, level, "line"),))]))
            for job, level in zip(jobs, levels, strict=True)
        )
    assert good.result(30) == [""]
    with pytest.raises(Exception, match="level") as refused:
        bad.result(30)
    assert not isinstance(refused.value, StorageUnavailable)
    assert [line.level for line in store.logs(jobs[0].id, after=0, limit=9)] == ["info"]
    gateway.close()
