"""What the kit cannot know of: lanes that were rolled back, ids that the driver refuses, batches of all shapes."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Action
from holdfast.core.errors import NotFound
from holdfast.core.job import NewJob
from holdfast.storage.postgres.store import PostgresStore
from holdfast.testing import FakeClock
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import new_job


@pytest.fixture(scope="module")
def driver(store: PostgresStore, clock: FakeClock) -> StoreDriver:
    return StoreDriver(store, clock)


def test_a_lane_that_was_rolled_back_is_made_again(store: PostgresStore, driver: StoreDriver) -> None:
    def insert_and_fail() -> None:
        with store.transaction():
            store.insert([new_job(queue="rolled-back")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    job = driver.add(queue="rolled-back")
    assert [claimed.id for claimed in driver.claim(queues=["rolled-back"])] == [job.id]


@pytest.mark.parametrize("job_id", ["a\0b", "\ud800"])
def test_an_id_that_no_text_of_the_server_can_be_is_not_found(driver: StoreDriver, job_id: str) -> None:
    with pytest.raises(NotFound):
        driver.command(job_id, Action.CANCEL)


@pytest.mark.parametrize("alike", [True, False])
def test_texts_come_back_as_they_were(driver: StoreDriver, alike: bool) -> None:
    """Arrays are written by us: quotation marks, backslashes, commas, braces and the word NULL are letters like others."""
    odd = ['"', "\\", ",", "{}", "NULL", "a\x01b", "\\\"'", "a b", "ä🦆\n\t"]
    jobs: list[NewJob] = [new_job(id=f"{alike}-{n}-{text}", args=text) for n, text in enumerate(odd)]
    if not alike:
        for job, text in zip(jobs, odd, strict=True):
            job.owner = text
    assert all(answer.created for answer in driver.insert(*jobs))
    stored = [driver.read(job.id) for job in jobs]
    assert [job.args for job in stored] == odd
    assert [job.owner for job in stored] == ([None] * len(odd) if alike else odd)
    assert [job.seq for job in stored] == sorted(job.seq for job in stored)
