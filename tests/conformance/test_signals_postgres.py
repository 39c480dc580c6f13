"""LISTEN and NOTIFY keep every rule of signals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from structlog.testing import capture_logs

from holdfast.runtime.signals import Signals, ToldAtCommit, Topic, choose_signals
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.signals import QUIET, SOON, Make
from tests.servers.brokers import ThroughAProxy
from tests.servers.postgres import shared_url
from tests.servers.proxy import Proxy


class TestPostgres(ThroughAProxy):
    @pytest.fixture(autouse=True)
    def between(self) -> Iterator[None]:
        self.given = conninfo_to_dict(shared_url())
        host, port = str(self.given.get("host", "127.0.0.1")), int(self.given.get("port") or 5432)
        with Proxy(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)) as self.proxy:
            yield

    def proxied(self) -> str:
        password = f":{self.given['password']}" if "password" in self.given else ""
        place = f"{self.proxy.host}:{self.proxy.port}/{self.given['dbname']}"
        return f"postgresql://{self.given.get('user', '')}{password}@{place}"

    def make_signals(self, folder: Path) -> Signals:
        schema = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        return choose_signals("", f"{self.proxied()}?schema={schema}", SqliteStore(folder / "not opened"))

    def test_one_connection_serves_a_process(self, make: Make, tmp_path: Path) -> None:
        signals = make()
        listeners = [self.listen(signals, topic) for topic in Topic]
        self.tell(tmp_path, signals, *Topic)
        assert all(listener.wait(SOON) for listener in listeners)
        assert self.proxy.accepted == 1

    def test_a_notification_from_a_foreign_transaction_arrives_at_its_commit(self, make: Make) -> None:
        signals = make()
        listener = self.listen(signals)
        assert isinstance(signals, ToldAtCommit)
        with psycopg.connect(shared_url()) as theirs:
            for name in signals.channels((Topic.WORK,)):
                theirs.execute("SELECT pg_notify(%s, '')", [name])
            assert not listener.wait(QUIET)
        assert listener.wait(SOON)

    def test_a_server_that_ends_the_connection_is_asked_again(self, make: Make) -> None:
        signals = make()
        listener = self.listen(signals)
        with psycopg.connect(shared_url(), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast signals' "
                "AND datname = current_database() AND query LIKE %s",
                [f"%{signals.channels((Topic.WORK,))[0]}%"],  # type: ignore[attr-defined]
            )
        assert listener.wait(SOON), "the listener was not woken for what it may have missed"

    def test_a_pooler_before_the_server_is_named(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 1)  # a pooler makes a number up
        with capture_logs() as logs:
            signals = make()
            signals.listen((Topic.WORK,))
            _ = signals.ready(QUIET)
        assert [entry["log_level"] for entry in logs] == ["warning"]
        assert "HOLDFAST_SIGNALS_URL" in logs[0]["error"]
