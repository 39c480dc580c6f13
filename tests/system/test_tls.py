"""Servers that speak TLS only: reached when their authority is named, refused when another one is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.core.errors import StorageUnavailable
from holdfast.runtime.signals import Signals, choose_signals
from holdfast.storage.protocol import Topic
from holdfast.storage.sqlite import SqliteStore
from tests.servers import tls
from tests.servers.tls import Certificate
from tests.system.fleet import ROOT

pytestmark = [pytest.mark.system]


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


def hears_in_a_process(url: str, **environment: str) -> tuple[bool, str]:
    """`hears`, and what was logged. In a process of its own, since asyncio leaves sockets of TLS to the collector, which
    warns."""
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from tests.system.test_tls import hears; print(hears(sys.argv[1]))",
            url,
        ],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.splitlines()[-1] == "True", ran.stdout + ran.stderr


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_redis(folder: Path, shown: Certificate, other: Certificate, scheme: str) -> None:
    with tls.redis(folder, shown) as port:
        place = f"{scheme}://127.0.0.1:{port}/0"
        assert hears_in_a_process(f"{place}?namespace=shop&ssl_ca_certs={shown.file}")[0]
        heard, log = hears_in_a_process(f"{place}?ssl_ca_certs={other.file}")
    assert not heard
    assert "certificate verify failed" in log


def test_nats(folder: Path, shown: Certificate, other: Certificate) -> None:
    with tls.nats(folder, shown) as port:
        place = f"nats://127.0.0.1:{port}"
        assert hears_in_a_process(f"{place}?namespace=shop", SSL_CERT_FILE=str(shown.file))[0]
        heard, log = hears_in_a_process(place, SSL_CERT_FILE=str(other.file))
    assert not heard
    assert "certificate verify failed" in log


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
