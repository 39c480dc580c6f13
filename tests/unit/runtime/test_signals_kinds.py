"""Signals are chosen by a URL; installations on one broker are told apart; nothing shows a password."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.runtime.signals import SignalOptions, Signals, choose_signals, kinds
from holdfast.runtime.signals.files import FileSignals
from holdfast.runtime.signals.kinds import namespace_of, without_namespace
from holdfast.storage.sqlite import SqliteStore

READER = SqliteStore(Path("not opened"))
SERVER = "postgresql://ann:s3cret@db.example:5433/shop?schema=jobs"


@pytest.mark.parametrize(
    ("signals_url", "database_url", "word"),
    [
        ("", "sqlite:////var/lib/jobs.db", "files in /var/lib/jobs.db.signals"),
        ("", "sqlite:///jobs.db", "files in jobs.db.signals"),
        ("", SERVER, "PostgreSQL LISTEN/NOTIFY, db.example:5433/shop"),
        ("", SERVER.replace("postgresql", "postgres"), "PostgreSQL LISTEN/NOTIFY, db.example:5433/shop"),
        ("", "mysql://ann:s3cret@db.example/shop", "polling of the store"),
        ("", "elsewhere://s3cret", "polling of the store"),
        ("poll:", "sqlite:///jobs.db", "polling of the store"),
        ("redis://:s3cret@cache.example:6380/2", SERVER, "Redis publish/subscribe, cache.example:6380/2"),
        ("valkeys://cache.example", SERVER, "Redis publish/subscribe, cache.example"),
        ("nats://ann:s3cret@bus.example", SERVER, "NATS, bus.example"),
        (
            "postgresql://b:s3cret@other.example/hints",
            SERVER,
            "PostgreSQL LISTEN/NOTIFY, other.example:5432/hints",
        ),
    ],
)
def test_the_url_chooses_the_kind(signals_url: str, database_url: str, word: str) -> None:
    signals = choose_signals(signals_url, database_url, READER)
    assert signals.word == word
    signals.close()


@pytest.mark.parametrize("url", ["s3cret", "amqp://ann:s3cret@host", "postgresql://ann:s3cret@[host/db"])
def test_what_cannot_be_used_is_refused_without_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose_signals(url, "sqlite:///jobs.db", READER)
    assert caught.value.problems[0].loc == ("signals_url",)
    assert "s3cret" not in str(caught.value)


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "holdfast.runtime.signals.redis", raising=False)
    with pytest.raises(ConfigurationError, match=r"needs redis.* pip install '/path/to/holdfast\[redis\]'"):
        choose_signals("redis://host", SERVER, READER)


def make_elsewhere(url: str, options: SignalOptions) -> Signals:
    return FileSignals(Path(url.partition("://")[2]) / options.namespace)


def test_others_come_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pigeon:
        load = staticmethod(lambda: make_elsewhere)

    def installed(*, group: str, name: str) -> list[Pigeon]:
        return [Pigeon()] if (group, name) == ("holdfast.signals", "pigeon") else []

    monkeypatch.setattr(kinds, "entry_points", installed)
    assert choose_signals("pigeon://loft?namespace=a", SERVER, READER).word.startswith("files in loft")


def test_installations_are_distinguished_by_the_location_of_their_database() -> None:
    def of(database_url: str) -> str:
        return namespace_of("redis://host", database_url)

    assert of(SERVER) == of(SERVER.replace("ann:s3cret@", "bob@"))
    different = [
        SERVER,
        SERVER.replace("jobs", "work"),
        SERVER.replace("/shop", "/stall"),
        SERVER.replace("5433", "5434"),
    ]
    different += [
        "postgresql://ann@/shop?host=/tmp/a",
        "postgresql://ann@/shop?host=/tmp/b",
        "sqlite:///a.db",
        "sqlite:///b.db",
    ]
    assert len({of(url) for url in different}) == len(different)
    assert of("sqlite:///a.db") == of(f"sqlite:///{Path('a.db').absolute()}")
    assert namespace_of("redis://host?namespace=prod", SERVER) == "prod"


@pytest.mark.parametrize(
    ("given", "handed"),
    [
        ("valkeys://ann:s3cret@host:6380/2?namespace=shop&a=%2F", "valkeys://ann:s3cret@host:6380/2?a=%2F"),
        ("nats://host?namespace=shop", "nats://host"),
        ("files:///var/lib/x", "files:///var/lib/x"),
        ("poll:", "poll:"),
    ],
)
def test_no_driver_receives_a_parameter_of_ours(given: str, handed: str) -> None:
    assert without_namespace(given) == handed
