"""The shortest proof that Holdfast works on this Python: a job goes from enqueue to succeeded in a real worker process."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.core.states import FINAL_STATES

APP = """
from holdfast import Holdfast, JobContext

app = Holdfast(data_dir={data!r}, workers=1)

@app.job()
async def add(ctx: JobContext, a: int, b: int = 2) -> int:
    total = 0
    for number in ctx.track([a, b], total=2):
        total += number
    return total

@app.job()
def shout(word: str) -> str:
    return word.upper()

@app.job(executor="process")
def square(number: int) -> int:
    return number * number
"""


def test_a_job_is_enqueued_and_run_and_its_result_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "smoke_app.py"
    module.write_text(APP.format(data=str(tmp_path / "data")))
    monkeypatch.syspath_prepend(tmp_path)
    app: Holdfast = importlib.import_module("smoke_app").app
    handles = [
        app.enqueue("add", {"a": 40}),
        app.enqueue("shout", {"word": "held"}),
        app.enqueue("square", {"number": 9}),
    ]
    worker = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "worker", "--app", "smoke_app:app"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    try:
        deadline = time.monotonic() + 60
        while any(handle.refresh().state not in FINAL_STATES for handle in handles):
            assert worker.poll() is None, "the worker has ended before its jobs"
            assert time.monotonic() < deadline, [handle.view for handle in handles]
            time.sleep(0.05)
        assert [handle.result for handle in handles] == [42, "HELD", 81]
        assert {handle.state for handle in handles} == {"succeeded"}
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
        app.close()
