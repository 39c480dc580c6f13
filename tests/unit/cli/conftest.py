"""A terminal of its own for each test: a store in a temporary folder, and what the command has written."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from holdfast import Holdfast
from holdfast.cli import main
from holdfast.core.job import ClaimRequest, WorkerRow
from holdfast.core.outcome import ErrorInfo, LogLine, Report, Settlement
from holdfast.core.states import Verb
from holdfast.storage.writes import Claim, PublishTypes, RegisterWorker, Settle, StoreReports
from tests.unit.cli.sample import make_app

APP = "tests.unit.cli.sample:app"


class Done(NamedTuple):
    """How a command has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Terminal:
    """Types commands. Its output is no terminal: lines and JSON, no tables."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Done:
        self._capsys.readouterr()
        code = main(list(words))
        written = self._capsys.readouterr()
        return Done(code, written.out, written.err)


class Hands:
    """Does to jobs what workers do, without one."""

    def __init__(self, app: Holdfast) -> None:
        self.app = app
        self.gateway = app.open().gateway
        row = WorkerRow(
            id="w1", name="w1", host="here", pid=4711, version="0", queues=(), types=("count_to",), slots=10
        )
        self.gateway.run(RegisterWorker(row, lease=600.0))
        self.gateway.run(PublishTypes([kind.row(default_retries=10) for kind in app.registry]))

    def add(self, **options: Any) -> str:
        return self.app.enqueue("count_to", {"n": 3}, **options).id

    def claim(self) -> Any:
        return self.gateway.run(Claim(ClaimRequest(worker="w1", types=frozenset(("count_to",)), limit=1)))[0]

    def log(self, *lines: str) -> str:
        claimed = self.claim()
        said = tuple(
            LogLine(self.app.open().store.now(), "warning" if "!" in line else "info", line) for line in lines
        )
        self.gateway.run(
            StoreReports([Report(claimed.seq, claimed.token, logs=said, progress='{"done":2,"total":4}')])
        )
        return claimed.id

    def end(self, verb: Verb) -> str:
        claimed = self.claim()
        error = ErrorInfo("ValueError", "no good") if verb is Verb.FAIL else None
        settlement = Settlement(claimed.seq, claimed.token, verb, result="3", error=error)
        self.gateway.run(Settle([settlement]))
        return claimed.id


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Commands on a store in a folder of its own, with the sample app."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_APP", APP)
    monkeypatch.setenv("HOLDFAST_PORT", "0")
    return Terminal(capsys)


@pytest.fixture
def hands(terminal: Terminal) -> Generator[Hands]:
    """The same store, from the side of a worker."""
    app = make_app()
    yield Hands(app)
    app.close()
