"""Users test their jobs with the harness; so these are also examples of how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Fail, Holdfast, JobContext, Snooze
from holdfast.core.errors import ConfigurationError, StorageUnavailable
from holdfast.core.settings import Settings
from holdfast.testing.harness import Harness


class Jobs:
    """An app with a few job types, and what they did."""

    def __init__(self) -> None:
        self.app = app = Holdfast()
        self.done: list[str] = []

        @app.job()
        def plain(name: str) -> str:
            self.done.append(name)
            return name.upper()

        @app.job(retries=3)
        async def flaky(ctx: JobContext, fail_times: int) -> int:
            if ctx.attempt <= fail_times:
                raise ValueError(f"attempt {ctx.attempt}")
            return ctx.attempt

        @app.job()
        async def doomed() -> None:
            raise Fail("no way")

        @app.job()
        async def in_two_steps(ctx: JobContext) -> str:
            if not ctx.state:
                ctx.checkpoint({"half": True})
                raise Snooze(3600)
            return "whole"

        @app.job()
        async def endless(ctx: JobContext) -> None:
            await ctx.sleep_async(600)

        self.plain, self.flaky, self.doomed, self.in_two_steps, self.endless = (
            plain,
            flaky,
            doomed,
            in_two_steps,
            endless,
        )


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def harness(jobs: Jobs, tmp_path: Path) -> Iterator[Harness]:
    with Harness(jobs.app, tmp_path) as harness:
        yield harness


def test_everything_enqueued_is_run(jobs: Jobs, harness: Harness) -> None:
    handles = [jobs.plain.enqueue(name=name) for name in "abc"]
    assert harness.drain()["succeeded"] == 3
    assert sorted(jobs.done) == ["a", "b", "c"]
    assert [handle.refresh().result for handle in handles] == ["A", "B", "C"]


def test_retries_and_delays_are_not_waited_for(jobs: Jobs, harness: Harness) -> None:
    flaky = jobs.flaky.enqueue(fail_times=2)
    late = jobs.plain.options(delay="1h").enqueue(name="late")
    halves = jobs.in_two_steps.enqueue()
    harness.drain()
    assert flaky.refresh().result == 3
    assert (late.refresh().state, halves.refresh().result) == ("succeeded", "whole")


def test_delays_are_kept_when_asked(jobs: Jobs, harness: Harness) -> None:
    late = jobs.plain.options(delay="1h").enqueue(name="late")
    counted = harness.drain(delayed=False)
    assert (counted["scheduled"], late.refresh().state) == (1, "scheduled")


def test_failures_stay_to_be_looked_at(jobs: Jobs, harness: Harness) -> None:
    doomed, hopeless = jobs.doomed.enqueue(), jobs.flaky.enqueue(fail_times=9)
    assert harness.drain()["failed"] == 2
    assert doomed.refresh().state == "failed"
    assert harness.app.client.jobs.get(hopeless.id).attempt == 4


def test_a_drain_that_takes_too_long_gives_the_job_back(jobs: Jobs, tmp_path: Path) -> None:
    with Harness(jobs.app, tmp_path, stop_grace=0.2) as harness:
        endless = jobs.endless.enqueue()
        with pytest.raises(TimeoutError, match="'processing': 1"):
            harness.drain(timeout=0.5)
        assert endless.refresh().state == "enqueued"


def test_nothing_to_do_is_done_at_once(harness: Harness) -> None:
    assert sum(harness.drain().values()) == 0


def test_afterwards_the_app_points_where_it_did_before(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is enqueued after the test is not lost in a folder that will be deleted."""
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path / "own"))
    with Harness(jobs.app, tmp_path / "test"):
        jobs.plain.enqueue(name="a")
    assert jobs.app.settings.data_dir == str(tmp_path / "own")
    assert jobs.plain.enqueue(name="b").refresh().state == "enqueued"
    with (
        pytest.raises(ConfigurationError, match=r"call close\(\) first"),
        Harness(jobs.app, tmp_path / "test"),
    ):
        pass
    assert jobs.app.settings.data_dir == str(tmp_path / "own")
    jobs.app.close()


def test_a_store_that_cannot_be_opened_leaves_the_app_as_it_was(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = Settings(data_dir=str(tmp_path / "own"))
    jobs.app.configure(before)
    with pytest.raises(StorageUnavailable), Harness(jobs.app, tmp_path / "file" / "below"):
        pass
    assert jobs.app.settings is before
