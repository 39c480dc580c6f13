"""Pages by key: every job once, in order, forwards and backwards, while others are added; cursors of one search only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput
from holdfast.core.records import Page
from holdfast.storage import page_query as pages
from holdfast.storage.cursors import SORTS, Position, read_cursor, write_cursor
from holdfast.storage.sqlite import scan, search
from tests.unit.storage.search_rows import NOW, Job, ask, connect, put, us

ORDERS = [minus + name for name in SORTS for minus in ("", "-")]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = connect(tmp_path)
    yield connection
    connection.close()


def some(number: int, *, seed: int = 1, prefix: str = "j") -> list[Job]:
    """Jobs with many ties and many missing values."""
    r = random.Random(seed)

    def when() -> int | None:
        return us(NOW) + r.randint(0, 3) * 1_000_000 if r.random() < 0.7 else None

    return [
        Job(
            id=f"{prefix}{n}",
            type=r.choice(("mail", "report")),
            state=r.choice(("enqueued", "scheduled", "failed")),
            priority=r.randint(-1, 1),
            args={"n": n},
            run_at=when(),
            started_at=when(),
            finished_at=when(),
        )
        for n in range(number)
    ]


def expected(jobs: list[Job], seqs: list[int], sort: str) -> list[int]:
    """Missing values last whichever way round; ties by seq."""
    sign = -1 if sort.startswith("-") else 1
    found: list[tuple[bool, int, int]] = []
    for job, seq in zip(jobs, seqs, strict=True):
        match sort.removeprefix("-"):
            case "created":
                key = 0
            case "run_at":
                key = job.run_at
            case "finished":
                key = job.finished_at
            case "priority":
                key = job.priority
            case _:
                whole = job.finished_at is not None and job.started_at is not None
                key = job.finished_at - job.started_at if whole else None  # type: ignore[operator]
        found.append((key is None, sign * (key or 0), sign * seq))
    return [abs(seq) for _, _, seq in sorted(found)]


def turn(db: apsw.Connection, text: str, sort: str, cursor: str | None = None, limit: int = 7) -> Page:
    return search.page(db, ask(text), sort=sort, limit=limit, cursor=cursor)


def seqs_of(page: Page) -> list[int]:
    return [job.seq for job in page.items]


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("text", ["", "type:mail", "type:mail -state:failed"])
def test_pages_meet_every_job_once_there_and_back(db: apsw.Connection, sort: str, text: str) -> None:
    jobs = some(60)
    seqs = put(db, jobs)
    kept = [(j, s) for j, s in zip(jobs, seqs, strict=True) if not text or j.type == "mail"]
    kept = [(j, s) for j, s in kept if "failed" not in text or j.state != "failed"]
    order = expected([j for j, _ in kept], [s for _, s in kept], sort)

    pages = [turn(db, text, sort)]
    while pages[-1].next_cursor:
        pages.append(turn(db, text, sort, pages[-1].next_cursor))
    assert [seq for page in pages for seq in seqs_of(page)] == order
    assert all(len(page.items) == 7 for page in pages[:-1])
    assert pages[0].previous_cursor is None

    back = [pages[-1]]
    while back[-1].previous_cursor:
        back.append(turn(db, text, sort, back[-1].previous_cursor))
    assert [seqs_of(page) for page in back] == [seqs_of(page) for page in reversed(pages)]
    assert seqs_of(turn(db, text, sort, back[-1].next_cursor)) == seqs_of(pages[1])


@pytest.mark.parametrize("sort", ORDERS)
def test_jobs_added_between_pages_move_nothing(db: apsw.Connection, sort: str) -> None:
    jobs = some(40)
    seqs = put(db, jobs)
    met: list[int] = []
    cursor = None
    for turned in range(100):
        page = turn(db, "", sort, cursor)
        met += seqs_of(page)
        cursor = page.next_cursor
        if cursor is None:
            break
        put(db, some(2, seed=turned, prefix=f"new{turned}-") if turned < 5 else [])
    assert [seq for seq in met if seq in seqs] == expected(jobs, seqs, sort)
    assert len(met) == len(set(met))


def test_a_page_that_is_gone_leads_to_the_first(db: apsw.Connection) -> None:
    put(db, some(10))
    second = turn(db, "", "-created", turn(db, "", "-created", limit=3).next_cursor, limit=3)
    db.execute("DELETE FROM jobs WHERE seq > 7")
    page = turn(db, "", "-created", second.previous_cursor, limit=3)
    assert seqs_of(page) == [7, 6, 5]
    assert page.previous_cursor is None


def test_looking_back_from_an_empty_page_shows_the_last_job_again(db: apsw.Connection) -> None:
    put(db, some(5))
    cursor = turn(db, "", "-created", limit=3).next_cursor
    db.execute("DELETE FROM jobs WHERE seq < 3")
    empty = turn(db, "", "-created", cursor, limit=3)
    assert empty.items == []
    assert seqs_of(turn(db, "", "-created", empty.previous_cursor, limit=3)) == [5, 4, 3]


# -- budgets -------------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets which a few rows exhaust."""
    monkeypatch.setattr(pages, "BUDGET_ROWS", 20)
    monkeypatch.setattr(pages, "COUNT_ROWS", 20)
    monkeypatch.setattr(scan, "WINDOW", 5)
    monkeypatch.setattr(scan, "WINDOW_MOST", 5)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("sort", ["created", "-created"])
def test_a_long_search_says_so_and_continues_where_it_ended(db: apsw.Connection, sort: str) -> None:
    put(db, some(100))
    met: list[int] = []
    looked: list[int] = []
    page = turn(db, "args.n:10,50,51,90", sort)
    while True:
        met += seqs_of(page)
        looked.append(page.searched or 0)
        if page.next_cursor is None:
            break
        assert page.searched is not None
        page = turn(db, "args.n:10,50,51,90", sort, page.next_cursor)
    assert sorted(met) == [11, 51, 52, 91]
    assert met == sorted(met, reverse=sort == "-created")
    assert page.searched is None
    assert looked[:-1] == [20] * (len(looked) - 1)
    assert len(looked) >= 4
    back = page
    found: list[int] = []
    while back.previous_cursor:
        back = turn(db, "args.n:10,50,51,90", sort, back.previous_cursor)
        found = seqs_of(back) + found
    # The last step back finds nothing before it, and so shows the first page.
    assert list(dict.fromkeys([*found, *seqs_of(page)])) == met


@pytest.mark.usefixtures("narrow")
def test_indexed_terms_have_no_budget_of_rows(db: apsw.Connection) -> None:
    put(db, [Job("a", type="rare"), *some(100)])
    page = turn(db, "type:rare state:enqueued created:<1000d", "-created")
    assert page.items == []
    page = turn(db, "type:rare owner:null", "-created")
    assert seqs_of(page) == [1]
    assert page.searched is None


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("sort", ["priority", "-finished"])
def test_a_large_sort_takes_the_newest_jobs_and_then_the_next(db: apsw.Connection, sort: str) -> None:
    jobs = some(50)
    seqs = put(db, jobs)
    page = turn(db, "", sort)
    assert page.searched == 20
    met = seqs_of(page)
    while page.next_cursor:
        put(db, some(1, prefix=f"new{len(met)}-"))
        page = turn(db, "", sort, page.next_cursor)
        met += seqs_of(page)
    blocks = [(jobs[30:], seqs[30:]), (jobs[10:30], seqs[10:30]), (jobs[:10], seqs[:10])]
    assert met == [seq for block in blocks for seq in expected(*block, sort)]
    assert page.searched is None


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("sort", ["run_at", "-run_at"])
def test_scheduled_jobs_are_sorted_exactly_however_many(db: apsw.Connection, sort: str) -> None:
    jobs = [job for job in some(200) if job.run_at is not None]
    seqs = put(db, jobs)
    scheduled = [(j, s) for j, s in zip(jobs, seqs, strict=True) if j.state == "scheduled"]
    assert len(scheduled) > 20
    pages = [turn(db, "state:scheduled", sort)]
    while pages[-1].next_cursor:
        pages.append(turn(db, "state:scheduled", sort, pages[-1].next_cursor))
    order = expected([job for job, _ in scheduled], [seq for _, seq in scheduled], sort)
    assert [seq for page in pages for seq in seqs_of(page)] == order
    assert all(page.searched is None for page in pages)
    before = turn(db, "state:scheduled", sort, pages[2].previous_cursor)
    assert seqs_of(before) == seqs_of(pages[1])


@pytest.mark.usefixtures("narrow")
def test_counts_say_when_they_are_a_lower_bound(db: apsw.Connection) -> None:
    put(
        db,
        [Job(f"f{n}", state="failed") for n in range(3)]
        + [Job(f"e{n}", args={"n": 1}, owner="ann") for n in range(97)],
    )
    assert search.count(db, ask(""), cap=50) == search.Count(50, True)
    assert search.count(db, ask(""), cap=100) == search.Count(100, False)
    assert search.count(db, ask("args.n:1"), cap=50) == search.Count(20, True)
    by_state = search.count_by_state(db, ask("args.n:1"), cap=50)
    assert by_state["enqueued"] == search.Count(20, True)
    assert by_state["failed"] == search.Count(0, True)
    by_state = search.count_by_state(db, ask("owner:ann state:failed"), cap=50)
    assert by_state["enqueued"] == search.Count(20, True)
    assert by_state["failed"] == search.Count(0, False)  # so few are failed that all of them were tried
    assert search.count_by_state(db, ask("queue:default"), cap=50)["enqueued"] == search.Count(50, True)


# -- what is handed in ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sort", ["", "-", "--created", "seq", "created ", "CREATED", "priority; DROP TABLE jobs"]
)
def test_an_unknown_sort_is_refused(db: apsw.Connection, sort: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        turn(db, "", sort)
    assert refused.value.problems[0].loc == ("sort",)


def test_a_cursor_belongs_to_one_search(db: apsw.Connection) -> None:
    put(db, some(20))
    cursor = turn(db, "type:mail", "-priority", limit=2).next_cursor
    assert cursor
    assert turn(db, "type:mail", "-priority", cursor, limit=2).items
    for text, sort in (("type:report", "-priority"), ("type:mail", "priority"), ("", "-priority")):
        with pytest.raises(InvalidInput) as refused:
            turn(db, text, sort, cursor)
        assert refused.value.problems[0].loc == ("cursor",)


def test_a_changed_cursor_is_refused(db: apsw.Connection) -> None:
    put(db, some(20))
    cursor = turn(db, "", "-priority", limit=2).next_cursor
    assert cursor
    position = read_cursor(cursor, sort="-priority", text="")
    for at in range(len(cursor)):
        for letter in "Aa0_-é!":
            changed = cursor[:at] + letter + cursor[at + 1 :]
            try:
                read = read_cursor(changed, sort="-priority", text="")
            except InvalidInput:
                continue
            assert read == position  # only bits beyond the last byte differ


integers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cursor=st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: raw.hex())))
def test_garbage_is_no_cursor(db: apsw.Connection, cursor: str) -> None:
    if cursor:
        with pytest.raises(InvalidInput):
            turn(db, "", "-created", cursor)


@pytest.mark.parametrize(
    "text", ["[" * 5000, "W10", "bnVsbA", "e30", "MQ", "A" * 100_000, "Infinity", "=", "\ud800"]
)
def test_well_formed_nonsense_is_no_cursor(db: apsw.Connection, text: str) -> None:
    with pytest.raises(InvalidInput):
        turn(db, "", "-created", text)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seq=integers, key=integers, back=st.booleans(), low=integers, high=integers, sort=st.sampled_from(ORDERS)
)
def test_any_position_that_can_be_written_leads_to_a_page(
    db: apsw.Connection,
    seq: int | None,
    key: int | None,
    back: bool,
    low: int | None,
    high: int | None,
    sort: str,
) -> None:
    position = Position(seq, key, back, low, high)
    cursor = write_cursor(position, sort=sort, text="")
    assert read_cursor(cursor, sort=sort, text="") == position
    if next(db.execute("SELECT count(*) FROM jobs"))[0] == 0:
        put(db, some(10))
    assert len(turn(db, "", sort, cursor).items) <= 10
