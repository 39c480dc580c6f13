"""The commands on a database server have the same output as on a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.postgres import place_of, shared_url
from tests.unit.cli.conftest import Terminal


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The commands use a schema of their own on PostgreSQL."""
    url = shared_url()
    address = f"{url}{'&' if '?' in url else '?'}schema={place_of(tmp_path).schema}"
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", address)
    return address


def test_the_schema_is_brought_up_to_date_and_checked(terminal: Terminal, server: str) -> None:
    assert terminal("db", "status").code == 1
    assert terminal("db", "check").code == 3
    assert terminal("db", "migrate", "--json").json["up_to_date"] is True
    assert terminal("db", "status").code == 0
    assert terminal("db", "check", "--json").json["sound"] is True
    backup = terminal("db", "backup", "copy.db")
    assert (backup.code, "pg_dump" in backup.err) == (5, True)


def test_the_doctor_looks_at_the_server(terminal: Terminal, server: str, tmp_path: Path) -> None:
    terminal("db", "migrate")
    found = {one["name"]: one for one in terminal("doctor", "--json").json["items"]}
    for name in ("database", "schema", "writing", "database clock", "signals"):
        assert found[name]["result"] == "good", found[name]
    assert "fsync" in found["durability"]["found"]
    assert found["scheduler"]["result"] == "note"
    assert "folder" not in found
    assert not (tmp_path / ".holdfast").exists()


def test_an_unreachable_server_is_reported_once_for_each_check(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", "postgresql://ann:secret@127.0.0.1:9/x")
    done = terminal("doctor", "--json")
    assert done.code == 1
    assert {one["name"] for one in done.json["items"] if one["result"] == "bad"} == {"database", "schema"}
    assert "secret" not in done.out + done.err
