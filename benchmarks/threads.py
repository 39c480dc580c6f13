"""Calls from sixteen threads at once, the same way for everyone. Standard library only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

THREADS = 16


def by_threads(calls: int, call: Callable[[int], object]) -> float:
    """Calls per second when 16 threads share `calls` of them, from the moment all are ready until the last
    has ended.

    An error in a thread is raised here.
    """
    share = calls // THREADS
    ready = threading.Barrier(THREADS + 1)
    errors: list[BaseException] = []

    def work(start: int) -> None:
        try:
            ready.wait()
            for number in range(start, start + share):
                call(number)
        except BaseException as error:  # handed to the caller below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number * share,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return share * THREADS / (time.monotonic() - began)
