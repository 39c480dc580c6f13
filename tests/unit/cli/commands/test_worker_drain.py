"""Waiting for draining workers: stopped ones, lost ones, and a short outage of the server."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from holdfast.cli.backend.protocol import ChangeSignal
from holdfast.cli.commands import job_wait
from holdfast.cli.commands.worker_drain import wait_until_ended
from holdfast.cli.exit_codes import ExitCode
from holdfast.client.views import WorkerView
from holdfast.core.errors import StorageUnavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def worker(worker_id: str, state: str = "draining") -> WorkerView:
    return WorkerView(
        id=worker_id,
        name=worker_id,
        host="here",
        pid=1,
        version="1",
        state=state,
        queues=[],
        types=[],
        slots=1,
        busy=1,
        started_at=NOW,
        heartbeat_at=NOW,
    )


class Script:
    """A backend that returns these workers, one list for each poll."""

    def __init__(self, *looks: Sequence[WorkerView] | Exception) -> None:
        self._looks = list(looks)

    def workers(self) -> list[WorkerView]:
        look = self._looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return list(look)

    @contextmanager
    def listen(self, q: str) -> Generator[ChangeSignal]:
        yield self  # type: ignore[misc]

    def wait(self, timeout: float) -> bool:
        return True


def waited(*looks: Sequence[WorkerView] | Exception) -> int:
    return wait_until_ended(Script(*looks), [worker("a"), worker("b")], None)  # type: ignore[arg-type]


def test_until_the_last_one_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert waited([worker("a"), worker("b")], [worker("b")], [worker("b")], []) == ExitCode.DONE
    assert capsys.readouterr().err.splitlines() == ["a has stopped.", "b has stopped."]


def test_one_that_was_lost_on_the_way_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert waited([worker("a"), worker("b", "lost")], []) == ExitCode.FAILED
    assert "b was lost; its jobs are requeued." in capsys.readouterr().err


def test_a_server_that_is_away_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_wait, "RETRY_AFTER", 0.0)
    assert waited([worker("a")], StorageUnavailable("gone"), StorageUnavailable("gone"), []) == ExitCode.DONE
