"""Hosts with a network of their own, and PostgreSQL behind a cable: a host dies, or is cut off and comes back."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from holdfast.client.handle import JobHandle
from holdfast.core.records import SavedRecord
from tests.servers.hosts import Host, hosts
from tests.servers.postgres import Cluster, cluster
from tests.system.chaos import LIMIT, size, tell
from tests.system.fleet import Fleet, Supervisor, until
from tests.system.histories import check_history, check_items

QUICK = {"lease": 3, "heartbeat_interval": 1}
"""Settings of a host that is to be lost."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(LIMIT)]


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[list[Host], Cluster]]:
    with hosts(2) as made, cluster(fsync=False, addresses=[host.gateway for host in made]) as server:
        yield made, server


class Site:
    """A fleet on hosts, with a database of its own."""

    def __init__(self, make_fleet: Callable[..., Fleet], server: Cluster, **settings: object) -> None:
        self._server = server
        self._schema = f"site{next(_numbers)}"
        self.fleet = make_fleet(database_url=f"{server.url}&schema={self._schema}", **settings)

    def start(self, host: Host) -> Supervisor:
        url = f"{self._server.url_at(host.gateway)}?schema={self._schema}"
        supervisor = self.fleet.start(behind=host.command, database_url=url)
        until(lambda: host.name in {w.host for w in self.fleet.workers()}, "its worker is there")
        return supervisor

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Small jobs all the time, so that a host dies in the middle of transactions."""
        stop = threading.Event()

        def add() -> None:
            while not stop.wait(0.05):
                self.fleet.enqueue_many("note_loop", [{}] * 5)

        thread = threading.Thread(target=add)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)


_numbers = count()


@pytest.mark.parametrize(
    "settings", [QUICK] * size(1, 5) + [{"lease": 30, "heartbeat_interval": 5}] * size(0, 2)
)
def test_jobs_of_a_host_that_lost_power_run_elsewhere(
    make_fleet: Callable[..., Fleet],
    network: tuple[list[Host], Cluster],
    settings: dict[str, object],
) -> None:
    """The server does not learn of it: connections of the dead stay open, and what they had begun is not rolled back."""
    [first, second], server = network
    site = Site(make_fleet, server, **settings, concurrency=20)
    fleet = site.fleet
    dying = site.start(first)
    held = fleet.enqueue_many("nap", [{"seconds": 600}] * 5)
    for job in held:
        fleet.effect(job, "run")
    site.start(second)
    with site.traffic():
        until(lambda: len(fleet.effects(what="run")) > 50, "both are at work")
        first.pull()
        dying.signal(signal.SIGKILL, group=True)
        died = time.monotonic()
        until(lambda: all(fleet.job(job).token > 1 for job in held), "all jobs run elsewhere", within=90)
        took = time.monotonic() - died
    first.plug()
    tell(f"host without power, lease {settings['lease']} s: its jobs run elsewhere after {took:.1f} s")
    until(lambda: fleet.parts.store.states()["enqueued"] == 0, "all small jobs have begun")
    assert {fleet.worker_of(job).host for job in held} == {second.name}


@pytest.mark.parametrize("noticed", size([False], [False, True]))
@pytest.mark.parametrize(
    "kind", size(["items_loop"], ["items_loop", "items_thread", "items_process", "end_loop"])
)
def test_a_host_that_was_cut_off_and_comes_back_writes_nothing(
    make_fleet: Callable[..., Fleet], network: tuple[list[Host], Cluster], kind: str, noticed: bool
) -> None:
    """Its job comes to the end on both hosts: what the one that was cut off has to say is refused. `noticed`: it has given
    its connections up meanwhile; else what it had said on them arrives late."""
    [first, second], server = network
    site = Site(make_fleet, server, heartbeat_interval=1)
    fleet = site.fleet
    islander = site.start(first)
    items = kind != "end_loop"
    job = fleet.enqueue(kind, {"n": 3, "barrier": "go", "at": 1} if items else {"barrier": "go"})
    until(lambda: len(fleet.effects(job)) == (2 if items else 1), "the job is there")
    old = fleet.worker_of(job)
    site.start(second)
    first.pull()
    fleet.lose(old)
    until(lambda: len(fleet.effects(job)) == (3 if items else 2), "it is there on the other host too")
    fleet.allow("go-1")  # for the run that is cut off
    if noticed:
        until(lambda: islander.lines("heartbeats fail"), "the host has noticed", within=60)
    before = _standing(fleet, job)
    assert before[:2] == ("processing", 2)
    first.plug()
    until(lambda: old.pid not in fleet.processes(), "its worker has ended", within=60)
    until(lambda: first.name in {w.host for w in fleet.workers()}, "and was replaced", within=60)
    assert _standing(fleet, job) == before, "it has written"
    fleet.allow("go-2")
    [after] = fleet.ended([job])
    assert (after.state, after.token, after.attempt, after.result) == ("succeeded", 2, 1, "2")
    check_history(after, fleet.history(job))
    if items:
        check_items(fleet.effects(job, "item"), 3, again=1)


def _standing(fleet: Fleet, job: JobHandle) -> tuple[str, int, str | None, SavedRecord | None]:
    record = fleet.job(job)
    return record.state, record.token, record.worker, fleet.parts.store.saved(job.id)
