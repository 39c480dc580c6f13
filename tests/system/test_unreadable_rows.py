"""One stored row never takes a list away: bad values are written by SQL into every text and time column of every store, and
every view is opened. The row says which column cannot be read, and the others are shown as always."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import apsw
import httpx
import psycopg
import pymysql
import pytest
from websockets.sync.client import connect

from holdfast.cli import main
from holdfast.core.commands import Action
from holdfast.core.dump import Part
from holdfast.core.outcome import ErrorInfo, LogLine, Report, Settlement
from holdfast.core.states import Verb
from holdfast.storage.copying import Move, give_up
from holdfast.storage.sqlite.store import SqliteStore
from holdfast.storage.writes import PauseQueue, PublishTypes, RegisterWorker, Settle, StoreReports
from holdfast.testing import worker_row
from tests.servers.mysql import administrator
from tests.servers.postgres import place_of, shared_url
from tests.system.chaos import DATABASE_KINDS, database
from tests.unit.web.support import Lab, served

JOB_TABLES = {
    "sqlite": ("jobs",),
    "postgresql": ("specs", "runs"),
    "mysql": ("jobs",),
}
BESIDE = {"saved": "job", "logs": "job", "events": "job", "job_tags": "job"}
"""Tables with rows of a job, each with the column that names the job."""

FLEET = {"workers": "id", "queues": "name", "types": "name"}
TEXTS = (
    "",
    "half",
    "5",
    '{"done": NaN}',
    '{"done": "half", "total": 10}',
    '{"done": 1e308, "total": 5e-324, "held": 1e308}',
    '{"done": 1e999, "total": 1, "bars": [{"name": 5}]}',
    '{"positions": 5, "steps": []}',
    '{"properties": 5, "type": ["x"]}',
    '["\\ud800", "\\u0000"]',
    "9" * 5_000,
    "[" * 3_000 + "]" * 3_000,
    "\u0085 \u2028\u202e<b>&\"'/?#\\",
)
NOT_UTF_8 = b"\xff half"
"""SQLite stores it as text; the servers do not."""

TIMES = (2**63 - 1, -(2**63), 300_000_000_000_000_000, 0, -1)
PAGES = (
    "/",
    "/?range=24h",
    "/jobs",
    "/jobs?state=processing",
    "/jobs?q=args.n:1",
    "/jobs?q=args.n:*",
    "/jobs?q=args.n:~1",
    "/jobs?q=progress:%3E50",
    "/jobs?q=duration:%3E5",
    "/jobs?q=wait:%3E5",
    "/jobs?q=tag:even",
    "/jobs?q=nothing",
    "/jobs?sort=run_at",
    "/jobs?sort=duration",
    "/queues",
    "/types",
    "/workers",
    "/api/v1/jobs?limit=200",
    "/api/v1/jobs/count",
    "/api/v1/jobs/count?q=args.n:1",
    "/api/v1/stats",
    "/api/v1/job-types",
    "/api/v1/queues",
    "/api/v1/workers",
)
OF_A_JOB = {
    "logs": ("/jobs/{}", "/jobs?peek={}", "/api/v1/jobs/{}/logs"),
    "events": ("/jobs/{}", "/api/v1/jobs/{}/history"),
    "saved": ("/jobs/{}",),
    "job_tags": ("/jobs/{}",),
}
"""Where what a table says of one job is shown; the table of jobs itself everywhere."""

EVERYWHERE = ("/jobs/{}", "/jobs?peek={}", "/jobs/{}/menu", "/api/v1/jobs/{}")
COMMANDS = (
    ("job", "list", "-n", "200"),
    ("queue", "list"),
    ("type", "list"),
    ("worker", "list"),
    ("top", "--once"),
)


class Place(NamedTuple):
    """A column with the victim whose row it is written in."""

    table: str
    key: str
    column: str
    is_text: bool
    victim: str | int


class House:
    """A store full of jobs, each of which has something in every table, and the SQL to write into it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.settings = database(kind, folder)
        self.lab = Lab(folder, **self.settings)
        self.healthy = self._job()
        self.places = [*self._job_places(), *self._fleet_places()]

    def _job(self) -> str:
        """The id of a job that has run for a while, and waits to be run again."""
        lab = self.lab
        (job,) = lab.add(1, tags=["even"], owner="ann", unique=f"u{lab.client.events.last()}")
        lab.parts.gateway.run(RegisterWorker(worker_row("w1"), lease=600.0))
        (claimed,) = lab.claim(1)
        line = LogLine(lab.parts.store.now(), "info", "said", '{"n":1}')
        report = Report(claimed.seq, claimed.token, '{"done":1,"total":2}', '{"state":{"a":1}}', (line,))
        lab.parts.gateway.run(StoreReports([report]))
        error = ErrorInfo("ValueError", "no", "Traceback (most recent call last):")
        settled = Settlement(claimed.seq, claimed.token, Verb.FAIL, "said so", result="1", error=error)
        lab.parts.gateway.run(Settle([settled]))
        return job

    def _job_places(self) -> Iterator[Place]:
        tables = {**dict.fromkeys(JOB_TABLES[self.kind], "seq"), **BESIDE}
        for table, key in tables.items():
            for column, is_text in self.columns(table):
                if column == "id" or (table == "jobs" and column == "seq"):
                    continue
                job = self._job()
                record = self.lab.parts.store.job(job)
                assert record is not None
                yield Place(table, key, column, is_text, record.seq)

    def _fleet_places(self) -> Iterator[Place]:
        run = self.lab.parts.gateway.run
        for table, key in FLEET.items():
            for number, (column, is_text) in enumerate(self.columns(table)):
                name = f"{table}-{number}"
                if table == "workers":
                    run(RegisterWorker(worker_row(name, types=("count_to",)), lease=600.0))
                elif table == "queues":
                    run(PauseQueue(name, actor="ann", reason="why"))
                else:
                    kind = next(iter(self.lab.holdfast.registry)).row(0)
                    run(PublishTypes([type(kind)(name, *tuple(kind)[1:])]))
                if column != key:
                    yield Place(table, key, column, is_text, name)

    # -- SQL --------------------------------------------------------------------------------------------------------------

    @contextmanager
    def cursor(self) -> Iterator[Callable[..., Any]]:
        if self.kind == "sqlite":
            db = apsw.Connection(str(self.folder / "holdfast.db"))
            db.set_busy_timeout(20_000)
            yield lambda sql, *values: list(db.execute(sql.replace("%s", "?"), values))
            db.close()
        elif self.kind == "postgresql":
            with psycopg.connect(shared_url(), autocommit=True) as db:
                db.execute(f"SET search_path TO {place_of(self.folder).schema}")
                yield lambda sql, *values: _fetched(db.execute(sql, values))
        else:
            with administrator().cursor() as cursor:
                cursor.execute(f"USE {urlsplit(str(self.settings['database_url'])).path.strip('/')}")

                def run(sql: str, *values: Any) -> Any:
                    cursor.execute(sql, values)
                    return cursor.fetchall()

                yield run
                cursor.execute("COMMIT")

    def columns(self, table: str) -> list[tuple[str, bool]]:
        """Text and time columns, each with whether it is text."""
        with self.cursor() as run:
            if self.kind == "sqlite":
                found = [(row[1], row[2]) for row in run(f"PRAGMA table_info({table})")]
            else:
                schema = "current_schema()" if self.kind == "postgresql" else "database()"
                found = run(
                    "SELECT column_name, data_type FROM information_schema.columns "
                    f"WHERE table_schema = {schema} AND table_name = %s ORDER BY ordinal_position",
                    table,
                )
        texts = [(name, "text" in kind.lower() or "char" in kind.lower()) for name, kind in found]
        return [(name, text) for name, text in texts if text or name.endswith("_at") or name == "at"]

    @property
    def texts(self) -> tuple[str | bytes, ...]:
        return (*TEXTS, NOT_UTF_8) if self.kind == "sqlite" else TEXTS

    def write(self, text: str | bytes, time: int) -> list[Place]:
        """Write a bad value into each place; returns the places where the database took it."""
        taken: list[Place] = []
        with self.cursor() as run:
            for place in self.places:
                value = "CAST(%s AS TEXT)" if isinstance(text, bytes) and place.is_text else "%s"
                sql = f"UPDATE {place.table} SET {place.column} = {value} WHERE {place.key} = %s"
                try:
                    run(sql, text if place.is_text else time, place.victim)
                except (apsw.Error, psycopg.Error, pymysql.Error):
                    continue  # not every column takes every value: lengths, NUL, unique names
                taken.append(place)
        return taken

    def victims(self, places: Sequence[Place]) -> dict[str, str]:
        """The ids of the jobs whose rows were written into, each with the table."""
        sql = f"SELECT id FROM {JOB_TABLES[self.kind][0]} WHERE seq = %s"
        with self.cursor() as run:
            return {
                run(sql, place.victim)[0][0]: place.table for place in places if isinstance(place.victim, int)
            }


def _fetched(cursor: Any) -> Any:
    return cursor.fetchall() if cursor.description else []


@pytest.fixture(params=DATABASE_KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    house = House(request.param, tmp_path)
    yield house
    house.lab.close()


@pytest.mark.timeout(600)
def test_a_column_that_cannot_be_read_costs_itself_only(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong: list[str] = []
    with served(house.lab) as address, httpx.Client(base_url=address, timeout=60) as http:
        for number, text in enumerate(house.texts):
            taken = house.write(text, TIMES[number % len(TIMES)])
            assert len(taken) > 20
            wrong += _pages(http, house, house.victims(taken), number)
        wrong += _commands(house, address, monkeypatch, capsys)
        wrong += _streams(house, address)
    assert not wrong, "\n".join(wrong[:40])


def _pages(http: httpx.Client, house: House, victims: Mapping[str, str], number: int) -> list[str]:
    wrong: list[str] = []
    ids = list(victims)
    ways = [*PAGES]
    for job, table in victims.items():
        ways += [way.format(quote(job, safe="")) for way in OF_A_JOB.get(table, EVERYWHERE)]
    live = {
        "topics": "stats,overview:1h,queues,workers", "ids": ",".join([*ids, house.healthy]), "q": "args.n:*",
        "job": ids[number % len(ids)], "peek": ids[0], "log_after": "0", "once": "1",
    }  # fmt: skip
    for way in ways:
        answer = http.get(way, follow_redirects=True)
        if answer.status_code != 200:
            wrong.append(f"{house.texts[number][:40]!r}: GET {way} returns {answer.status_code}")
    answer = http.post("/live", data=live)
    if (
        answer.status_code >= 400
        or f"row-{house.healthy}" not in answer.text
        or "overview-head" not in answer.text
    ):
        wrong.append(f"{house.texts[number][:40]!r}: /live {answer.status_code} {answer.text[:200]}")
    listed = http.get("/api/v1/jobs", params={"limit": 200}).json().get("items", [])
    found = {job["id"]: job["unreadable"] for job in listed}
    if found.get(house.healthy) != {} or not any(found.values()):
        wrong.append(f"{house.texts[number][:40]!r}: the list shows {found}")
    return wrong


def _commands(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """The command line on the store itself, and through the server."""
    monkeypatch.chdir(house.folder)
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(house.folder))
    if url := house.settings.get("database_url"):
        monkeypatch.setenv("HOLDFAST_DATABASE_URL", str(url))
    jobs = [job for job in house.victims(house.places) if job and not job.startswith("-")]
    of_jobs = [
        (*way, job)
        for job in jobs
        for way in (("job", "show"), ("job", "show", "--history"), ("job", "logs"))
    ]
    # each command with a URL would read all certificates of the machine, which takes longer than the command
    monkeypatch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
    wrong: list[str] = []
    for words in (*COMMANDS, *of_jobs):
        for where in ((), ("--url", address)):
            capsys.readouterr()
            code = main([*words, *where])
            said = capsys.readouterr()
            if code != 0:
                wrong.append(f"holdfast {' '.join([*words, *where])} ends with {code}: {said.err[-300:]}")
            if words == ("job", "list", "-n", "200") and house.healthy not in said.out:
                wrong.append(f"holdfast job list {where} does not show the healthy job")
    return wrong


def _streams(house: House, address: str) -> list[str]:
    """Both streams report a healthy job, after all that was changed before it."""
    wrong: list[str] = []
    delivered = threading.Event()

    def listen() -> None:
        with httpx.stream(
            "GET", f"{address}/api/v1/events", headers={"Last-Event-ID": "0"}, timeout=60
        ) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:") and house.healthy in line:
                    delivered.set()
                    return

    with connect(f"{address.replace('http', 'ws')}/api/v1/ws") as socket:
        thread = threading.Thread(target=listen)
        thread.start()
        with house.cursor() as run:  # every victim changes as well, so that all of them are fetched together
            for place in house.places:
                if isinstance(place.victim, int):
                    run("UPDATE events SET at = at WHERE job = %s", place.victim)
        house.lab.client.jobs.act(house.healthy, Action.RETRY)
        heard: list[str] = []
        while not any(house.healthy in one for one in heard):
            heard.append(str(socket.recv(timeout=60)))
        # the other stream may have been opened after that change, at the end of what is stored: it hears the next one
        for action in (Action.PAUSE, Action.RESUME, Action.PAUSE, Action.RESUME, Action.PAUSE):
            if delivered.wait(5):
                break
            house.lab.client.jobs.act(house.healthy, action)
        if not delivered.wait(30):
            wrong.append("/events says nothing of the healthy job")
        thread.join(60)
    return wrong


def test_a_store_with_columns_that_cannot_be_read_is_copied(house: House, tmp_path: Path) -> None:
    for number, text in enumerate(house.texts):
        house.write(text, TIMES[0])
        target = SqliteStore(tmp_path / f"copy-{number}" / "holdfast.db")
        target.open()
        source = house.lab.parts.store
        move = Move(source, target, ("the one", "the other"), f"copy-{number}")
        move.seal()
        move.copy(lambda part, rows: None)
        totals = move.verify()
        assert totals[Part.JOBS].rows > 20
        give_up(source)
        target.close()


def test_what_cannot_be_read_is_named_and_the_rest_is_there(house: House) -> None:
    record = house.lab.parts.store.job(house.healthy)
    assert record is not None
    for column, bad, why in (
        ("args", "half", "not JSON"),
        ("result", "9" * 5_000, "too many digits"),
        ("progress", '{"done": "half"}', "done"),
        ("tags", "5", "not a list of texts"),
    ):
        table = next(table for table in JOB_TABLES[house.kind] if column in dict(house.columns(table)))
        with house.cursor() as run:
            run(f"UPDATE {table} SET {column} = %s WHERE seq = %s", bad, record.seq)
        view = house.lab.client.jobs.get(house.healthy)
        assert why in view.unreadable[column]
    assert set(view.unreadable) == {"args", "result", "progress", "tags"}
    assert (view.args, view.result, view.progress, view.tags) == (None, None, None, [])
    assert (view.owner, view.queue, view.id) == ("ann", "default", house.healthy)
    with served(house.lab) as address, httpx.Client(base_url=address) as http:
        page = http.get(f"/jobs/{house.healthy}").text
        row = http.get(f"/jobs?q=id:{house.healthy}").text
        assert http.get(f"/api/v1/jobs/{house.healthy}").json()["unreadable"] == view.unreadable
    assert "progress unreadable: done: " in page
    for shown in (page, row):
        assert "args unreadable: not JSON" in shown
