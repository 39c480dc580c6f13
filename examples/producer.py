"""A program that only enqueues: it knows the jobs by their names and does not contain their code."""

from __future__ import annotations

import os
import signal
import time

from examples.first_minute import enqueue_samples, explain
from holdfast import Holdfast, HoldfastError, JobHandle, UnknownJobType

EVERY = 5.0
LOOK = 0.5


def produce(every: float = EVERY) -> None:
    """Enqueue the samples, then one `count_to` every five seconds, until the parent process is gone."""
    app, parent = Holdfast(), os.getppid()
    to_try: JobHandle | None = None
    explained, due = False, 0.0
    while os.getppid() == parent:
        try:
            to_try = to_try or enqueue_samples(app)
            explained = explained or explain(app, to_try)
            if time.monotonic() >= due:
                app.enqueue("count_to", {"n": 100, "delay": 0.1}, owner="producer", tags=["sample"])
                due = time.monotonic() + every
        except UnknownJobType:  # no worker has published yet what it can run
            pass
        except HoldfastError as error:
            print(f"producer: {error}", flush=True)
            time.sleep(every)
        time.sleep(LOOK)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    produce()
