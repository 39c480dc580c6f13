"""The end of a worker process: what jobs have left to it is done, within a time."""

from __future__ import annotations

import atexit
import gc
import io
import os
import threading
import time
from typing import Any

import structlog

LEAVE_GRACE = 3.0
"""Seconds for threads that jobs have started, and for their exit handlers."""

log = structlog.get_logger("holdfast.worker")


class Leaving:
    """Made before jobs can register exit handlers, so that its own one is the last."""

    def __init__(self) -> None:
        self._process: int | None = None
        self._code: int | None = None
        atexit.register(self._finish)

    def begin(self, code: int) -> int:
        """The process is to end now, with this exit code. Python waits for threads that are no daemons, and runs the exit
        handlers; what takes longer than the grace time is left."""
        self._process, self._code = os.getpid(), code
        threading.Thread(target=self._end_late, name="holdfast-leaving", daemon=True).start()
        return code

    def _end_late(self) -> None:
        time.sleep(LEAVE_GRACE)
        names = [thread.name for thread in threading.enumerate() if not thread.daemon and thread.is_alive()]
        log.warning("threads or exit handlers of jobs do not end; exiting without them", threads=names)
        self._finish()

    def _finish(self) -> None:
        """Write what open files still hold, and end. Not by the end of the interpreter: it can hang, or crash, where threads
        of jobs still run."""
        if self._code is None or os.getpid() != self._process:
            return
        flush_files()
        os._exit(self._code)


def flush_files() -> None:
    """Write out every file that is still open in this process."""
    gc.unfreeze()  # files that were opened before the start was over are not listed else
    _flush(io.TextIOWrapper)  # before the bytes, which are below the text
    _flush(io.BufferedWriter)
    _flush(io.BufferedRandom)


def _flush(kind: type[Any]) -> None:
    for file in gc.get_objects():
        if type(file) is not kind:
            continue
        try:
            if not file.closed:
                file.flush()
        except (OSError, ValueError) as error:
            # its disk is full, or it is detached: no other file suffers for it
            log.warning("an open file of a job could not be written", error=str(error))
