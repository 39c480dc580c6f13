"""Finds the program of a test's server, and a free port for it."""

from __future__ import annotations

import os
import shutil
import socket

import pytest


def program(name: str) -> str:
    """Where a program is. Skips the test where it is not."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        pytest.skip(f"no {name} on this machine (make services installs it)")
    return found


def free_port() -> int:
    """A port of the loopback address that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
