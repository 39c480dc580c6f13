"""What `config check` finds is what `up` would refuse, without a database being touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Terminal


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HOST", "0.0.0.0", "not a loopback address"),
        ("DATABASE_URL", "oracle://host/db", "not a database that is known: oracle://"),
        ("DATABASE_URL", "host/db", "without ://"),
        ("DATABASE_URL", "sqlite://x.db", "names no file"),
        ("DATABASE_URL", "postgresql://ann:s3cret/x@host/db", "write @ in them as %40"),
        ("DATABASE_URL", "postgresql://ann:s3cret@host/db?schema=pg_x", "no usable schema"),
        ("DATABASE_URL", "mysql://ann:s3cret@host", "names no database"),
        ("DATABASE_URL", "mysql://ann:s3cret\u2100@[host/db", "has a host that cannot be read"),
        ("SIGNALS_URL", "smoke://host", "no kind of signals that is known: smoke:"),
        ("SIGNALS_URL", "redis://ann:s3cret/x@host/0", "write @ in them as %40"),
        ("SIGNALS_URL", "ann:s3cret@host", "no kind of signals that is known: ann:…"),
        ("DATA_DIR", "file", "is not a folder that this user can write to"),
    ],
)
def test_what_up_would_refuse(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(f"HOLDFAST_{name}", value)
    done = terminal("config", "check")
    assert (done.code, message in done.err) == (2, True), done.err
    shown = terminal("config", "show", "--json")
    assert "s3cret" not in done.err + shown.out + shown.err


def test_all_problems_are_reported_at_once(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOST", "0.0.0.0")
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", "oracle://host/db")
    err = terminal("config", "check").err
    assert "loopback" in err
    assert "oracle" in err


def test_nothing_is_made(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal("config", "check").code == 0
    assert list(tmp_path.iterdir()) == []


def test_variables_of_a_network_service_are_named(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_SERVICE_HOST", "10.43.0.4")
    done = terminal("config", "check")
    assert done.code == 0
    assert "network service: HOLDFAST_SERVICE_HOST" in done.err
