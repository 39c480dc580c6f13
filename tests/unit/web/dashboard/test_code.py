"""The snippets beside a job do as they are shown what the job did: also for names that no program could import."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast import Holdfast
from holdfast.storage.writes import PublishTypes
from holdfast.web.dashboard.job.code import as_code, importable
from tests.unit.web.support import Lab, served

ARGS: dict[str, Any] = {"text": 'it\'s "quoted" $HOME', "n": 9007199254740993, "none": None, "on": True}
OPTIONS = {
    "queue": "mail",
    "priority": 3,
    "tags": ["eu", "a b"],
    "owner": "ann",
    "run_at": datetime(2099, 11, 20, 14, 0, tzinfo=UTC),
}
NAMES = ("gpu.train", "a b/c'd", "plain", "-x")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    lab = Lab(tmp_path)
    for name in NAMES:

        def job(text: str, n: int, none: int | None, on: bool) -> None:
            return None

        lab.holdfast.job(name=name)(job)
    lab.parts.gateway.run(PublishTypes([t.row(0) for t in lab.holdfast.registry]))
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path))
    yield lab
    lab.close()


def stored(lab: Lab, name: str) -> tuple[Any, ...]:
    [job] = [job for job in lab.client.jobs.search(lab.client.jobs.query("")).items if job.type == name]
    return job.args, job.queue, job.priority, job.tags, job.owner, job.run_at


WANTED = (ARGS, "mail", 3, ["eu", "a b"], "ann", OPTIONS["run_at"])


@pytest.mark.parametrize("name", NAMES)
def test_the_program_runs(lab: Lab, name: str) -> None:
    text = dict(as_code(name, ARGS, OPTIONS, ""))["Python"]
    exec(compile(text, "snippet", "exec"), {})
    assert stored(lab, name) == WANTED


@pytest.mark.parametrize("name", NAMES)
def test_the_command_runs(lab: Lab, name: str) -> None:
    text = dict(as_code(name, ARGS, OPTIONS, ""))["Command line"]
    program, *words = shlex.split(text)
    assert program == "holdfast"
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert stored(lab, name) == WANTED


@pytest.mark.parametrize("name", NAMES)
def test_the_request_is_taken(lab: Lab, name: str) -> None:
    with served(lab) as url:
        words = shlex.split(dict(as_code(name, ARGS, OPTIONS, url))["curl"].replace("\\\n", " "))
        header, _, value = words[words.index("-H") + 1].partition(": ")
        body = words[words.index("-d") + 1].encode()
        answer = httpx.request(words[2], words[3], headers={header: value}, content=body)
    assert answer.status_code == 201, answer.text
    assert stored(lab, name) == WANTED


app = Holdfast()


@app.job()
def kept_here(n: int = 1) -> int:
    return n


def test_a_job_whose_code_is_here_is_imported() -> None:
    source = importable(app.registry, "kept_here")
    text = dict(as_code("kept_here", {"n": 3}, {"queue": "q"}, "", source))["Python"]
    assert text.startswith(f"from {__name__} import kept_here\n")
    assert "kept_here.options(queue='q').enqueue(\n    n=3,\n)" in text
    assert importable(app.registry, "unknown") is None


def test_json_has_everything() -> None:
    body = json.loads(dict(as_code("t", {"n": 1}, {"queue": "q"}, ""))["JSON"])
    assert body == {"type": "t", "args": {"n": 1}, "queue": "q"}
