"""What jobs print and log reaches the console of the attempt that has said it, and of no other."""

# ruff: noqa: T201 - that they print is the point
from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from holdfast.context.loops import around
from holdfast.worker.executors import capture
from tests.unit.worker.executors.helpers import ExecutorPort, a_run, an_executor, run, until
from tests.unit.worker.executors.test_all import everywhere


@contextmanager
def captured() -> Generator[None]:
    """Capture in this process; children do so by themselves. Not in a fixture: pytest has other streams there."""
    root = logging.getLogger()
    streams, level, handled = (sys.stdout, sys.stderr), root.level, logging.Logger.callHandlers
    levels = [(handler, handler.level) for handler in root.handlers]
    root.setLevel(logging.WARNING)
    capture.capture_output()
    try:
        yield
    finally:
        (sys.stdout, sys.stderr), logging.Logger.callHandlers = streams, handled
        root.setLevel(level)
        for handler, before in levels:
            handler.setLevel(before)


def console(port: ExecutorPort) -> list[tuple[str, str]]:
    return [(level, message) for _, level, message, _ in port.of("log")]


@everywhere
def test_prints_and_records_are_lines_of_the_console(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"prints{way}", n=7)
            assert (await executor.run(one)).result == "7"
            assert console(port) == [
                ("info", "line 7"),
                ("info", "two"),
                ("info", "100 %"),
                ("warning", "trouble"),
                ("info", "row 7"),
                ("error", "bad"),
                ("info", "last words"),
            ]
            assert [fields for *_, fields in port.of("log") if fields] == ['{"row":7}']
            assert capture.partial_lines == {}

    with captured():
        run(main())


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_each_attempt_has_its_own_lines(place: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            runs = [a_run("prints_everywhere_async", n=n) for n in range(20)]
            await asyncio.gather(*(executor.run(one) for one, _ in runs))
            for n, (_, port) in enumerate(runs):
                lines = sorted(message for _, message in console(port))
                assert lines == [f"callback {n}", f"half {n}", f"task {n}", f"thread {n}"]

    with captured():
        run(main())


def test_what_is_said_outside_of_attempts_or_after_one_is_no_line() -> None:
    async def main() -> None:
        async with an_executor("loop") as executor:
            one, port = a_run("add_async", a=1, b=1)
            await executor.run(one)
            print("outside")
            one.port.flags.lost = True
            around.set(port)
            print("late")
            assert console(port) == []

    with captured():
        run(main())


def test_a_handler_that_prints_makes_no_second_line() -> None:
    class Printing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("printed:", record.getMessage())

    handler = Printing()
    logger = logging.getLogger("of.a.library")
    logger.addHandler(handler)

    async def main() -> None:
        async with an_executor("thread") as executor:
            one, port = a_run("prints", n=1)
            await executor.run(one)
            assert [message for _, message in console(port) if "printed" in message] == []

    try:
        with captured():
            run(main())
    finally:
        logger.removeHandler(handler)


def test_the_log_of_the_context_makes_one_line() -> None:
    async def main() -> None:
        async with an_executor("thread") as executor:
            one, port = a_run("nap")
            task = asyncio.create_task(executor.run(one))
            await until(lambda: console(port))
            port.raise_flag("pause")
            await task
            assert console(port) == [("info", "asleep")]

    with captured():
        run(main())


def test_the_handlers_that_were_there_write_no_more_than_before() -> None:
    written: list[Any] = []
    handler = logging.Handler()
    handler.emit = written.append  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with captured():
            logging.getLogger("of.a.library").info("not before")
            logging.getLogger("of.a.library").warning("as before")
    finally:
        root.removeHandler(handler)
    assert [record.getMessage() for record in written] == ["as before"]
