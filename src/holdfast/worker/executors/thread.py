"""The executor of `def` jobs: they run in a few threads, so that they do not stop the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import SimpleQueue
from time import monotonic

from holdfast.core.outcome import AttemptResult, Interrupted, ResultKind
from holdfast.worker.attempt import conclude, raised
from holdfast.worker.executors.base import Run
from holdfast.worker.executors.call import Force, call
from holdfast.worker.executors.capture import finish_output
from holdfast.worker.executors.windup import GRACE

FORCE_TIMEOUT = 2.0
"""Seconds between force and giving a thread up."""

ABANDONED = "abandoned"


class _Stage(Enum):
    WAITING = auto()
    RUNNING = auto()
    ABANDONED = auto()
    OVER = auto()


@dataclass(slots=True, eq=False)
class _Work:
    """One attempt on its way through the pool. `stage` and `thread` are changed under the pool's lock only."""

    run: Run
    answer: asyncio.Future[AttemptResult]
    loop: asyncio.AbstractEventLoop
    context: contextvars.Context
    stage: _Stage = _Stage.WAITING
    thread: threading.Thread | None = None
    force: Force = field(default_factory=Force)
    timers: list[asyncio.TimerHandle] = field(default_factory=list[asyncio.TimerHandle])


class ThreadExecutor:
    """A pool of at most `threads` daemon threads, started as they are needed.

    Each job has its own copy of the context variables. Force raises `Interrupted` in the thread, which Python does between
    two steps of its own code; a thread that stays in foreign code for `force_timeout` seconds more is given up: the run
    ends, the pool may start another thread, and `abandoned` counts it until it ends. Only the end of the process frees
    such a thread for certain. `grace`: seconds for which what a job has left running may reach a checkpoint, see `windup`.
    """

    def __init__(self, threads: int, *, force_timeout: float = FORCE_TIMEOUT, grace: float = GRACE) -> None:
        self._limit = threads
        self._force_timeout = force_timeout
        self._grace = grace
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._works: dict[Run, _Work] = {}
        self._outstanding = 0  # waiting or running
        self._abandoned: set[_Work] = set()

    @property
    def abandoned(self) -> int:
        """Threads that were given up and still run."""
        return len(self._abandoned)

    async def run(self, run: Run) -> AttemptResult:
        loop = asyncio.get_running_loop()
        work = self._works[run] = _Work(run, loop.create_future(), loop, contextvars.copy_context())
        with self._lock:
            self._outstanding += 1
        self._queue.put(work)
        self._start_threads()
        run.begun()
        try:
            return await work.answer
        except asyncio.CancelledError:
            self.force(run, because="stop")
            raise
        finally:
            del self._works[run]

    def force(self, run: Run, *, because: str) -> None:
        work = self._works.get(run)
        if work is None or work.force.because is not None:
            return
        work.force.because = because
        with self._lock:
            if work.stage is _Stage.WAITING:
                work.stage = _Stage.OVER
                self._outstanding -= 1
        if work.stage is _Stage.OVER:
            _answer(work, AttemptResult(ResultKind.INTERRUPTED, reason=because))
            return
        if not self._cancel(work):
            self._raise_in(work)
        work.timers = [
            work.loop.call_later(self._force_timeout / 2, self._raise_in, work),
            work.loop.call_later(self._force_timeout, self._abandon, work),
        ]

    async def close(self) -> None:
        """Idle threads end now. Abandoned ones are left alone: they are daemons, and end with the process at the latest."""
        threads = list(self._threads)
        for _ in threads:
            self._queue.put(None)
        until = monotonic() + 1.0
        for thread in threads:
            # they are idle, so this takes no time; one that is not must not keep the worker
            thread.join(max(0.0, until - monotonic()))

    # -- on the event loop ------------------------------------------------------------------------------------------------

    def _start_threads(self) -> None:
        with self._lock:
            while len(self._threads) < min(self._limit, self._outstanding):
                thread = threading.Thread(target=self._serve, name="holdfast-job", daemon=True)
                self._threads.add(thread)
                thread.start()

    def _cancel(self, work: _Work) -> bool:
        """End an asynchronous function the way its own loop does it."""
        if work.force.cancel is None:
            return False
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has come to its end by itself
            work.force.cancel()
            return True
        return False

    def _raise_in(self, work: _Work) -> None:
        """Raise Interrupted in the thread of `work`, if it is still there."""
        with self._lock:
            if work.stage is _Stage.RUNNING and work.thread is not None and work.thread.ident is not None:
                _set_async_exception(work.thread.ident, ctypes.py_object(_interruption(work.force)))

    def _abandon(self, work: _Work) -> None:
        with self._lock:
            if work.stage is not _Stage.RUNNING or work.thread is None:
                return
            work.stage = _Stage.ABANDONED
            self._abandoned.add(work)
            self._threads.discard(work.thread)
            self._outstanding -= 1
        _answer(work, _concluded(work, AttemptResult(ResultKind.INTERRUPTED, reason=ABANDONED)))
        self._start_threads()

    # -- in a thread of the pool --------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            given_up = False
            try:
                given_up = self._perform(work)
            except Interrupted:  # raised from outside at the last moment, after the end of the job itself
                given_up = self._finish(work, AttemptResult(ResultKind.INTERRUPTED))
            if given_up:
                return

    def _perform(self, work: _Work) -> bool:
        with self._lock:
            if work.stage is not _Stage.WAITING:
                return False
            work.stage, work.thread = _Stage.RUNNING, threading.current_thread()
        ended = None
        try:
            ended = work.context.run(self._call, work)
        except BaseException as error:  # `call` catches what the job raises; this was raised from outside
            ended = ended or raised(error, work.run.port, work.force.reason)
        return self._finish(work, ended)

    def _call(self, work: _Work) -> AttemptResult:
        return call(work.run.type, work.run.job.args, work.run.port, force=work.force, grace=self._grace)

    def _finish(self, work: _Work, ended: AttemptResult) -> bool:
        """Answer, once. True when the thread was given up meanwhile, and so is no part of the pool any more.

        Interrupted may be raised in here until it is taken back, and not after: raising needs the lock. So nothing is
        changed before, and the caller simply calls again."""
        with self._lock:
            if work.force.because is not None:
                _take_back_exception()
            given_up = work.stage is _Stage.ABANDONED
            if work.stage is _Stage.RUNNING:
                self._outstanding -= 1
            work.stage = _Stage.OVER
            self._abandoned.discard(work)
        if not given_up:
            if ended.end is ResultKind.INTERRUPTED and work.force.because is not None:
                ended = ended._replace(reason=work.force.because)
            ended = _concluded(work, ended)
            with contextlib.suppress(RuntimeError):  # the worker's loop is closed: no task waits for this
                work.loop.call_soon_threadsafe(_answer, work, ended)
        return given_up


def _interruption(force: Force) -> type[Interrupted]:
    """An exception to be raised in a thread from outside. Python makes its instance when it is raised there, not before."""

    class ForcedInterrupted(Interrupted):
        def __init__(self, *words: object) -> None:
            super().__init__(*words)
            force.reached = True

    return ForcedInterrupted


def _concluded(work: _Work, ended: AttemptResult) -> AttemptResult:
    try:
        finish_output(work.run.port)
        return conclude(ended, work.run.port)
    except Exception as error:
        return raised(error, work.run.port)


def _answer(work: _Work, ended: AttemptResult) -> None:
    for timer in work.timers:
        timer.cancel()
    if not work.answer.done():
        work.answer.set_result(ended)


def _set_async_exception(ident: int, exception: ctypes.py_object[type[BaseException]]) -> None:
    """Have `exception` raised in a thread between two steps of Python code, in place of one that is pending."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), exception)


class _NothingPending(BaseException):
    """Raised in place of an exception that is not wanted any more."""


def _take_back_exception() -> None:
    """Have nothing pending in this thread any more.

    Another exception is raised and caught in its place: where a pending one is only removed, CPython 3.11 keeps looking for
    it at every step, which slows all threads down and makes tracing (debuggers, coverage) hang."""
    try:
        _set_async_exception(threading.get_ident(), ctypes.py_object(_NothingPending))
        while True:
            pass
    except _NothingPending:
        return
