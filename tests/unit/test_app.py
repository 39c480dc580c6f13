"""An app opens nothing until it must, reads its settings late, and belongs to one process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.app import make_store
from holdfast.core.errors import ConfigurationError, StorageUnavailable
from holdfast.core.settings import Settings
from holdfast.storage.writes import Insert


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Holdfast]:
    app = Holdfast(data_dir=str(tmp_path))

    @app.job()
    def work(n: int = 0) -> None: ...

    yield app
    app.close()


def test_a_program_that_only_declares_jobs_loads_no_store_no_log_and_no_checker_of_schemas() -> None:
    """So every child of a worker starts a quarter sooner, and so does every program with jobs."""
    code = "import sys; from holdfast import Holdfast; Holdfast().job()(lambda: None); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "holdfast.client.task" in loaded
    assert not {"structlog", "rich", "jsonschema", "apsw", "tomllib", "holdfast.runtime.signals.files"} & {
        *loaded
    }


def test_a_module_with_jobs_can_be_imported_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOLDFAST_PORT", "many")
    monkeypatch.setenv("HOLDFAST_RETRYS", "3")
    app = Holdfast(data_dir=str(tmp_path))

    @app.job()
    def work() -> None: ...

    assert work() is None
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            work.enqueue()
        assert {problem.loc for problem in caught.value.problems} == {
            ("HOLDFAST_PORT",),
            ("HOLDFAST_RETRYS",),
        }
        assert "did you mean retries?" in str(caught.value)
    monkeypatch.delenv("HOLDFAST_PORT")
    monkeypatch.delenv("HOLDFAST_RETRYS")
    assert work.enqueue().state == "enqueued"
    app.close()


def test_nothing_is_on_the_disk_until_it_is_needed(app: Holdfast, tmp_path: Path) -> None:
    assert app.settings.data_dir == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
    app.enqueue("work")
    assert (tmp_path / "holdfast.db").is_file()


def test_settings_are_read_once(app: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_RETRIES", "2")
    assert app.settings.retries == 2
    monkeypatch.setenv("HOLDFAST_RETRIES", "7")
    assert app.enqueue("work").view.max_attempts == 3


def test_what_the_program_says_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_RETRIES", "2")
    assert Holdfast(retries=5).settings.retries == 5
    given = Settings(data_dir=str(tmp_path))
    assert Holdfast(settings=given).settings is given


def test_other_settings_only_before_it_is_open(app: Holdfast, tmp_path: Path) -> None:
    other = Settings(data_dir=str(tmp_path / "other"), retries=1)
    app.configure(other)
    assert app.enqueue("work").view.max_attempts == 2
    assert (tmp_path / "other" / "holdfast.db").is_file()
    with pytest.raises(ConfigurationError, match="open already"):
        app.configure(Settings())
    assert app.settings is other


def test_it_is_opened_once(app: Holdfast) -> None:
    assert app.open() is app.open()


def test_closing_twice_and_opening_again(app: Holdfast) -> None:
    handle = app.enqueue("work")
    parts = app.open()
    app.close()
    app.close()
    with pytest.raises(StorageUnavailable, match="has closed its store"):
        handle.cancel()
    with pytest.raises(StorageUnavailable):
        parts.gateway.run(Insert([]))
    assert app.handle(handle.id).state == "enqueued"
    assert app.open() is not parts


def test_closing_what_was_never_open(tmp_path: Path) -> None:
    Holdfast(data_dir=str(tmp_path)).close()
    assert list(tmp_path.iterdir()) == []


def test_a_relative_url_is_a_file_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = Holdfast(database_url="sqlite:///sub/jobs.db")
    app.client.figures.stats()
    app.close()
    assert (tmp_path / "sub" / "jobs.db").is_file()


def test_an_absolute_url_has_four_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    app = Holdfast(database_url=f"sqlite:///{tmp_path}/jobs.db")
    app.client.figures.stats()
    app.close()
    assert (tmp_path / "jobs.db").is_file()
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "oracle://ann:s3cret@host/db",
        "cassandra://s3cret",
        "ann:s3cret@host/db",
        "sqlite://s3cret/jobs.db",
        "sqlite:s3cret.db",
        "sqlite://",
        "sqlite:///",
        "jobs.db",
    ],
)
def test_a_url_of_another_kind_is_refused_without_its_password(url: str) -> None:
    settings = Settings(database_url=url)
    with pytest.raises(ConfigurationError, match="use sqlite:///path") as caught:
        make_store(settings)
    assert caught.value.problems[0].loc == ("database_url",)
    assert "s3cret" not in str(caught.value)


def in_child(app: Holdfast, *, close_first: bool) -> int:
    """The exit code of a forked child that enqueues one job, and closes its app before or after."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        if close_first:
            app.close()
        if app.enqueue("work", {"n": 2}).state == "enqueued":
            app.close()
            code = 0
    finally:
        os._exit(code)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("close_first", [False, True])
def test_a_forked_child_opens_its_own_and_the_parent_continues(app: Holdfast, close_first: bool) -> None:
    before = app.enqueue("work", {"n": 1})
    parts = app.open()
    assert in_child(app, close_first=close_first) == 0
    assert app.open() is parts
    app.enqueue("work", {"n": 3})
    assert before.cancel().state == "cancelled"
    jobs = app.client.jobs.search(app.client.jobs.query(""), sort="created").items
    assert [job.args["n"] for job in jobs] == [1, 2, 3]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_closes_what_it_inherited_frees_nothing(app: Holdfast) -> None:
    inherited = app.open()
    child = os.fork()
    if child == 0:
        app.close()
        os._exit(0 if app._parts is inherited else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_other_settings_are_taken_once_it_is_closed(app: Holdfast, tmp_path: Path) -> None:
    app.open()
    with pytest.raises(ConfigurationError, match=r"open already; call close\(\) first"):
        app.configure(Settings())
    app.close()
    app.configure(Settings(data_dir=str(tmp_path / "other")))
    app.enqueue("work")
    assert (tmp_path / "other" / "holdfast.db").is_file()


def test_a_job_that_changes_the_folder_changes_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = make_store(Settings(data_dir="data"))
    monkeypatch.chdir("/")
    store.open()
    store.close()
    assert (tmp_path / "data" / "holdfast.db").is_file()
