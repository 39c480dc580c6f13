"""How settlements and claims of a worker process are exchanged with the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.core.retention import Retention
from holdfast.core.states import Verb
from holdfast.storage import aside
from holdfast.storage.errors import Contended
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.writes import Claim, Settle
from holdfast.testing.factories import TYPE, new_job, worker_row
from holdfast.worker import fetcher as fetcher_module
from holdfast.worker.fetcher import Fetcher, Pool
from holdfast.worker.settling import SettlementPolicy
from tests.unit.worker.executors.helpers import until

POLICY = SettlementPolicy(Retention(failed=60.0), lambda: 0, lambda: 0.0)


class Unsure(SqliteStore):
    """A store whose next commit is done, but whose answer does not arrive."""

    silent = False

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        with super().transaction(sealed=sealed):
            yield
        if self.silent:
            self.silent = False
            raise StorageUnavailable("The connection was lost while it was stored.")


async def settle(store: Unsure, gateway: Gateway, *, before: bool) -> Fetcher:
    """Claim a job and settle it through a fetcher; `before`: another process has settled it."""
    (job,) = gateway.run(Claim(ClaimRequest("w", 1, frozenset({TYPE}), ())))
    end = Settlement(seq=job.seq, token=job.token, verb=Verb.SUCCEED, result="null")
    if before:
        gateway.run(Settle([end]))
    pool = Pool(frozenset({TYPE}), slots=1, busy=1, hungry=False)
    fetcher = Fetcher(gateway, "w", {"loop": pool}, (), 1, POLICY.settlement_refused)
    fetcher.stop_claiming()
    store.silent = not before
    running = asyncio.create_task(fetcher.run(lambda _: None))
    fetcher.settle(job, end)
    await until(lambda: fetcher.idle and not running.done() and not store.silent)
    running.cancel()
    return fetcher


@pytest.fixture
def store(tmp_path: Path) -> Generator[Unsure]:
    made = Unsure(tmp_path / "jobs.db")
    made.open()
    with made.transaction():
        made.register_worker(worker_row("w"), lease=60)
        made.insert([new_job(id="one")])
    yield made
    made.close()


@pytest.mark.parametrize(("before", "lost"), [(False, 0), (True, 1)])
def test_only_a_result_that_was_refused_at_first_is_lost(store: Unsure, before: bool, lost: int) -> None:
    gateway = Gateway(store, lambda _: None)
    fetcher = asyncio.run(settle(store, gateway, before=before))
    gateway.close()
    assert fetcher.lost == lost
    record = store.job("one")
    assert record is not None
    assert record.state == "succeeded"
    assert [row.state for row in store.history("one")].count("succeeded") == 1


# -- what the store refuses -------------------------------------------------------------------------------------------------


class Picky(SqliteStore):
    """A store that refuses some settlements, as a database does that cannot keep a value of them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.refuse: Callable[[Settlement], Exception | None] = lambda _: None
        self.tried: list[Settlement] = []
        self.first = 0
        """The number of its first job."""

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        for settlement in settlements:
            error = self.refuse(settlement)
            if len(settlements) == 1:
                self.tried.append(settlement)
            if error is not None:
                raise error
        return super().settle(settlements)


@pytest.fixture
def picky(tmp_path: Path) -> Generator[Picky]:
    made = Picky(tmp_path / "jobs.db")
    made.open()
    with made.transaction():
        made.register_worker(worker_row("w"), lease=60)
        made.insert([new_job(id=f"job-{n}") for n in range(5)])
    first = made.job("job-0")
    assert first is not None
    made.first = first.seq
    yield made
    made.close()


async def settle_all(store: Picky, done: Callable[[], bool], monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    """Claim five jobs and settle them together, until `done`."""
    monkeypatch.setattr(fetcher_module, "CONTENDED_PAUSE", 0.02)
    gateway = Gateway(store, lambda _: None)
    jobs = gateway.run(Claim(ClaimRequest("w", 5, frozenset({TYPE}), ())))
    pool = Pool(frozenset({TYPE}), slots=5, busy=5, hungry=False)
    fetcher = Fetcher(gateway, "w", {"loop": pool}, (), 5, POLICY.settlement_refused)
    fetcher.stop_claiming()
    for job in jobs:
        fetcher.settle(job, Settlement(job.seq, job.token, Verb.SUCCEED, result=f'"{job.id}"'))
    running = asyncio.create_task(fetcher.run(lambda _: None))
    await until(lambda: done() and not fetcher._exchanging)
    assert not running.done()
    running.cancel()
    gateway.close()
    return fetcher


def states(store: Picky) -> list[str]:
    return [record.state for n in range(5) if (record := store.job(f"job-{n}")) is not None]


def test_an_end_that_is_refused_costs_its_own_job_only(picky: Picky, monkeypatch: pytest.MonkeyPatch) -> None:
    picky.refuse = lambda s: ValueError("the value is too long") if s.result == '"job-2"' else None
    asyncio.run(settle_all(picky, lambda: "processing" not in states(picky), monkeypatch))
    assert states(picky) == ["succeeded", "succeeded", "failed", "succeeded", "succeeded"]
    failed = picky.job("job-2")
    assert failed is not None
    assert (
        failed.error_message == "The end of this attempt cannot be stored: ValueError: the value is too long"
    )
    assert failed.reason == "its end cannot be stored"


def test_where_the_reason_is_refused_too_a_fixed_one_is_stored(
    picky: Picky, monkeypatch: pytest.MonkeyPatch
) -> None:
    picky.refuse = lambda s: ValueError("no") if s.seq == picky.first and (s.result or s.error) else None
    asyncio.run(settle_all(picky, lambda: "processing" not in states(picky), monkeypatch))
    assert states(picky).count("succeeded") == 4
    (failed,) = [r for n in range(5) if (r := picky.job(f"job-{n}")) is not None and r.state == "failed"]
    assert failed.reason == "refused by the store"
    assert [s.verb for s in picky.tried if s.seq == picky.first] == [Verb.SUCCEED, Verb.FAIL, Verb.FAIL]


def test_no_attempt_is_settled_more_than_three_times(picky: Picky, monkeypatch: pytest.MonkeyPatch) -> None:
    picky.refuse = lambda s: ValueError("no") if s.seq == picky.first else None

    def given_up() -> bool:
        return sum(s.seq == picky.first for s in picky.tried) >= 3 and states(picky).count("succeeded") == 4

    fetcher = asyncio.run(settle_all(picky, given_up, monkeypatch))
    assert sum(s.seq == picky.first for s in picky.tried) == 3
    assert fetcher.idle
    assert fetcher.holds(picky.first)  # so that it is not released, and run again, while this worker lives


@pytest.mark.parametrize("timeout", [0.0, 15.0])
def test_an_end_in_whose_way_others_are_keeps_no_other_waiting(
    picky: Picky, monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    monkeypatch.setattr(aside, "TIMEOUT", timeout)
    locked = [True]
    picky.refuse = lambda s: Contended("a lock held too long") if s.seq == picky.first and locked else None

    def others() -> bool:
        if states(picky).count("succeeded") == 4:
            locked.clear()
        return states(picky).count("succeeded") == 5

    fetcher = asyncio.run(settle_all(picky, others, monkeypatch))
    assert fetcher.lost == 0
    assert not fetcher.holds(picky.first)


def test_a_claim_that_others_are_in_the_way_of_delays_no_end(
    picky: Picky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another transaction has locked the row of the worker: what runs is settled meanwhile, and the claim comes
    again."""
    monkeypatch.setattr(fetcher_module, "CONTENDED_PAUSE", 0.02)
    started: list[str] = []

    async def main() -> None:
        gateway, claim = Gateway(picky, lambda _: None), picky.claim
        first = gateway.run(Claim(ClaimRequest("w", 1, frozenset({TYPE}), ())))[0]
        pool = Pool(frozenset({TYPE}), slots=2, busy=1)
        fetcher = Fetcher(gateway, "w", {"loop": pool}, (), 2, POLICY.settlement_refused)

        def hindered(request: ClaimRequest) -> list[Claimed]:
            raise Contended("a lock held too long")

        picky.claim = hindered  # type: ignore[method-assign]
        running = asyncio.create_task(fetcher.run(lambda job: started.append(job.id)))
        fetcher.settle(first, Settlement(first.seq, first.token, Verb.SUCCEED))
        await until(lambda: "succeeded" in states(picky))
        assert not started
        picky.claim = claim  # type: ignore[method-assign]
        await until(lambda: len(started) == 2)
        running.cancel()
        gateway.close()

    asyncio.run(main())
    assert len(set(started)) == 2
