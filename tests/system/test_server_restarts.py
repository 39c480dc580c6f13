"""A PostgreSQL that crashes and comes back under load, again and again: nothing is lost, and work continues by itself."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from holdfast.client.options import JobOptions
from holdfast.core.errors import StorageUnavailable
from holdfast.storage.writes import RetireWorker
from tests.servers.postgres import Cluster, cluster
from tests.system.chaos import CHAOS, LIMIT, SEED, WITHIN, size, tell
from tests.system.fleet import Fleet, until
from tests.system.histories import check_history, check_items, interruptions

ROUNDS = size(3, 20)
ITEMS = 5
OUTAGE = 4.0
"""Seconds for which the server of the longest outage is gone."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(LIMIT)]


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster(fsync=True) as made:
        yield made


class Enqueuer:
    """A program that adds jobs all the time. A call that failed it repeats with the same id until it is confirmed."""

    def __init__(self, fleet: Fleet, kind: str = "items_loop", pause: float = 0.03) -> None:
        self.confirmed: list[str] = []
        self.repeated = 0
        self.found = 0
        """Repetitions whose first call had been stored: its response was lost."""
        self._client = fleet.parts.client
        self._kind = kind
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(120)
        assert not self._thread.is_alive(), "a call has not come back"

    def enqueue(self, kind: str, args: dict[str, object], *, priority: int = 0) -> str:
        """Store one job, however often it takes. Returns its id."""
        job = self._client.jobs.new_job(kind, args, JobOptions(priority=priority).checked())
        tries = 0
        while True:
            try:
                [handle] = self._client.jobs.insert([job])
            except StorageUnavailable:
                tries += 1
                time.sleep(0.1)
                continue
            assert handle.id == job.id
            self.repeated += bool(tries)
            self.found += not handle.created
            assert handle.created or tries, "a job was there before it was enqueued"
            self.confirmed.append(job.id)
            return job.id

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            self.enqueue(self._kind, {"n": ITEMS, "pause": 0.05})


def judge(fleet: Fleet, ids: list[str], *, within: float = 120.0) -> int:
    """Every job that was confirmed has ended once, with every item; no other is there. Returns how many runs were cut."""
    assert len(set(ids)) == len(ids)
    handles = [until(lambda job=job: fleet.app.handle(job), "the job is there") for job in ids]
    cut = 0
    for record in fleet.ended(handles, within=within):
        history = fleet.history(record.id)
        check_history(record, history)
        assert (record.state, record.attempt) == ("succeeded", 1), (record, history)
        cut += interruptions(history)
        if record.type == "items_loop":
            check_items(fleet.effects(record.id, "item"), ITEMS, interruptions(history))
    assert sum(fleet.parts.store.states().values()) == len(ids), "a job that was not enqueued, or one twice"
    return cut


def begins(fleet: Fleet, enqueuer: Enqueuer) -> float:
    """Seconds until a job that is added now, before all others, has begun."""
    started = time.monotonic()
    probe = enqueuer.enqueue("note_loop", {}, priority=10)
    until(lambda: fleet.effects(probe), "a new job has begun", within=60, every=0.02)
    return time.monotonic() - started


def cpu_seconds(fleet: Fleet) -> float:
    """Processor seconds that the processes of a fleet have used."""
    ticks = 0
    for pid in fleet.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_a_server_that_crashes_under_load_costs_nothing(
    make_fleet: Callable[..., Fleet], server: Cluster
) -> None:
    """Also: no process dies of it, none runs hot or floods the log while there is no server. The lease outlasts the outages:
    who has not beaten for longer is taken for dead as soon as the server is back."""
    chance = random.Random(SEED)
    fleet = make_fleet(workers=2, concurrency=10, lease=60, database_url=server.url)
    supervisor = fleet.start()
    before = fleet.processes()
    enqueuer, waits, hot, lines = Enqueuer(fleet), list[float](), 0.0, 0
    deadline = time.monotonic() + WITHIN
    with enqueuer.at_work():
        begins(fleet, enqueuer)
        while len(waits) < ROUNDS and (not CHAOS or time.monotonic() < deadline):
            time.sleep(chance.uniform(0.3, 2.0))  # at any moment of the work
            server.stop("immediate")
            if not waits:
                used, said, gone = cpu_seconds(fleet), len(supervisor.words().splitlines()), time.monotonic()
                time.sleep(OUTAGE)
                seconds = time.monotonic() - gone
                hot = (cpu_seconds(fleet) - used) / seconds
                lines = round((len(supervisor.words().splitlines()) - said) / seconds)
            server.start()
            waits.append(begins(fleet, enqueuer))
    cut = judge(fleet, enqueuer.confirmed)
    tell(
        f"{len(waits)} crashes of the server, {len(enqueuer.confirmed)} jobs, {enqueuer.repeated} enqueues repeated, "
        f"{enqueuer.found} of them stored before, {cut} runs cut off; 0 lost, 0 doubled; a new job begins after at most "
        f"{max(waits):.1f} s; in the outage {hot:.0%} of a core and {lines} lines a second by 3 processes"
    )
    assert fleet.processes() == before, supervisor.words()
    assert hot < 0.5
    assert lines < 30


def test_a_server_that_takes_no_writes_for_a_while(make_fleet: Callable[..., Fleet], server: Cluster) -> None:
    """As a primary that was replaced and is still reached: the call says so, nothing ends, and work continues afterwards."""
    fleet = make_fleet(workers=1, lease=60, database_url=f"{server.url}&schema=readonly")
    supervisor = fleet.start()
    before = fleet.processes()
    enqueuer = Enqueuer(fleet)

    def read_only(word: str) -> None:
        with psycopg.connect(server.url, autocommit=True) as db:
            db.execute("SET default_transaction_read_only = off")
            db.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
            db.execute("SELECT pg_reload_conf()")

    with enqueuer.at_work():
        begins(fleet, enqueuer)
        read_only("on")
        try:
            refused = until(lambda: _refusal(fleet), "a write is refused")
            assert "writes" in refused or "read-only" in refused, refused
            until(lambda: supervisor.lines("heartbeats fail"), "the fleet has noticed")
        finally:
            read_only("off")
        waited = begins(fleet, enqueuer)
    judge(fleet, enqueuer.confirmed)
    tell(
        f"read-only: a new job begins {waited:.1f} s after the end of it; {enqueuer.repeated} enqueues repeated"
    )
    assert fleet.processes() == before, supervisor.words()


def _refusal(fleet: Fleet) -> str:
    """Why the store cannot be written to now, "" when it can."""
    try:
        fleet.parts.gateway.run(RetireWorker("unknown"))
    except StorageUnavailable as error:
        return str(error)
    return ""


def test_workers_that_are_started_before_their_server_wait_for_it(
    make_fleet: Callable[..., Fleet], server: Cluster
) -> None:
    """Supervisor and scheduler wait with words; so does a worker process whose server goes while it comes up."""
    fleet = make_fleet(workers=1, database_url=f"{server.url}&schema=late")
    server.stop()
    supervisor, scheduler = fleet.start(ready=False), fleet.start("scheduler", ready=False)
    for waiting in (supervisor, scheduler):
        until(lambda waiting=waiting: waiting.lines("waiting for the database"), "it says that it waits")
        assert waiting.process.poll() is None, waiting.words()
    server.start()
    for waiting in (supervisor, scheduler):
        until(lambda waiting=waiting: fleet._is_up(waiting), "it is up", within=60)
    job = fleet.enqueue("note_loop")
    assert fleet.ended([job])[0].state == "succeeded"


def test_a_worker_that_finds_no_free_connection_waits_for_one(
    make_fleet: Callable[..., Fleet], server: Cluster
) -> None:
    fleet = make_fleet(workers=1, database_url=f"{server.url}&schema=crowded")
    fleet.parts.store.ping()
    with ExitStack() as crowd:
        with suppress(psycopg.OperationalError):
            while True:
                crowd.enter_context(psycopg.connect(server.url))
        supervisor = fleet.start(ready=False)
        until(lambda: supervisor.lines("waiting for the database", "connection"), "it says that it waits")
        assert supervisor.process.poll() is None, supervisor.words()
    until(lambda: fleet._is_up(supervisor), "it is up", within=60)
