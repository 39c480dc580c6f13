"""A network that cuts, stalls and lies between a fleet and its database server: every call ends, nothing is doubled."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from holdfast.app import Parts
from holdfast.client.options import JobOptions
from holdfast.core.errors import StorageUnavailable
from holdfast.storage.postgres.connection import SILENCE, Bounded
from tests.servers.postgres import CALLS_STORE
from tests.servers.proxy import Cut, Proxy
from tests.system.chaos import CHAOS, LIMIT, SEED, WITHIN, database, size, tell
from tests.system.fleet import Fleet
from tests.system.jobs.app import make_app
from tests.system.test_server_restarts import Enqueuer, begins, judge

AMBIGUOUS = size(8, 60)
"""Commits that reach the server and whose answer does not reach the client."""
CUTS = size(8, 100)
"""Moments in which all connections end at some byte."""

ONE_IN = 20
"""Of so many commits one is not confirmed."""

COMMIT = re.compile(CALLS_STORE.pattern + rb"|COMMIT(?!TED)")
"""PyMySQL ends the opening of a connection with one too; nothing hangs on that."""

HURTS: dict[str, Callable[[Proxy], None]] = {
    "nothing moves": lambda proxy: proxy.black_hole(),
    "nothing goes out": lambda proxy: proxy.black_hole("server"),
    "nothing comes back": lambda proxy: proxy.black_hole("client"),
    "half-open": lambda proxy: proxy.half_open(),
    "1 KiB/s": lambda proxy: proxy.throttle(1024),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(LIMIT)]


class Network:
    """What is before the server of a URL; `url` leads through it."""

    def __init__(self, direct: str, chance: random.Random) -> None:
        self.kinds = Counter[Cut]()
        """Commits that were cut, by the moment of the cut."""
        self.armed = False
        self.next: Cut | None = None
        """What becomes of the next commit."""
        self.direct = direct
        self._chance = chance
        parts = urlsplit(direct)
        user = parts.netloc.rpartition("@")[0]
        self._port = 0
        self._shape = parts._replace(query="&".join(_kept(parts.query)))
        self._user = f"{user}@" if user else ""

    @contextmanager
    def between(self) -> Iterator[Proxy]:
        with Proxy(_server(self.direct), watch=self._watch) as proxy:
            self._port = proxy.port
            yield proxy

    @property
    def url(self) -> str:
        return self._shape._replace(netloc=f"{self._user}127.0.0.1:{self._port}").geturl()

    @property
    def ambiguous(self) -> int:
        return self.kinds[Cut.AFTER] + self.kinds[Cut.RESPONDED]

    def _watch(self, piece: bytes) -> Cut | None:
        if not COMMIT.search(piece):
            return None
        cut, self.next = self.next, None
        if self.armed and not self._chance.randrange(ONE_IN):
            cut = self._chance.choice([Cut.BEFORE, Cut.AFTER, Cut.RESPONDED, Cut.RESPONDED])
        if cut is None:
            return None
        self.kinds[cut] += 1
        return cut


def _server(url: str) -> tuple[str, int] | str:
    """Where the server of a URL listens."""
    parts = urlsplit(url)
    if parts.scheme == "mysql":
        return parts.hostname or "127.0.0.1", parts.port or 3306
    plain = parts._replace(query="&".join(part for part in parts.query.split("&") if "schema=" not in part))
    with psycopg.connect(plain.geturl()) as db:
        host, port = db.info.host, db.info.port
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)


def _kept(query: str) -> Iterator[str]:
    """The options of a URL that hold on the new way too."""
    for option in query.split("&"):
        if option and not option.startswith("host="):
            yield option


@pytest.fixture(params=["postgresql", "mysql"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    return Network(str(database(request.param, tmp_path)["database_url"]), random.Random(SEED))


def test_connections_cut_at_any_byte_and_behind_commits_cost_nothing(
    make_fleet: Callable[..., Fleet], network: Network
) -> None:
    """An enqueue that is repeated finds its job, a settlement that is repeated knows its own, a claim whose answer was lost
    comes back: every job that was confirmed is there once, and ends once."""
    chance = random.Random(SEED)
    with network.between() as proxy:
        fleet = make_fleet(workers=2, concurrency=10, lease=60, database_url=network.url)
        supervisor = fleet.start()
        before = fleet.processes()
        enqueuer, cuts = Enqueuer(fleet, pause=0.02), 0
        deadline = time.monotonic() + WITHIN
        with enqueuer.at_work():
            begins(fleet, enqueuer)
            network.armed = True
            while (network.ambiguous < AMBIGUOUS or cuts < CUTS) and time.monotonic() < deadline:
                if cuts < CUTS:
                    _hurt(proxy, chance)
                    cuts += 1
                time.sleep(chance.uniform(0.1, 0.5))
            network.armed = False
            waited = begins(fleet, enqueuer)
        cut = judge(fleet, enqueuer.confirmed)
        back = len(supervisor.lines("jobs were claimed but their claim was not confirmed"))
        tell(
            f"{urlsplit(network.url).scheme}: {network.ambiguous} ambiguous commits, {cuts} cuts at random bytes, "
            f"{len(enqueuer.confirmed)} jobs, {enqueuer.repeated} enqueues repeated, {enqueuer.found} of them stored "
            f"before, {back} times lost claims requeued, {cut} runs cut off; 0 lost, 0 doubled; then a new job begins "
            f"after {waited:.1f} s"
        )
        assert network.ambiguous >= AMBIGUOUS or CHAOS
        assert fleet.processes() == before, supervisor.words()


@pytest.mark.parametrize("cut", list(Cut))
def test_an_enqueue_whose_commit_is_not_acknowledged_stores_one_job(network: Network, cut: Cut) -> None:
    """The caller hears nothing of it, and need not ask again."""
    with network.between():
        app = make_app(database_url=network.url, signals_url="poll:")
        app.enqueue("note_loop")
        for _ in range(5):
            network.next = cut
            assert app.enqueue("note_loop").created
        assert network.kinds[cut] == 5
        assert app.open().store.states()["enqueued"] == 6
        app.close()


def _hurt(proxy: Proxy, chance: random.Random) -> None:
    """Every connection ends at some byte of its next words, or in this moment."""
    if chance.random() < 0.3:
        proxy.reset()
        return
    proxy.cut_after(int(10 ** chance.uniform(1, 5)), chance.choice(["server", "client"]))
    time.sleep(chance.uniform(0.1, 0.6))
    proxy.mend()


@pytest.mark.parametrize("network", size(["postgresql"], ["postgresql", "mysql"]), indirect=True)
def test_every_call_has_a_deadline(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the network hangs: a call that writes and one that reads end, and are repeated when it is mended."""
    monkeypatch.setattr(Bounded, "silence", size(2.0, SILENCE))
    took: dict[str, float] = {}

    def under(name: str, hurt: Callable[[Proxy], None]) -> None:
        way = Network(network.direct, random.Random(SEED))
        with way.between() as proxy:
            app = make_app(database_url=way.url, signals_url="poll:")
            took[name] = _longest_call(app.open(), proxy, hurt)
            app.close()

    with ThreadPoolExecutor(len(HURTS)) as threads:
        for future in [threads.submit(under, *each) for each in HURTS.items()]:
            future.result(LIMIT)
    tell(f"longest call: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in took.items())}")


def _longest_call(parts: Parts, proxy: Proxy, hurt: Callable[[Proxy], None]) -> float:
    """Seconds until the later of two calls has ended, in a network that is hurt before they begin."""
    client = parts.client
    [first, second] = [client.jobs.new_job("note_loop", {}, JobOptions().checked()) for _ in range(2)]
    client.jobs.insert([first])
    parts.store.states()
    hurt(proxy)
    started = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(client.jobs.insert, [second]), threads.submit(parts.store.states)]
        for call in calls:
            error = call.exception()
            assert error is None or isinstance(error, StorageUnavailable), error
    took = time.monotonic() - started
    proxy.mend()
    client.jobs.insert([second])
    assert {job.id for job in parts.store.jobs([first.id, second.id])} == {first.id, second.id}
    return took
