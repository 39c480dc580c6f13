"""A schema is looked at without being opened; what is broken in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.errors import Conflict, NotFound
from holdfast.core.states import Verb
from holdfast.storage.postgres.admin import PostgresCare
from holdfast.storage.postgres.connection import Connector, run
from holdfast.storage.postgres.schema import MIGRATIONS
from holdfast.testing import FakeClock
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import new_job
from tests.servers.postgres import place_of, store_in


def test_a_schema_that_is_not_there(tmp_path: Path) -> None:
    care = PostgresCare(place_of(tmp_path))
    status = care.status()
    assert (status.exists, status.applied, status.bytes) == (False, 0, 0)
    assert len(status.pending) == status.known == len(MIGRATIONS)
    with pytest.raises(NotFound, match="db migrate"):
        care.check()


def test_a_sound_one_and_one_that_is_not(tmp_path: Path) -> None:
    clock = FakeClock()
    store = store_in(tmp_path, clock)
    store.open()
    driver = StoreDriver(store, clock)
    driver.insert(*[new_job(tags=("a",)) for _ in range(5)])
    driver.end(driver.start(), Verb.FAIL)
    lost = driver.add()
    store.close()
    place = place_of(tmp_path)
    care = PostgresCare(place)
    assert care.check() == []
    status = care.status()
    assert (status.exists, status.applied, status.pending) == (True, len(MIGRATIONS), ())
    assert status.bytes > 0
    line = Connector(place, "full").open()
    run(line.db, f"DELETE FROM runs WHERE seq = {lost.seq}")
    line.db.close()
    found = care.check()
    assert found[0] == f"job {lost.id} has no row of its state"
    assert found[1] == "jobs are counted wrongly: default noop enqueued 6 for 5"


def test_a_copy_is_made_by_the_tools_of_the_server(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="pg_dump"):
        PostgresCare(place_of(tmp_path)).backup(tmp_path / "copy")
