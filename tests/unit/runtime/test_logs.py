"""Whatever a process says is in the format of the log, one line each, at the level that is set."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SET_UP = """
import logging, os, sys, threading, warnings
import structlog
from holdfast.core.settings import Settings
from holdfast.runtime.logs import end_output, set_up_output
logging.basicConfig(format="of the user: %(message)s")
set_up_output(Settings(log_format="{format}", log_level="{level}"))
"""


def run(code: str, *, level: str = "info", format: str = "json") -> list[str]:
    program = SET_UP.format(level=level, format=format) + code
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    return [*done.stderr.splitlines(), *done.stdout.splitlines()]


def said(code: str, **options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(code, **options)]


@pytest.mark.parametrize(
    ("code", "level", "event"),
    [
        ('logging.getLogger("lib").error("two\\nlines %s", 1)', "error", "two\\nlines 1"),
        ('logging.getLogger("lib").info("in passing")', "info", "in passing"),
        ('warnings.warn("mind that")', "warning", "mind that"),
        ('print("printed")', "info", "printed"),
        ('print("printed", file=sys.stderr)', "info", "printed"),
        ('print("no end of line", end=""); end_output()', "info", "no end of line"),
        ('structlog.get_logger("x").warning("of ours")', "warning", "of ours"),
        ("1 / 0", "critical", "uncaught exception"),
        ("t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", "critical", "uncaught exception"),
        ("class D:\n def __del__(self): 1 / 0\nD()", "error", "xception ignored"),
        ('try: 1 / 0\nexcept Exception: logging.exception("it failed")', "error", "it failed"),
        ('logging.getLogger("uvicorn.error").error("Exception in ASGI")', "error", "Exception in ASGI"),
        (
            'structlog.get_logger("x").info("bytes", raw=b"\\xff", bad="\\udcff", d={1: object()})',
            "info",
            "bytes",
        ),
    ],
)
def test_every_line_is_json(code: str, level: str, event: str) -> None:
    (line,) = said(code)
    assert line["level"] == level
    assert event in line["event"]
    assert line["timestamp"].endswith("Z")
    if "1 / 0" in code:
        assert "ZeroDivisionError" in line["exception"]


def test_what_is_bound_for_a_job_is_in_every_line_said_in_it() -> None:
    code = """
structlog.contextvars.bind_contextvars(job="j1")
print("printed")
logging.warning("logged")
warnings.warn("warned")
structlog.get_logger("x").info("ours")
"""
    assert [line["job"] for line in said(code)] == ["j1"] * 4


def test_fields_of_standard_logging_are_kept() -> None:
    (line,) = said('logging.getLogger("shop").warning("sold", extra={"order": 7})')
    assert (line["logger"], line["order"]) == ("shop", 7)


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_holds_for_all(level: str, count: int, format: str) -> None:
    code = """
for level in ("debug", "info", "warning", "error"):
    getattr(logging.getLogger("lib"), level)("theirs")
    getattr(structlog.get_logger("x"), level)("ours")
"""
    lines = run(code, level=level, format=format)
    assert len([line for line in lines if "theirs" in line]) == count
    assert len([line for line in lines if "ours" in line]) == count
    assert len(lines) == 2 * count


def test_the_console_shows_names_escaped_and_each_line_once() -> None:
    lines = run('logging.getLogger("lib").warning("a\\x1b[2Jb"); print("printed")', format="console")
    assert len(lines) == 2
    assert "\\x1b[2J" in lines[0]
    assert "of the user" not in lines[0]
    assert lines[1] == "printed"
