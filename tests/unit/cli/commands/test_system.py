"""Queues, types, workers, the database, settings and health from the command line."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest

from holdfast.cli.commands.database_copy import next_step
from tests.unit.cli.conftest import Hands, Terminal


def test_queues_are_paused_and_resumed(terminal: Terminal, hands: Hands) -> None:
    hands.add()
    paused = terminal("queue", "pause", "default", "--reason", "deploy", "--json").json["items"]
    assert [(queue["state"], queue["paused_reason"]) for queue in paused] == [("paused", "deploy")]
    assert terminal("queue", "list", "--fields", "name,state").lines[0] == "default\tpaused"
    assert terminal("queue", "resume", "default", "--fields", "state").out == "open\n"


def test_types_and_workers_are_shown(terminal: Terminal, hands: Hands) -> None:
    assert set(terminal("type", "list", "--ids").lines) == {"count_to", "import_customers", "a b/c.d"}
    shown = terminal("type", "show", "count_to", "--json").json
    assert shown["args_schema"]["properties"]["n"]["type"] == "integer"
    assert terminal("worker", "list", "--fields", "id,pid,state").out == "w1\t4711\tlive\n"


def test_the_database_is_made_checked_and_copied(terminal: Terminal, tmp_path: Path) -> None:
    before = terminal("db", "status", "--json")
    assert (before.code, before.json["exists"], before.json["applied"]) == (1, False, 0)
    assert not (tmp_path / ".holdfast").exists()
    made = terminal("db", "migrate", "--json")
    assert made.json["up_to_date"]
    assert "Applied 0001_first." in made.err
    assert "up to date" in terminal("db", "migrate").err
    assert terminal("db", "status").code == 0
    assert terminal("db", "check", "--json").json == {
        "place": made.json["place"],
        "sound": True,
        "problems": [],
    }


def test_a_copy_is_a_database_with_everything_in_it(terminal: Terminal, hands: Hands, tmp_path: Path) -> None:
    job_id = hands.add()
    assert terminal("db", "backup", "copy.db").code == 0
    later = hands.add()
    refused = terminal("db", "backup", "copy.db")
    assert refused.code == 5
    assert "not overwritten" in refused.err
    assert terminal("db", "backup", "nowhere/copy.db").code == 69
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "copy.db", tmp_path / "other" / "holdfast.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_DATA_DIR", str(tmp_path / "other"))
        assert terminal("job", "show", job_id).code == 0
        assert terminal("job", "show", later).code == 3


def test_damage_is_found(terminal: Terminal, tmp_path: Path) -> None:
    place = Path(terminal("db", "migrate", "--json").json["place"])
    with sqlite3.connect(place) as db:
        db.execute("PRAGMA writable_schema=ON")
        db.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '(queue, type', '(type, queue') WHERE name = 'jobs_ready'"
        )
        db.execute("INSERT INTO queues (name) VALUES ('x')")
    db.close()
    data = bytearray(place.read_bytes())
    page = data.find(b"CREATE TABLE queues")
    data[page - 40 : page] = b"\xff" * 40
    place.write_bytes(bytes(data))
    done = terminal("db", "check")
    assert done.code in (1, 69)


def test_a_schema_from_the_future_is_reported(terminal: Terminal) -> None:
    place = terminal("db", "migrate", "--json").json["place"]
    with sqlite3.connect(place) as db:
        db.execute("PRAGMA user_version=99")
        db.execute("UPDATE meta SET value = '99' WHERE name = 'needs'")
    db.close()
    assert terminal("db", "status").code == 1
    refused = terminal("job", "list")
    assert refused.code == 69
    assert "Upgrade this program" in refused.err
    findings = {one["name"]: one for one in terminal("doctor", "--json").json["items"]}
    assert findings["schema"]["result"] == "bad"


def test_settings_are_shown_without_passwords(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", "postgresql://ann:secret@db/x")
    shown = terminal("config", "show", "--changed", "--json")
    assert {one["name"]: one["value"] for one in shown.json["items"]} == {
        "database_url": "postgresql://ann:•••@db/x",
        "port": 0,
    }
    assert terminal("config", "check").code == 0
    assert "secret" not in terminal("config", "show").out


def test_every_problem_of_the_settings_is_reported_at_once(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "holdfast.toml").write_text('prot = 1\nworkers = "many"\n')
    monkeypatch.setenv("HOLDFAST_LEAS", "3")
    done = terminal("config", "check")
    assert done.code == 2
    assert len([line for line in done.err.splitlines() if line.startswith("holdfast: ")]) == 3


def test_the_doctor_finds_a_sound_installation_sound(terminal: Terminal, hands: Hands) -> None:
    done = terminal("doctor", "--json")
    results = {one["name"]: one["result"] for one in done.json["items"]}
    assert done.code == 0
    assert "bad" not in results.values()
    assert results.keys() >= {
        "version",
        "clock",
        "folder",
        "port",
        "sqlite",
        "schema",
        "durability",
        "signals",
        "workers",
    }


def test_a_store_that_has_moved_says_where_to(terminal: Terminal, hands: Hands, tmp_path: Path) -> None:
    assert terminal("db", "copy").code == 2
    order = ("db", "copy", "--to", f"sqlite:///{tmp_path}/new.db", "--wait", "0.1s", "--json")
    assert terminal(*order).code == 124, "a worker that does not end"
    moved = terminal(*order, "--give-back")
    assert moved.code == 0, moved.err
    assert moved.json["target"] == f"{tmp_path}/new.db"
    [finding] = [one for one in terminal("doctor", "--json").json["items"] if one["name"] == "writing"]
    assert finding["result"] == "bad"
    assert f"has moved to {tmp_path}/new.db" in finding["found"]
    assert terminal("queue", "pause", "default").code == 69
    assert terminal("db", "copy", "--abort").code == 5
    assert terminal("db", "copy", "--to", f"sqlite:///{tmp_path}/third.db").code == 5


def test_the_doctor_makes_no_database(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal("doctor").code == 0
    assert not (tmp_path / ".holdfast").exists()


def test_the_doctor_reports_what_is_wrong_and_what_to_do(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("HOLDFAST_PORT", str(taken.getsockname()[1]))
        monkeypatch.setenv("HOLDFAST_DATA_DIR", "/proc/holdfast")
        done = terminal("doctor", "--json")
    found = {one["name"]: one for one in done.json["items"]}
    assert done.code == 1
    assert {name for name, one in found.items() if one["result"] == "bad"} == {"folder", "port"}
    assert "HOLDFAST_PORT" in found["port"]["fix"]
    monkeypatch.setenv("HOLDFAST_NOTHING", "1")
    assert terminal("doctor").code == 1


def test_the_doctor_of_a_server_that_is_not_there(terminal: Terminal) -> None:
    done = terminal("doctor", "--url", "http://127.0.0.1:9", "--json")
    assert done.code == 1
    assert all(one["result"] == "bad" for one in done.json["items"])


def test_top_is_one_document(terminal: Terminal, hands: Hands) -> None:
    hands.add()
    hands.log("hello")
    frame = terminal("top", "--once", "--json").json
    assert frame["stats"]["states"]["processing"] == 1
    assert [job["progress"]["done"] for job in frame["running"]] == [2.0]
    assert [worker["id"] for worker in frame["workers"]] == ["w1"]


def test_openapi_names_the_routes_and_touches_no_disk(terminal: Terminal, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    assert "/api/v1/jobs" in json.loads(terminal("openapi").out)["paths"]
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("target", ["sqlite:///{folder}/new.db", "sqlite:///new.db"])
def test_a_copy_does_not_wait_for_running_jobs_and_ends_with_a_url_to_paste(
    terminal: Terminal, hands: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """A job that runs is not waited for: it continues in the target from where it is saved."""
    hands.add()
    job = hands.claim().id
    done = terminal("db", "copy", "--to", target.format(folder=tmp_path), "--json")
    assert (done.code, done.json["given_back"]) == (0, 1), done.err
    name, _, url = done.err.splitlines()[-1].rpartition(" ")[2].partition("=")
    assert (name, url) == ("HOLDFAST_DATABASE_URL", f"sqlite:///{tmp_path}/new.db")
    monkeypatch.chdir("/")
    monkeypatch.setenv(name, url)
    assert terminal("job", "show", job, "--json").json["state"] == "enqueued"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql://ann:s3@h:1/db?schema=x&sslmode=require",
            "'postgresql://ann@h:1/db?schema=x&sslmode=require'",
        ),
        ("postgres://%2Frun%2Fpg/db", "postgres://%2Frun%2Fpg/db"),
        ("mariadb://ann:s3@h/db", "mariadb://ann@h/db"),
    ],
)
def test_the_url_to_paste_keeps_all_but_the_password(url: str, shown: str) -> None:
    text = next_step(url)
    assert text.endswith(f"HOLDFAST_DATABASE_URL={shown}")
    assert ("Add the password" in text) is ("s3" in url)


@pytest.mark.parametrize("command", ["up", "worker", "web", "scheduler"])
def test_a_store_that_has_moved_is_refused_at_start_in_one_sentence(
    terminal: Terminal, tmp_path: Path, command: str
) -> None:
    terminal("db", "migrate")
    assert terminal("db", "copy", "--to", f"sqlite:///{tmp_path}/new.db").code == 0
    done = terminal(command)
    assert done.code == 69
    [text] = [line for line in done.err.splitlines() if line.startswith("holdfast: ")]
    assert text.startswith(f"holdfast: This store has moved to {tmp_path}/new.db;")
