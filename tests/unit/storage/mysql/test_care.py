"""Care for a database on a server: where it is, what is wrong with it, and that copies are left to the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.errors import Conflict
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql.admin import MysqlCare
from holdfast.storage.mysql.connection import connect
from holdfast.testing import new_job

DAMAGES = {
    "DELETE FROM ready": "enqueued, but no worker would find it",
    "INSERT INTO ready VALUES ('default', 'noop', 0, 999999)": "to be claimed, but not enqueued",
    "DELETE FROM due": "scheduled, but would never be due",
    "UPDATE due SET job = 999999": "due, but not scheduled",
    "INSERT INTO expiry SELECT 1, seq FROM jobs LIMIT 1": "would expire, but has not ended",
    "DELETE FROM unique_keys": "has a unique key that it does not hold",
    "INSERT INTO saved VALUES (999999, '{}', 1, 1)": "is gone, but has left saved behind",
    "INSERT INTO job_tags VALUES ('eu', 999999)": "is gone, but has left a tag behind",
    "UPDATE counts SET n = n + 1": "are counted",
}
"""What may go wrong, and how it is reported."""


@pytest.fixture
def care(store: MysqlStore) -> MysqlCare:
    with store.transaction():
        store.insert([new_job(unique_key="k", tags=("eu",)), new_job(delay=60.0)])
    return MysqlCare(store.address)


def test_a_sound_database(care: MysqlCare) -> None:
    assert care.check() == []
    status = care.status()
    assert (status.exists, status.applied, status.pending) == (True, status.known, ())
    assert status.bytes > 0


@pytest.mark.parametrize(("damage", "words"), DAMAGES.items())
def test_each_contradiction_is_reported(store: MysqlStore, care: MysqlCare, damage: str, words: str) -> None:
    connection, _ = connect(store.address)
    with connection.cursor() as cursor:
        cursor.execute(damage)
    connection.commit()
    connection.close()
    assert any(words in line for line in care.check()), damage


def test_a_copy_is_made_with_the_servers_tool(care: MysqlCare, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="mariadb-dump"):
        care.backup(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
