"""A worker whose connection to its database is cut stops its jobs before its lease ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.system.chaos import SEED, database
from tests.system.fleet import Fleet
from tests.system.test_cut_connections import Network
from tests.system.test_fencing import LEASES, check_alone


def test_a_run_that_is_cut_off_is_over_before_the_next_one_begins(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    """Nothing moves between it and the server; another worker, whose way is free, has the job when the lease is over."""
    direct = database("postgresql", tmp_path)
    network = Network(str(direct["database_url"]), random.Random(SEED))
    with network.between() as proxy:
        fleet = make_fleet(**LEASES, **direct)
        cut_off = fleet.start(database_url=network.url)
        job = fleet.enqueue("alone_thread", {"how": "spin"})
        fleet.effect(job, "begin")
        proxy.black_hole()
        fleet.start()
        check_alone(fleet, job)
        assert cut_off.lines("no heartbeat is confirmed")
