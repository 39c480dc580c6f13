"""A store that is installed from elsewhere is chosen by its URL: workers, web server and command line run on it."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from holdfast import ConfigurationError, Holdfast
from holdfast.storage.backends import GROUP
from tests.system.fleet import APP, FOLDER, HOLDFAST, ROOT, Fleet, kill, until

PROJECT = ROOT / "examples" / "journal_store"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as `pip install` leaves it: importable, with the entry points that its own project file names."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = [f"{name} = {value}\n" for name, value in project["entry-points"][GROUP].items()]
    (info / "entry_points.txt").write_text("".join([f"[{GROUP}]\n", *points]))
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.setenv("PYTHONPATH", f"{info.parent}:{PROJECT}")


@pytest.mark.usefixtures("installed")
def test_everything_runs_on_a_store_from_elsewhere(
    make_fleet: Callable[..., Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"journal:///{tmp_path}/jobs.journal"
    fleet = make_fleet(database_url=url, port=0)
    fleet.start()
    web = fleet.start("web", ready=False)
    held = fleet.enqueue("items_thread", {"n": 4, "barrier": "on", "at": 2}, tags=["eu"])
    later = fleet.enqueue("note_loop", {"value": 7}, delay="1s")
    until(lambda: len(fleet.effects(held, "item")) == 3, "the job is at its third item")
    kill(fleet.worker_of(held).pid)  # its process dies; another one continues at the place that is held
    fleet.allow("on")
    jobs = fleet.ended([held, later])
    assert [(job.state, job.attempt) for job in jobs] == [("succeeded", 1), ("succeeded", 1)]
    assert fleet.path(held) == ["enqueued", "processing", "enqueued", "processing", "succeeded"]

    [address] = until(
        lambda: re.findall(r"http://[\d.]+:\d+", web.words()), "the web server prints its address"
    )
    with urlopen(f"{address}/api/v1/jobs?q=tag:eu", timeout=30) as answer:
        assert [job["id"] for job in json.load(answer)["items"]] == [held.id]
    with urlopen(f"{address}/jobs/{held.id}", timeout=30) as page:
        assert held.id in page.read().decode()

    for variable, value in {"HOLDFAST_DATABASE_URL": url, FOLDER: str(fleet.folder)}.items():
        monkeypatch.setenv(variable, value)
    for words in (("job", "list", "--json"), ("db", "status"), ("db", "check")):
        command = [*HOLDFAST, *words, "--app", APP]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stderr)
        assert held.id in done.stdout or words[0] == "db"


def test_where_it_is_not_installed_its_scheme_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="journal://"):
        Holdfast(database_url=f"journal:///{tmp_path}/jobs.journal").open()
