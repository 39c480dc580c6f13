"""The startup message of a child process: one line of JSON on standard input.

The input stays open after that line; its end means that the parent has exited.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from holdfast.core.errors import ConfigurationError, Problem


def read_startup_message() -> dict[str, Any]:
    """The first line of standard input. Raises ConfigurationError when the input ends without one."""
    return json.loads(_first_line(sys.stdin.fileno()))


def keep_output_apart() -> None:
    """Send what user code prints in this process to standard error: standard output belongs to the command."""
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _first_line(fd: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(fd, 1)  # no byte more: what follows is read by other code
        if not piece:
            message = "this command is started by another process of Holdfast, not by hand"
            raise ConfigurationError([Problem(("startup message",), message)])
        line += piece
    return line
