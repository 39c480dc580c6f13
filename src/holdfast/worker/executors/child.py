"""A child process in which jobs run, so that the end of one, however violent, is the end of nothing else.

Started by `holdfast.worker.executors.process` as `python -m holdfast.worker.executors.child PID SOCKET [LOCK]`, with the pid
of the worker, and inherited: a socket to it, and its lock file.
Jobs run one after the other in the main thread; another thread listens to the worker.
"""

from __future__ import annotations

import contextvars
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import asdict
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import Any

from holdfast.context.loops import job_around
from holdfast.context.worker_link import Attempt
from holdfast.core.outcome import AttemptResult, ErrorInfo, ResultKind
from holdfast.core.settings import Settings
from holdfast.runtime.app_loader import load_app
from holdfast.runtime.logs import set_up_output
from holdfast.worker.attempt import conclude, error_info, raised
from holdfast.worker.executors.call import call
from holdfast.worker.executors.capture import capture_output, finish_output
from holdfast.worker.executors.childport import ChildPort, Line, Ticker
from holdfast.worker.executors.forks import mind_forks
from holdfast.worker.executors.frames import Row, ended_message, read_attempt, receive_frame
from holdfast.worker.executors.here import only
from holdfast.worker.parent_death import send_at_parents_death

_LAST_WORDS = 2.0


class Child:
    """One child process: listens, runs one attempt at a time, ends with its worker."""

    def __init__(self, line: socket.socket) -> None:
        self._socket = line
        self._line = Line(line)
        self._inbox: SimpleQueue[tuple[ChildPort, Row] | None] = SimpleQueue()
        self._port: ChildPort | None = None
        self._ticker = Ticker()
        self._busy = True

    def main(self) -> None:
        """Until the worker closes the line."""
        hello = receive_frame(self._socket)
        if hello is None:
            return
        threading.Thread(target=self._listen, name="holdfast-line", daemon=True).start()
        mind_forks(self._socket.close)
        settings = None if hello["settings"] is None else Settings(**hello["settings"])
        if settings is not None:
            set_up_output(settings, job_around)
        if settings is None or settings.capture_output:
            capture_output()
        sys.path[:] = hello["path"]
        try:
            app = load_app(hello["app"])
            if settings is not None:
                app.configure(settings)
        except BaseException as error:  # whatever the user's module does while it is imported
            self._line.send({"kind": "broken", "error": asdict(error_info(error))})
            return
        self._busy = False
        self._line.send({"kind": "ready"})
        while (work := self._inbox.get()) is not None:
            port, row = work
            self._line.send({"kind": "began"})
            only.port = port
            ended = _run(app, port, hello["grace"])
            only.port = None
            sys.stdout.flush()
            port.close()
            self._busy = False
            self._line.send(ended_message(ended, row))

    def _listen(self) -> None:
        while (message := receive_frame(self._socket)) is not None:
            if message["kind"] == "run":
                self._busy = True
                self._port = ChildPort(read_attempt(message), self._line, self._ticker)
                self._inbox.put((self._port, message["row"]))
            elif self._port is not None:
                self._port.hear(message)
        if self._busy:
            os._exit(1)  # the worker is gone: another one has the job, or soon will
        self._inbox.put(None)
        # the main thread ends in order, unless something that the jobs left behind holds it
        time.sleep(_LAST_WORDS)
        os._exit(0)


def _run(app: Any, port: ChildPort, grace: float) -> AttemptResult:
    attempt: Attempt = port.attempt
    kind = app.registry.get(attempt.type)
    if kind is None:
        error = ErrorInfo("UnknownJobType", f"the child process has no job type {attempt.type!r}")
        return AttemptResult(ResultKind.FAILED, error=error)
    ended = contextvars.copy_context().run(call, kind, attempt.args, port, grace=grace)
    try:
        finish_output(port)
        return conclude(ended, port)
    except Exception as error:
        return raised(error, port)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere it ends with its connection)."""
    send_at_parents_death(signal.SIGKILL)
    if sys.platform == "linux" and os.getppid() != parent:
        os._exit(1)


def _stay(number: int, stack: FrameType | None) -> None:
    """Ctrl-C and a stop of the whole group are the worker's business. A handler, not SIG_IGN: that would be inherited by the
    programs which jobs start."""


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, _stay)
    signal.signal(signal.SIGTERM, _stay)
    faulthandler.enable()
    for lock in map(int, sys.argv[3:]):  # held as long as we live, and not by what our jobs start
        os.set_inheritable(lock, False)
        mind_forks(partial(os.close, lock))
    line_to_worker = socket.socket(fileno=int(sys.argv[2]))
    line_to_worker.setblocking(True)  # whatever a job has made the default of the worker
    line_to_worker.set_inheritable(False)
    Child(line_to_worker).main()
