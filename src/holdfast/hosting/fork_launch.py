"""Launches the process of a fork server."""

from __future__ import annotations

from holdfast.hosting.child import start_forking_server
from holdfast.worker.fork_server import ForkServer, can_fork


def launch_fork_server() -> ForkServer | None:
    """Start a fork server that loads what any app needs; None on systems without support for it."""
    return ForkServer(*start_forking_server()) if can_fork() else None
