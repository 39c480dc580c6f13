"""A program that only enqueues: it knows the job by its name and does not contain its code."""

from __future__ import annotations

import os
import signal
import time

from holdfast import Holdfast, HoldfastError, UnknownJobType

EVERY = 5.0


def produce(every: float = EVERY) -> None:
    """Queue one `count_to` every five seconds, until the program that started this one is gone."""
    app, parent = Holdfast(), os.getppid()
    while os.getppid() == parent:
        try:
            app.enqueue("count_to", {"n": 100, "delay": 0.1}, owner="producer", tags=["sample"])
        except UnknownJobType:  # no worker has told the store yet what it can run
            time.sleep(0.5)
        except HoldfastError as error:
            print(f"producer: {error}", flush=True)
            time.sleep(every)
        else:
            time.sleep(every)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    produce()
