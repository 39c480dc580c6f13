"""Behind PgBouncer in transaction mode no session belongs to anybody: everything works there too, by looking."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.pgbouncer import pooler
from tests.servers.postgres import place_of
from tests.system.chaos import CHAOS, LIMIT
from tests.system.fleet import ROOT, Fleet, until
from tests.system.histories import check_history

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with pooler() as found:
        yield found


def test_a_fleet_works_behind_it(make_fleet: Callable[..., Fleet], url: str, tmp_path: Path) -> None:
    """More clients than connections; a worker that is killed; actions, pages and a clock."""
    place = f"{url}?schema={place_of(tmp_path).schema}"
    settings = {"lease": 3, "heartbeat_interval": 1, "concurrency": 20, "poll_interval": 0.2}
    fleet = make_fleet(database_url=place, signals_url="poll:", workers=3, **settings)
    supervisor = fleet.start()
    web = fleet.start("web", port=0)
    jobs = fleet.enqueue_many("items_loop", [{"n": 4, "pause": 0.05}] * 200)
    later = fleet.enqueue("note_loop", {}, delay=1.0)
    held = fleet.enqueue("nap", {"seconds": 600})
    victim = fleet.worker_of(held)
    supervisor.signal(signal.SIGKILL, group=True)
    fleet.start()
    until(lambda: fleet.job(held).token > 1, "the job of the dead runs again")
    assert victim.id != fleet.worker_of(held).id
    held.cancel()
    ended = fleet.ended([*jobs, later])
    assert Counter((job.state, job.attempt) for job in ended) == {("succeeded", 1): len(ended)}
    assert fleet.ended([held])[0].state == "cancelled"
    for job in ended:
        check_history(job, fleet.history(job.id))
    assert web.process.poll() is None


def test_signals_that_need_a_session_say_so_and_work_is_found_all_the_same(
    make_fleet: Callable[..., Fleet], url: str, tmp_path: Path
) -> None:
    fleet = make_fleet(database_url=f"{url}?schema={place_of(tmp_path).schema}")
    supervisor = fleet.start()
    assert fleet.ended([fleet.enqueue("note_loop", {})])[0].state == "succeeded"
    until(lambda: supervisor.lines("HOLDFAST_SIGNALS_URL"), "the cure is named")


if CHAOS:  # it takes as long as the kit takes anyway

    @pytest.mark.timeout(LIMIT)
    def test_every_rule_of_the_kit_holds_behind_it(url: str) -> None:
        inner = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        kit = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "tests/conformance/test_postgres.py::TestPostgres"],
            cwd=ROOT,
            env=inner | {"HOLDFAST_TEST_POSTGRES": url},
            capture_output=True,
            text=True,
        )
        assert kit.returncode == 0, kit.stdout[-5000:]
