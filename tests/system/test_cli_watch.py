"""Watching and waiting for jobs that really run: lines, a live terminal with its keys, a server that is restarted."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.system.cli_house import TIMEOUT, House, until


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    """One running Holdfast for all of these tests."""
    with House(tmp_path_factory.mktemp("house")) as house:
        house.up()
        yield house


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, house: House, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        self.text = ""
        self._before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "holdfast", *words],
            cwd=house.folder,
            env={**house.environment, "TERM": "xterm-256color", "COLUMNS": "140"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_own_terminal,
        )

    def until(self, pattern: str) -> str:
        """Read on until this is seen in what was not yet read. Returns it."""
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < deadline, self.text[-2000:]
            if select.select([self._ours], [], [], 0.1)[0]:
                self.text += os.read(self._ours, 65_536).decode(errors="replace")
        self.text = self.text[found.end() :]
        return found.group()

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def end(self) -> int:
        """The exit code; the terminal is as it was."""
        deadline = time.monotonic() + TIMEOUT
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self._ours], [], [], 0.1)[0]:
                self.text += os.read(self._ours, 65_536).decode(errors="replace")
        assert termios.tcgetattr(self._theirs) == self._before
        os.close(self._theirs)
        os.close(self._ours)
        return self.process.returncode


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def listens(pid: int) -> bool:
    """Whether the process waits for wake-ups: it has opened the kernel's file notification."""
    try:
        return any("inotify" in str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


ENDLESS = 1_000_000


def new_job(house: House, n: int = ENDLESS) -> str:
    return house.run("job", "run", "count_to", "--arg", f"n={n}", "--ids").stdout.strip()


def test_the_exit_code_shows_how_the_job_ended(house: House) -> None:
    done = house.run("job", "run", "add", "--arg", "a=40", "--wait", "--fields", "state,result")
    assert (done.returncode, done.stdout) == (0, "state\tsucceeded\nresult\t42\n")
    done = house.run("job", "run", "boom", "--wait", "--fields", "error.message")
    assert (done.returncode, done.stdout) == (1, "error.message\tboom\n")


def test_watch_writes_a_line_for_each_change_where_there_is_no_terminal(house: House) -> None:
    watching = house.start("job", "run", "walk", "--arg", "n=20", "--arg", "gate=gate of lines", "--watch")

    def lines(state: str) -> list[str]:
        cells = [
            line.split("\t") for line in house.out(watching).splitlines(keepends=True) if line.endswith("\n")
        ]
        return [cell[3] for cell in cells if cell[2] == state]

    until(lambda: any(" / 20" in line and not line.startswith("0 /") for line in lines("processing")))
    house.allow("gate of lines")
    assert watching.wait(TIMEOUT) == 0
    assert lines("succeeded") == ["20 / 20  100 %"]


def test_logs_follow_until_the_end(house: House) -> None:
    done = house.run("job", "logs", new_job(house, 20), "--follow")
    printed, *logged = [line.split("\t")[3] for line in done.stdout.splitlines()]
    assert printed == "I count"
    assert logged == [f"at {number}" for number in range(20)]


def test_a_job_is_controlled_by_keys(house: House) -> None:
    job_id = new_job(house)
    screen = Screen(house, "job", "watch", job_id)
    screen.until(r"┃.*held \d+")
    screen.until(r"at \d+")
    screen.press("p")
    screen.until(r"(pausing|pause requested)")
    screen.until(r"paused [\d.]+ m?s")
    screen.press("r")
    screen.until(r"processing [\d.]+ m?s")
    screen.press("c")
    screen.until(r"Cancel this job\?")
    screen.press("n")
    screen.until(r"not cancelled")
    screen.press("l")
    screen.press("c")
    screen.until(r"Cancel this job\?")
    screen.press("y")
    assert screen.end() == 7
    assert house.ask("job", "show", job_id)["reason"] == "from holdfast job watch"


def test_leaving_and_ctrl_c_leave_the_job_alone(house: House) -> None:
    job_id = new_job(house)
    screen = Screen(house, "job", "watch", job_id)
    screen.until(r"\[q\]uit")
    screen.press("q")
    assert screen.end() == 0
    screen = Screen(house, "job", "watch", job_id)
    screen.until(r"\[q\]uit")
    screen.press("\x03")
    assert screen.end() == 130
    assert f"holdfast job cancel {job_id}" in screen.text
    waiting = house.start("job", "wait", job_id)
    until(lambda: listens(waiting.pid))
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(30) == 130
    assert house.ask("job", "show", job_id)["state"] == "processing"
    assert house.run("job", "cancel", job_id).returncode == 0


def test_top_shows_the_whole_and_leaves_the_screen_as_it_was(house: House) -> None:
    job_id = new_job(house)
    screen = Screen(house, "top")
    screen.until(r"processing")
    screen.until(job_id)
    screen.until(r"┃")
    screen.press("q")
    assert screen.end() == 0
    assert screen.text.rstrip().endswith("\x1b[?1049l")
    house.run("job", "cancel", job_id)


def test_watching_outlives_a_restart_of_the_server(house: House) -> None:
    job_id = house.run(
        "job", "run", "walk", "--arg", "n=1", "--arg", "gate=gate of server", "--ids"
    ).stdout.strip()
    port = "0"
    web = house.start("web", HOLDFAST_PORT=port)
    url = house.ready(web).rpartition(" ")[2]
    port = url.rpartition(":")[2]
    watching = house.start("job", "watch", job_id, "--url", url)
    until(lambda: "processing" in house.out(watching))
    web.kill()
    web.wait()
    until(lambda: "Retrying" in house.err(watching))
    house.ready(house.start("web", HOLDFAST_PORT=port))
    until(lambda: "Connection restored" in house.err(watching))
    house.allow("gate of server")
    assert watching.wait(TIMEOUT) == 0
    assert house.out(watching).splitlines()[-1].split("\t")[2] == "succeeded"
