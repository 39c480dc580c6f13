"""Servers that speak TLS only: reached when their authority is named, refused when another one is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.core.errors import StorageUnavailable
from holdfast.runtime.signals import Signals, choose_signals
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.topics import Topic
from tests.servers import tls
from tests.servers.tls import Certificate
from tests.system.fleet import ROOT, TIMEOUT, until

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


def hears(url: str) -> None:
    """Print whether a signal of one process reaches another."""
    one, two = signals_of(url), signals_of(url)
    try:
        listener = one.listen((Topic.WORK,))
        heard = one.ready(TIMEOUT) and listener.wait(TIMEOUT)  # woken once when the connection is there
        two.notify((Topic.WORK,))
        print("heard" if heard and listener.wait(TIMEOUT) else "not heard", flush=True)  # noqa: T201
    finally:
        one.close()
        two.close()


@contextmanager
def hearing(url: str, **environment: str) -> Iterator[Path]:
    """`hears`, in a process of its own, since asyncio leaves sockets of TLS to the collector, which warns. Yields the file
    that its output goes to."""
    with tempfile.NamedTemporaryFile() as output:
        program = "import sys; from tests.system.test_tls import hears; hears(sys.argv[1])"
        process = subprocess.Popen(
            [sys.executable, "-c", program, url],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
        )
        try:
            yield Path(output.name)
        finally:
            process.kill()
            process.wait()


def is_heard(url: str, **environment: str) -> bool:
    with hearing(url, **environment) as said:
        return until(lambda: re.findall("^(?:not )?heard$", said.read_text(), re.M), "it has ended") == [
            "heard"
        ]


def is_refused(url: str, **environment: str) -> bool:
    """Whether the certificate is refused, which is logged while the connection is tried again and again."""
    with hearing(url, **environment) as said:
        until(lambda: "certificate verify failed" in said.read_text(), "the reason is logged")
        return "heard" not in said.read_text().splitlines()


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_redis(folder: Path, shown: Certificate, other: Certificate, scheme: str) -> None:
    with tls.redis(folder, shown) as port:
        place = f"{scheme}://127.0.0.1:{port}/0"
        assert is_heard(f"{place}?namespace=shop&ssl_ca_certs={shown.file}")
        assert is_refused(f"{place}?ssl_ca_certs={other.file}")


def test_nats(folder: Path, shown: Certificate, other: Certificate) -> None:
    with tls.nats(folder, shown) as port:
        place = f"nats://127.0.0.1:{port}"
        assert is_heard(f"{place}?namespace=shop", SSL_CERT_FILE=str(shown.file))
        assert is_refused(place, SSL_CERT_FILE=str(other.file))


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
