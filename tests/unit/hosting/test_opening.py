"""A process that is started before its database waits for it, with words; one that could wait for ever does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from holdfast.app import Holdfast, Parts
from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.hosting import worker_process
from holdfast.hosting.opening import open_when_available


class Late(Holdfast):
    """An app whose database does not answer at first."""

    def __init__(self, folder: Path, *errors: Exception, url: str | None = "postgresql://nowhere/x") -> None:
        super().__init__(data_dir=str(folder), **({} if url is None else {"database_url": url}))
        self.errors = list(errors)
        self.opened = Holdfast(data_dir=str(folder))

    def open(self) -> Parts:
        if self.errors:
            raise self.errors.pop(0)
        return self.opened.open()


def test_it_waits_for_a_server_and_says_so(tmp_path: Path) -> None:
    app, waits = Late(tmp_path, *(StorageUnavailable("it is starting up") for _ in range(4))), list[float]()
    with capture_logs() as logs:
        parts = open_when_available(app, waits.append)
    assert parts.store.states()["enqueued"] == 0
    assert [(line["event"], line["error"]) for line in logs] == [
        ("waiting for the database", "it is starting up")
    ] * 4
    assert len(waits) == 4
    app.opened.close()


@pytest.mark.parametrize("url", [None, "sqlite:////tmp/x.db"])
def test_a_file_is_not_waited_for(tmp_path: Path, url: str | None) -> None:
    with pytest.raises(StorageUnavailable):
        open_when_available(Late(tmp_path, StorageUnavailable("no such folder"), url=url), _no_wait)


def test_what_cannot_be_used_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(StorageRefused):
        open_when_available(Late(tmp_path, StorageRefused("a schema from the future")), _no_wait)


def _no_wait(seconds: float) -> None:
    raise AssertionError("it waits")


def test_a_worker_process_does_not_outlive_its_supervisor_while_it_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "ended").open("w+") as ended:  # whose end is there to be read
        monkeypatch.setattr("sys.stdin", ended)
        with pytest.raises(SystemExit):
            worker_process._wait_unless_stopped(30.0)
