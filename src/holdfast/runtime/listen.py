"""Binds the address of the web server."""

from __future__ import annotations

import socket

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.settings import Settings

STALLED = 20_000
"""Milliseconds after which the kernel gives up a line whose other side takes nothing."""

SEND_BUFFER = 256 * 1024
"""Bytes that the kernel keeps of what is not yet taken: a slow reader is noticed before much is lost to it."""

BACKLOG = 1024
"""Connections that may be queued while no process accepts them, as while a web server is being replaced."""


def bind(settings: Settings) -> socket.socket:
    """A socket that listens on the address of the settings. Raises ConfigurationError when it is taken or cannot be."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED)
        bound.bind((settings.host.strip("[]"), settings.port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        message = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another with HOLDFAST_PORT"
        raise ConfigurationError([Problem(("port",), message)]) from None
    return bound


def address(settings: Settings, listening: socket.socket) -> str:
    """The URL at which a browser on this host finds the pages."""
    host = f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listening.getsockname()[1]}"
