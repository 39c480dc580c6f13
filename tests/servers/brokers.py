"""Real brokers behind a proxy that each test can cut."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from holdfast.runtime.signals import Signals, choose_signals
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.signals import BrokerConformance
from tests.servers.proxy import Proxy


def broker(name: str, default: str) -> str:
    """The URL of a broker: HOLDFAST_TEST_<name>, or the usual place on this host. Skips where no broker responds."""
    url = os.environ.get(f"HOLDFAST_TEST_{name}", default)
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2).close()
    except OSError:
        pytest.skip(
            f"no {name.capitalize()} at {parts.hostname}:{parts.port} "
            f"(make services starts one, HOLDFAST_TEST_{name} names another)"
        )
    return url


class ThroughAProxy(BrokerConformance):
    """The kit, with a proxy between the signals and the broker at `url()`."""

    proxy: Proxy

    def url(self) -> str:
        """The broker itself."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def between(self) -> Iterator[None]:
        parts = urlsplit(self.url())
        with Proxy((parts.hostname or "", parts.port or 0)) as self.proxy:
            yield

    def proxied(self) -> str:
        """The broker as the signals see it."""
        parts = urlsplit(self.url())
        user = parts.netloc.rpartition("@")[0]
        place = f"{self.proxy.host}:{self.proxy.port}"
        return parts._replace(netloc=f"{user}@{place}" if user else place).geturl()

    def make_signals(self, folder: Path) -> Signals:
        place = folder / "holdfast.db"  # only its name matters: stores on one broker are told apart by it
        return choose_signals(self.proxied(), f"sqlite:///{place}", SqliteStore(place))

    def cut(self) -> None:
        self.proxy.cut()

    def black_hole(self) -> None:
        self.proxy.black_hole()

    def mend(self) -> None:
        self.proxy.mend()
