"""Standard output that is written at once, whatever it is connected to."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Buffer


class _FlushedWriter(io.BufferedWriter):
    """Writes everything it is given before it returns, also when a signal interrupts the system call."""

    def write(self, buffer: Buffer, /) -> int:
        written = super().write(buffer)
        self.flush()
        return written


def write_output_at_once() -> None:
    """Make what this process prints reach its standard output at once, as PYTHONUNBUFFERED would.

    Python buffers the output of a pipe or a file, and a process that is ended by a signal loses that buffer. Unlike the
    variable, this is not inherited by programs that jobs start.
    """
    before = sys.stdout
    before.flush()
    file = io.FileIO(before.fileno(), "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        _FlushedWriter(file), encoding=before.encoding, errors=before.errors, write_through=True
    )
