"""Writing to standard output and error never fails and never hangs, and lines of threads are not mixed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast.runtime import output
from holdfast.runtime.output import LineStream

CODE = """
import os, sys
from holdfast.runtime.output import open_standard_files, protect_output
open_standard_files()
protect_output()
for _ in range(50):
    print("x" * 10_000)
    print("y" * 10_000, file=sys.stderr)
sys.stdout.flush()
taken = os.open(os.devnull, os.O_RDONLY)
os.write(int(sys.argv[1]), b"alive, a new file is %d" % taken)
"""


@contextmanager
def report() -> Iterator[tuple[int, io.BufferedReader]]:
    """A pipe by which a process can say something when its standard files are of no use."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader:
        yield writing, reader


@pytest.mark.parametrize(
    "files",
    [">/dev/full 2>&1", "1>&-", "2>&-", "0<&-", "0<&- 1>&- 2>&-", "2>&1 | true", "2>&1 | sleep 60"],
)
def test_a_process_outlives_its_standard_files(files: str) -> None:
    """A full disk, closed files, a reader that has gone, a reader that takes nothing."""
    with report() as (writing, reader):
        command = f'"$0" -c "$1" "$2" {files}'
        shell = subprocess.Popen(
            ["sh", "-c", command, sys.executable, CODE, str(writing)],
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        said = reader.read(7)
        os.killpg(shell.pid, 9)
        shell.wait()
        said += reader.read()
    assert said.startswith(b"alive")
    assert int(said.split()[-1]) > 2


def test_the_exit_code_is_that_of_the_program() -> None:
    code = "from holdfast.runtime.output import protect_output; protect_output(); print('x', end='')"
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        assert subprocess.run([sys.executable, "-c", code], stdout=full, stderr=full).returncode == 0


def test_output_continues_when_its_reader_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "STALL_MS", 0)
    reading, writing = os.pipe()
    safe = output._SafeOutput(writing)
    with os.fdopen(reading, "rb", buffering=0) as reader:
        for _ in range(100):
            assert safe.write(b"x" * 4_096) == 4_096
        kept = 0
        while kept < 65_536:
            kept += len(reader.read(65_536) or b"")
        assert safe.write(b"again") == 5
        assert reader.read(100) == b"again"
    os.close(writing)


def test_each_line_is_whole_whichever_thread_wrote_it() -> None:
    lines: list[str] = []
    stream = LineStream(io.StringIO(), lines.append)
    both = threading.Barrier(2)

    def say(word: str) -> None:
        for _ in range(200):
            stream.write(word)
            both.wait(20)
            stream.write(f"-{word}\r\n")

    threads = [threading.Thread(target=say, args=(word,)) for word in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lines) == ["a-a"] * 200 + ["b-b"] * 200
    stream.write("one\n\ntwo\nno end")
    assert lines[400:] == ["one", "two"]
    stream.end()
    assert lines[402:] == ["no end"]
