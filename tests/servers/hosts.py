"""Hosts: network namespaces of this machine, each joined to it by a virtual cable that can be pulled.

Needs root and iproute2. Nothing of it is reached from outside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

MAX_SECONDS = 15
"""Bytes that the kernel takes for the name of a device."""


class Host:
    """A network namespace. `gateway` is our end of its cable: the address under which it reaches servers of this machine."""

    def __init__(self, number: int) -> None:
        self.name = f"hf{os.getpid()}h{number}"[-MAX_SECONDS:]
        self._inside = f"{self.name}i"[-MAX_SECONDS:]
        net = f"10.231.{os.getpid() % 250}"
        self.gateway = f"{net}.{4 * number + 1}"
        self._address = f"{net}.{4 * number + 2}"

    @property
    def command(self) -> tuple[str, ...]:
        """What is put before a command that is to run on this host, under its name."""
        inside = ("ip", "netns", "exec", self.name, "unshare", "--uts", "--mount")
        alone = 'mount -t tmpfs none /dev/shm && hostname "$0" && exec "$@"'  # lock files of other hosts are not seen
        return (*inside, "sh", "-c", alone, self.name)

    def create(self) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self.name, "type", "veth", "peer", "name", self._inside, "netns", self.name)
        _ip("address", "add", f"{self.gateway}/30", "dev", self.name)
        self.plug()
        _ip("-n", self.name, "address", "add", f"{self._address}/30", "dev", self._inside)
        _ip("-n", self.name, "link", "set", self._inside, "up")

    def pull(self) -> None:
        """Nothing goes in or out any more, and no side is notified."""
        _ip("link", "set", self.name, "down")

    def plug(self) -> None:
        _ip("link", "set", self.name, "up")

    def remove(self) -> None:
        subprocess.run(("ip", "netns", "delete", self.name), capture_output=True, check=False)
        subprocess.run(("ip", "link", "delete", self.name), capture_output=True, check=False)


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many hosts. Skips where this machine does not let us make them."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("hosts need root, and ip of iproute2")
    made = [Host(number) for number in range(count)]
    try:
        try:
            for host in made:
                host.create()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield made
    finally:
        for host in made:
            host.remove()


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True, text=True, timeout=10)
