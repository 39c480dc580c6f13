"""`make up`: what a newcomer sees in the first minute, and the three things that are printed to be tried."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.client.views import JobView
from tests.system.fleet import ROOT, TIMEOUT, until


class Sample:
    """The running examples, and a look into their store."""

    def __init__(self, folder: Path) -> None:
        self.environment = {**os.environ, "HOLDFAST_DATA_DIR": str(folder / "data"), "HOLDFAST_PORT": "0"}
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "examples"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.app = Holdfast(data_dir=str(folder / "data"))

    def said(self, pattern: str) -> str:
        """What has been printed for a pattern with one group."""
        found = until(lambda: re.search(pattern, self._output.read_text()), f"{pattern} is printed")
        return found.group(1)

    def run(self, command: str) -> None:
        """A command as it was printed."""
        subprocess.run(command.split(), cwd=ROOT, env=self.environment, check=True, capture_output=True)

    def sees(self, query: str, fact: Callable[[JobView], object] = bool) -> JobView:
        """Wait for a job that a search finds and of which the fact is true."""

        def look() -> list[JobView]:
            return [
                job
                for job in self.app.client.jobs.search(self.app.client.jobs.query(query)).items
                if fact(job)
            ]

        return until(look, f"{query} is to be seen")[0]

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(TIMEOUT) == 0
        finally:
            self.process.kill()
            self.app.close()


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    sample = Sample(tmp_path)
    yield sample
    sample.end()


def test_the_first_minute_shows_something_of_everything(sample: Sample) -> None:
    sample.said("(Holdfast is ready)")
    console = sample.sees("type:import_customers state:processing")
    until(lambda: len(sample.app.client.jobs.logs(console.id).items) > 3, "its console fills")
    video = sample.sees("type:convert_video", lambda job: job.progress and job.progress.bars)
    assert video.tags == ["video"]
    assert video.owner == "marketing"
    sample.sees("type:flaky", lambda job: job.attempt > 1)
    sample.sees("type:boom state:failed")
    sample.sees("type:count_to", lambda job: job.run_at)
    sample.sees("type:count_to owner:producer")


def test_what_is_printed_to_be_tried_works_as_printed(sample: Sample) -> None:
    pause = sample.said(r"\n  (\S*holdfast job pause \S+)\n")
    pid = int(sample.said(r"\n  kill -9 (\d+)\n"))
    resume = sample.said(r"\n  (\S*holdfast job resume \S+)\n")
    job = sample.app.handle(pause.split()[-1])
    sample.run(pause)
    until(lambda: job.refresh().state == "paused", "it is paused")
    progress = job.view.progress
    assert progress is not None
    os.kill(pid, signal.SIGKILL)
    sample.run(resume)
    until(lambda: (now := job.refresh().view.progress) and now.done > progress.done, "it continues")
    worker = job.view.worker
    os.kill(next(w.pid for w in sample.app.client.workers.all() if w.id == worker), signal.SIGKILL)
    until(lambda: job.refresh().view.worker not in (None, worker), "another process has it")
    assert job.view.attempt == 1
