"""`holdfast up` serves whatever becomes of its standard files: logging never costs a job, a worker or the web server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.system.cli_house import House, is_ready, until


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    with House(tmp_path) as house:
        yield house


@pytest.mark.parametrize("format", ["console", "json"])
@pytest.mark.parametrize(
    "files",
    ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-", ">/dev/full 2>&1", "2>&1 | head -n 1", "2>&1 | sleep 300"],
)
def test_up_serves_with_standard_files_that_are_of_no_use(
    house: House, unused_tcp_port: int, files: str, format: str
) -> None:
    """Closed, full, with a reader that has gone, with a reader that does not read."""
    environment = {**house.environment, "HOLDFAST_PORT": str(unused_tcp_port), "HOLDFAST_LOG_FORMAT": format}
    shell = subprocess.Popen(
        ["sh", "-c", f'"$0" -m holdfast up {files}', sys.executable],
        cwd=house.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: is_ready(f"http://127.0.0.1:{unused_tcp_port}"))
        for _ in range(3):
            job = json.loads(house.run("job", "run", "count_to", "--arg", "n=2", "--wait", "--json").stdout)
            assert job["state"] == "succeeded"
        assert is_ready(f"http://127.0.0.1:{unused_tcp_port}")
        os.kill(house.process("up"), 15)
        until(
            lambda: not [pid for pid in house.processes() if pid != shell.pid and b"holdfast" in _words(pid)]
        )
    finally:
        os.killpg(shell.pid, 9)
        shell.wait()


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]
