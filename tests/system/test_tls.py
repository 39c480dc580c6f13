"""Servers that speak TLS only: reached when their authority is named, refused when another one is."""

from __future__ import annotations

import gc
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.core.errors import StorageUnavailable
from holdfast.runtime.signals import Signals, choose_signals
from holdfast.storage.protocol import Topic
from holdfast.storage.sqlite import SqliteStore
from tests.servers import tls
from tests.servers.tls import Certificate

pytestmark = [pytest.mark.system]

Broker = Callable[[Path, Certificate], AbstractContextManager[int]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Open to whom the servers run as, which a test's own folder is not."""
    with tempfile.TemporaryDirectory(prefix="hftls-") as made:
        Path(made).chmod(0o777)
        yield Path(made)


@pytest.fixture
def shown(folder: Path) -> Certificate:
    """What the server shows."""
    return tls.certificate(folder, "shown")


@pytest.fixture
def other(folder: Path) -> Certificate:
    """One that the server knows nothing of."""
    return tls.certificate(folder, "other")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """asyncio leaves the transport of a handshake that has failed to the collector, which warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


def signals_of(url: str) -> Signals:
    return choose_signals(url, "sqlite:///jobs.db", SqliteStore(Path("not opened")))


def hears(url: str) -> bool:
    """Whether what one process tells is heard by another."""
    one, two = signals_of(url), signals_of(url)
    try:
        listener = one.listen((Topic.WORK,))
        if not (one.ready(3.0) and listener.wait(5.0)):  # woken once when the line stands
            return False
        two.notify((Topic.WORK,))
        return listener.wait(5.0)
    finally:
        one.close()
        two.close()


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_redis(folder: Path, shown: Certificate, other: Certificate, scheme: str) -> None:
    with tls.redis(folder, shown) as port:
        assert hears(f"{scheme}://127.0.0.1:{port}/0?namespace=shop&ssl_ca_certs={shown.file}")
        assert not hears(f"{scheme}://127.0.0.1:{port}/0?ssl_ca_certs={other.file}")


def test_nats(folder: Path, shown: Certificate, other: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    with tls.nats(folder, shown) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(shown.file))
        assert hears(f"nats://127.0.0.1:{port}?namespace=shop")
        monkeypatch.setenv("SSL_CERT_FILE", str(other.file))
        assert not hears(f"nats://127.0.0.1:{port}")


def test_mariadb(folder: Path, shown: Certificate, other: Certificate) -> None:
    with tls.mariadb(folder, shown) as port:
        url = f"mysql://root@127.0.0.1:{port}/shop"
        app = Holdfast(database_url=f"{url}?ssl_ca={shown.file}")
        app.job()(work)
        assert app.enqueue("work").view.state == "enqueued"
        app.close()
        stranger = Holdfast(database_url=f"{url}?ssl_ca={other.file}")
        stranger.job()(work)
        with pytest.raises(StorageUnavailable, match="certificate"):
            stranger.enqueue("work")
        stranger.close()


def work() -> None: ...
