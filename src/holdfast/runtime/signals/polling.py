"""Signals without a broker: the listener is woken when the newest committed event has changed.

The default for a database without signals of its own, and what works behind PgBouncer in transaction mode. A poll is one
cheap query. After a change it runs every MIN_INTERVAL seconds, then less and less often, down to once in MAX_INTERVAL;
without listeners, not at all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from holdfast.runtime.signals.hub import Hub, HubListener
from holdfast.runtime.signals.options import SignalOptions
from holdfast.storage.topics import Topic

MIN_INTERVAL: Final = 0.02
MAX_INTERVAL: Final = 1.0
GROWTH: Final = 1.25

log = structlog.get_logger("holdfast.runtime")


def make(url: str, options: SignalOptions) -> PollingSignals:
    """Signals by looking at the store."""
    return PollingSignals(options.reader.last_event)


class PollingSignals:
    """Wakes every listener, whatever its topics, when `look` returns something else than before."""

    word = "polling of the store"

    def __init__(self, look: Callable[[], int]) -> None:
        self._look = look
        self._process = os.getpid()
        self._hub = Hub()
        self._lock = threading.Lock()
        self._stirred = threading.Event()
        self._looked = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def notify(self, topics: Iterable[Topic]) -> None:
        """Wakes the listeners of this process at once; those of others find the change that was committed before."""
        if self._process == os.getpid():
            self._hub.wake(topics)
            self._stirred.set()

    def listen(self, topics: Iterable[Topic]) -> HubListener:
        if self._process != os.getpid():
            raise RuntimeError("These signals were made before a fork; make them anew in each process.")
        listener = self._hub.listen(topics)
        with self._lock:
            if self._thread is None and not self._over.is_set():
                self._thread = threading.Thread(target=self._run, name="holdfast-signals", daemon=True)
                self._thread.start()
        self._stirred.set()
        return listener

    def ready(self, timeout: float) -> bool:
        return self._hub.empty or self._looked.wait(max(0.0, timeout))

    def close(self) -> None:
        if self._process != os.getpid():
            return
        with self._lock:
            self._over.set()
            thread, self._thread = self._thread, None
        self._stirred.set()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        """Poll until closed. The first poll has nothing to compare with: it wakes every listener, as the first one after
        an outage does."""
        seen: int | None = None
        pause = MIN_INTERVAL
        failing = False
        while not self._over.is_set():
            if self._hub.empty:
                seen = None
                self._looked.clear()
                self._stirred.wait()
                self._stirred.clear()
                continue
            try:
                now = self._look()
            except Exception as error:  # no error may end the only thread that polls
                if not failing:
                    log.warning("signals unavailable", through=self.word, error=str(error))
                failing, seen, pause = True, None, MAX_INTERVAL
            else:
                failing = False
                if now != seen:
                    self._hub.wake(Topic)
                    self._looked.set()
                seen, pause = now, MIN_INTERVAL if now != seen else min(MAX_INTERVAL, pause * GROWTH)
            if self._stirred.wait(pause):
                self._stirred.clear()
                pause = MIN_INTERVAL
                self._over.wait(MIN_INTERVAL)  # a storm of signals is no storm of questions
