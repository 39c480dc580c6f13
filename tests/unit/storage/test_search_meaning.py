"""A search finds exactly the jobs that a plain reading of its nodes finds, whatever they contain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.query import QueryError
from holdfast.core.query.canonical import quote
from holdfast.core.states import State
from holdfast.storage.sqlite import index_ranges as runs
from holdfast.storage.sqlite import scan, search
from tests.unit.storage.search_rows import KEYS, NOW, SECOND, TEXTS, Job, ask, connect, make, matches, put, us

names = st.sampled_from(TEXTS)
keys = st.sampled_from(KEYS)


jobs = st.builds(make, st.integers(0, 10_000), st.integers(0, 20))
QUOTED = tuple(quote(name) for name in TEXTS if "\n" not in name)
PATTERNS = (
    *(
        "*",
        "null",
        "m*",
        "mail*",
        "*b",
        "*a*",
        "a*b",
        "a%*",
        "*x*y*",
        "ä*",
        "😀*",
        "\U0010ffff*",
        "\ud7ff*",
        "[*",
        "*?*",
    ),
)
FIELDS = (
    "type",
    "queue",
    "owner",
    "tag",
    "id",
    "reason",
    "worker",
    "schedule",
    "key",
    "paused-by",
    "cancelled-by",
    "parent",
)
texts = st.sampled_from(QUOTED + PATTERNS)
fields = st.sampled_from(FIELDS)
states = st.sampled_from([*(state.value for state in State), "retrying", "pausing", "cancelling"])
moments = st.sampled_from(
    [
        ">10m",
        "<10m",
        ">=5m",
        "<=5m",
        "today",
        "2026-11-19T15:50Z..2026-11-19T16:10Z",
        "<2026-11-19T16:20Z",
        "*",
        "null",
    ]
)
spans = st.sampled_from(["1m", ">5m", "<1m", ">=10m", "0s..10m", "*", "null"])
whole = st.sampled_from(["0", ">0", ">=1", "<2", "-1..1", "*", "null"])
steps = st.one_of(keys.map(lambda key: f"[{quote(key)}]"), st.integers(0, 1).map(lambda n: f"[{n}]"))
paths = st.tuples(keys.map(lambda key: f"[{quote(key)}]"), st.one_of(st.just(""), steps))
WANTED = (
    *(
        "1",
        "0",
        "0.5",
        "1e10",
        "-0.0",
        "true",
        "false",
        "null",
        "9223372036854775807",
        ">0",
        "<=1",
        ">9007199254740992",
    ),
    *(
        "-1..1",
        '>"a"',
        '<"ä"',
        '~"1"',
        '~"true"',
        '~"null"',
        '~"1e300"',
        '~"[]"',
        '~"x\'y"',
        "=2",
        ">=0.5",
        "*",
    ),
)
wanted = st.one_of(texts, st.sampled_from(WANTED))
lists = st.lists(texts, min_size=1, max_size=3).map(",".join)
terms = st.one_of(
    st.builds("{}:{}".format, fields, lists),
    st.lists(states, min_size=1, max_size=3).map(lambda found: f"state:{','.join(found)}"),
    st.builds("{}:{}".format, st.sampled_from(["created", "finished", "run", "started"]), moments),
    st.builds("{}:{}".format, st.sampled_from(["duration", "wait"]), spans),
    st.builds("{}:{}".format, st.sampled_from(["attempt", "priority"]), whole),
    st.builds("progress:{}".format, st.sampled_from(["50", "<50", ">=0", "*", "null"])),
    st.builds("args{}:{}".format, paths.map("".join), wanted),
    st.builds("error:{}".format, st.one_of(lists, st.sampled_from(["#a1", "mail", '"été a"', '"x\'Y"']))),
    st.sampled_from(QUOTED),
    st.sampled_from(["01J", "MAIL", "ÄX", "a%", "]"]),
)
queries = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map(lambda text: f"-({text})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' OR '.join(parts)})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({' '.join(parts)})"),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """Sizes at which a few rows already go every way: several windows, long prefixes, many values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "WINDOW", 4)
        patch.setattr(runs, "MANY_VALUES", 3)
        patch.setattr(runs, "LARGE", 5)
        patch.setattr(runs, "COMPARED", 8)
        patch.setattr(runs, "NEWEST", 2)
        yield


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    connection = connect(tmp_path_factory.mktemp("meaning"))
    yield connection
    connection.close()


def test_each_term_by_itself_finds_what_it_means(db: apsw.Connection) -> None:
    """The same without chance: every field and every way to ask for an argument, on rows that have each value."""
    rows = make(1, 250)
    asked = [f"{field}:{text}" for field in FIELDS for text in QUOTED + PATTERNS]
    places = [f"args[{quote(key)}]{step}" for key in KEYS for step in ("", "[0]")]
    asked += [f"{place}:{text}" for place in places for text in QUOTED + PATTERNS + WANTED]
    asked += [*QUOTED, *(f"error:{text}" for text in QUOTED)]
    selective = 0
    db.execute("SAVEPOINT example")
    try:
        seqs = put(db, rows)
        for text in asked:
            query = ask(text)
            where, values = search.condition(query)
            selected = {seq for (seq,) in db.execute(f"SELECT seq FROM jobs WHERE {where}", values)}
            found = {seq for seq, job in zip(seqs, rows, strict=True) if matches(query.root, job)}
            assert selected == found, text
            selective += 0 < len(found) < len(rows)
    finally:
        db.execute("ROLLBACK TO example")
        db.execute("RELEASE example")
    assert selective > len(asked) // 3  # enough terms match some rows and not all


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=jobs, text=st.one_of(st.just(""), queries))
def test_a_search_finds_what_its_nodes_mean(db: apsw.Connection, rows: list[Job], text: str) -> None:
    try:
        query = ask(text)
    except QueryError:
        return
    db.execute("SAVEPOINT example")
    try:
        seqs = put(db, rows)
        found = [seq for seq, job in zip(seqs, rows, strict=True) if matches(query.root, job)]
        where, values = search.condition(query)
        selected = [
            seq for (seq,) in db.execute(f"SELECT seq FROM jobs WHERE 1 AND {where} ORDER BY seq", values)
        ]
        assert selected == found
        assert listed(db, text, "created") == found
        assert listed(db, text, "-created") == found[::-1]
        assert sorted(listed(db, text, "-priority")) == found
        assert search.count(db, query, cap=100) == search.Count(len(found), False)
    finally:
        db.execute("ROLLBACK TO example")
        db.execute("RELEASE example")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=jobs, text=terms, state=states)
def test_counts_by_state_leave_out_the_states_of_the_search(
    db: apsw.Connection, rows: list[Job], text: str, state: str
) -> None:
    try:
        rest, query = ask(text), ask(f"state:{state} {text} -state:failed")
    except QueryError:
        return
    if text.startswith("state:"):
        return
    db.execute("SAVEPOINT example")
    try:
        put(db, rows)
        found = [job for job in rows if matches(rest.root, job)]
        counts = search.count_by_state(db, query, cap=100)
        expected = {name.value: sum(job.state == name for job in found) for name in State}
        expected["retrying"] = sum(job.state == "scheduled" and job.reason == "retry" for job in found)
        assert {name: counted.count for name, counted in counts.items()} == expected
        assert not any(counted.capped for counted in counts.values())
    finally:
        db.execute("ROLLBACK TO example")
        db.execute("RELEASE example")


def listed(db: apsw.Connection, text: str, sort: str) -> list[int]:
    """All pages, three at a time."""
    seqs: list[int] = []
    cursor = None
    while True:
        page = search.page(db, ask(text), sort=sort, limit=3, cursor=cursor)
        assert page.searched is None
        seqs += [job.seq for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seqs


def test_a_clock_that_was_set_back_hides_nothing(tmp_path: Path) -> None:
    db = connect(tmp_path)
    minutes = [
        -60,
        -40,
        -34,
        -41,
        -33,
        -20,
        -12,
        -19,
        -11,
        -5,
    ]  # none more than ten minutes before an earlier one
    put(db, [Job(f"j{n}", created_at=us(NOW) + at * 60 * SECOND) for n, at in enumerate(minutes)])
    for bound in range(-65, 0):
        younger = [n + 1 for n, at in enumerate(minutes) if at >= bound]
        older = [n + 1 for n, at in enumerate(minutes) if at < bound]
        assert listed(db, f"created:>{-bound}m", "created") == younger
        assert listed(db, f"created:<{-bound}m", "created") == older
        assert listed(db, f"created:<{-bound}m state:enqueued", "-created") == older[::-1]
    db.close()


def test_a_job_that_fits_twice_counts_once(tmp_path: Path) -> None:
    db = connect(tmp_path)
    put(db, [Job(f"j{n}", owner="ann", tags=("eu", "urgent")) for n in range(9)])
    for text in (
        "type:mail OR state:enqueued",
        "owner:ann OR type:mail",
        "tag:eu,urgent",
        "tag:eu OR tag:urgent",
        "tag:e* OR tag:u*",
    ):
        assert search.count(db, ask(text), cap=100).count == 9
        assert search.count_by_state(db, ask(text), cap=100)["enqueued"].count == 9
        assert listed(db, text, "created") == list(range(1, 10))
    db.close()


def test_a_prefix_of_many_ids_is_found_wherever_they_stand(tmp_path: Path) -> None:
    db = connect(tmp_path)
    put(
        db, [Job(f"{'b' if 5 <= n < 15 else 'a'}{n:02}") for n in range(20)]
    )  # ten, when six are many already
    assert listed(db, "id:b*", "created") == list(range(6, 16))
    assert listed(db, "id:b*", "-created") == list(range(15, 5, -1))
    assert listed(db, "id:a*", "created") == [*range(1, 6), *range(16, 21)]
    db.close()


def test_everything_is_found_by_no_search(tmp_path: Path) -> None:
    db = connect(tmp_path)
    assert search.condition(None) == ("1", [])
    assert search.condition(ask("")) == ("1", [])
    put(db, [Job("a"), Job("b")])
    assert listed(db, "", "created") == [1, 2]
    db.close()


def test_no_value_is_part_of_the_statement() -> None:
    hostile = "x' OR 1=1; DROP TABLE jobs --"
    for text in (
        f"type:{quote(hostile)}",
        f'args["{hostile}"]:{quote(hostile)}',
        quote(hostile),
        f"error:{quote(hostile)}",
    ):
        where, values = search.condition(ask(text))
        assert "DROP" not in where
        assert any("DROP" in str(value) for value in values)


def test_a_worker_is_found_by_its_id_and_by_its_name(tmp_path: Path) -> None:
    db = connect(tmp_path)
    db.execute(
        """INSERT INTO workers (id, name, host, pid, version, state, queues, types, slots, started_at, heartbeat_at, boot,
                                deadline)
           VALUES ('w-17', 'web-3', 'host-1', 1, '1', 'live', '[]', '[]', 1, 0, 0, 'b', 0)"""
    )
    put(db, [Job("a", worker="w-17"), Job("b", worker="w-18"), Job("c")])
    assert [
        listed(db, text, "created")
        for text in ("worker:w-17", "worker:web-3", "worker:host-*", "worker:w-1*")
    ] == [*([1], [1], [1], [1, 2])]
    assert listed(db, "-worker:web-3", "created") == [2, 3]
    db.close()
