"""The event loop of a worker process, which no job can stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog
import uvloop

T = TypeVar("T")

log = structlog.get_logger("holdfast.worker")


def run_to_its_end(main: Coroutine[Any, Any, T]) -> T:
    """Run the body of a worker process. SystemExit, KeyboardInterrupt or `loop.stop()` of a job's task, callback or thread
    stops the event loop, and it continues: an ended task logs its own failure."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        body = loop.create_task(main)
        while not body.done():
            try:
                loop.run_until_complete(body)
            except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
                if body.done() or loop.is_closed():
                    break
                log.error(
                    "a job has stopped the event loop; it continues", error=f"{type(error).__name__}: {error}"
                )
        return body.result()
