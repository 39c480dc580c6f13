"""One attempt from claim to settlement: what its job has reported is stored in order, and once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.job import Claimed
from holdfast.core.outcome import AttemptResult, Settlement
from holdfast.core.retention import Retention
from holdfast.core.states import Verb
from holdfast.worker.executors.loop import LoopExecutor
from holdfast.worker.report_batcher import ReportBatcher
from holdfast.worker.runner import Runner
from holdfast.worker.settling import SettlementPolicy
from tests.unit.worker.executors.helpers import run, until
from tests.unit.worker.executors.sample_app import app
from tests.unit.worker.reports import ReportStore, a_gateway


@dataclass
class House:
    store: ReportStore
    runner: Runner
    executor: LoopExecutor
    settled: list[Settlement | None]

    def start(self, name: str, **args: Any) -> None:
        text = json.dumps(args)
        self.runner.start(
            Claimed(1, "0190", name, "default", 0, 7, 1, 11, text, None, None, None, 0, None, 0, None)
        )


@asynccontextmanager
async def a_house() -> AsyncIterator[House]:
    store, settled = ReportStore(), list[Settlement | None]()

    def settle(_: Claimed, settlement: Settlement | None) -> None:
        settled.append(settlement)

    with a_gateway(store) as gateway:
        executor = LoopExecutor()
        batcher = ReportBatcher(gateway, asyncio.get_running_loop())
        policy = SettlementPolicy(Retention(None, None, None), lambda: 0, lambda: 0.5)
        types = {
            name: kind
            for name in ("walk_async", "siblings_async", "cancels_itself_async", "nap_async")
            if (kind := app.registry.get(name))
        }
        runner = Runner(types, {"loop": executor}, batcher, policy, settle, cancel_grace=10.0)
        yield House(store, runner, executor, settled)
        await executor.close()


def test_an_attempt_ends_after_its_report_in_flight(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_house() as house:
            with house.store.closed_gate():
                house.start("walk_async", path=str(tmp_path / "items"), n=200)
                await until(lambda: house.store.asked)  # the first report is on its way, and held up
                port = house.runner.active[1, 7].port
                await until(lambda: port._closed)
                assert house.settled == []
            await until(lambda: house.settled)
            (settlement,) = house.settled
            assert settlement is not None
            assert settlement.report is not None
            places = [*house.store.saved, settlement.report.saved]
            done = [json.loads(text)["positions"][""]["done"] for text in places if text is not None]
            assert done == sorted(done)
            assert done[-1] == 200

    run(main())


def test_a_pause_that_is_taken_back_while_tasks_end_releases_the_job(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_house() as house:
            path = tmp_path / "items"
            house.start("siblings_async", path=str(path))
            await until(path.exists)
            port = house.runner.active[1, 7].port
            port.raise_flag(pause=True)
            await until(lambda: port.flags.ended)  # the function was left, a loop beside it still works
            house.runner.hear([])
            await until(lambda: house.settled)
            (settlement,) = house.settled
            assert settlement is not None
            assert (settlement.verb, settlement.reason) == (Verb.CONTINUE, "resumed")

    run(main())


def test_a_job_that_cancels_its_own_task_and_returns_is_settled() -> None:
    """The cancellation arrives when the attempt waits for its report: it is none of the worker's."""

    async def main() -> None:
        async with a_house() as house:
            with house.store.closed_gate():
                house.start("cancels_itself_async")
                await until(lambda: house.store.asked)
                port = house.runner.active[1, 7].port
                await until(lambda: port._closed)
            await until(lambda: house.settled)
            (settlement,) = house.settled
            assert settlement is not None
            assert settlement.verb is Verb.SUCCEED

    run(main())


def test_an_attempt_whose_report_is_refused_fails_with_the_reason() -> None:
    async def main() -> None:
        async with a_house() as house:
            house.store.refuse = ValueError("the level is too long")
            house.start("nap_async")
            await until(lambda: house.settled)
            (settlement,) = house.settled
            assert settlement is not None
            assert (settlement.verb, settlement.reason) == (Verb.FAIL, "report refused")
            assert settlement.error is not None
            assert "ValueError: the level is too long" in settlement.error.message

    run(main())


def test_whatever_an_executor_or_the_policy_raises_the_attempt_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with a_house() as house:

            async def exits(_: Any) -> AttemptResult:
                raise SystemExit("of an executor")

            monkeypatch.setattr(house.executor, "run", exits)
            house.start("nap_async")
            await until(lambda: house.settled)

            def settlement_for(*_: Any) -> Settlement:
                raise ValueError("of the policy")

            monkeypatch.setattr(SettlementPolicy, "settlement_for", settlement_for)
            house.start("nap_async")
            await until(lambda: len(house.settled) == 2)
            first, second = house.settled
            assert first is not None
            assert first.error is not None
            assert (first.verb, first.error.message) == (Verb.RETRY_LATER, "of an executor")
            assert second is not None
            assert second.error is not None
            assert second.verb is Verb.FAIL
            assert second.error.message.endswith("ValueError: of the policy")
            assert house.runner.active == {}

    run(main())
