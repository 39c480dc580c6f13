"""What a job says of itself and hears: state, steps, progress, console, sleep."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from typing import Any

import pytest

from holdfast.client.views import Progress
from holdfast.context import JobContext
from holdfast.core.errors import InvalidInput, LeaseLost, TooLarge
from holdfast.core.outcome import Interrupted
from holdfast.core.sizes import MAX_LOG_LINE, MAX_SAVED
from tests.unit.context.recording import RecordingPort


def test_it_knows_itself() -> None:
    ctx = JobContext(RecordingPort(args='{"path":"a.csv"}'))
    assert (ctx.id, ctx.type, ctx.attempt, ctx.args) == ("0190", "sample", 1, {"path": "a.csv"})
    assert (ctx.owner, ctx.tags, ctx.fence_token) == ("ann", ("eu",), 7)


def test_state_is_empty_at_first_and_read_back_later() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    assert ctx.state == {}
    ctx.checkpoint({"page": 3, "seen": ("a", "b")})
    assert port.durable == '{"state":{"page":3,"seen":["a","b"]}}'
    assert ctx.state == JobContext(RecordingPort(port.stored)).state == {"page": 3, "seen": ["a", "b"]}


def test_a_checkpoint_takes_a_copy() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    mine = {"n": 1}
    ctx.checkpoint(mine)
    mine["n"] = 2
    list(ctx.track("a"))
    assert port.saved["state"] == {"n": 1}


def test_async_checkpoint_and_progress_that_is_held_by_it() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    ctx.progress(5, 10)
    assert "held" not in port.last_progress
    asyncio.run(ctx.checkpoint_async([1]))
    assert port.durable == '{"state":[1]}'
    assert port.last_progress == {"done": 5, "total": 10, "held": 5}


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ({"a": {1, 2}}, "set"),
        ({"a": float("nan")}, "NaN"),
        ({1: 2}, "keys"),
        ({"a": "\x00"}, "NUL"),
        (["\ud800"], "surrogate"),
    ],
)
def test_a_state_that_is_not_json_is_refused_with_the_reason(state: Any, where: str) -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    with pytest.raises(InvalidInput, match=where):
        ctx.checkpoint(state)
    assert port.events == []
    assert ctx.state == {}


def test_a_bad_change_in_place_is_refused_when_it_would_be_saved() -> None:
    ctx = JobContext(RecordingPort())
    ctx.state["when"] = object()
    with pytest.raises(InvalidInput, match="object is not JSON"):
        ctx.step("a", int)


def test_a_state_that_is_too_large_is_refused() -> None:
    with pytest.raises(TooLarge):
        JobContext(RecordingPort()).checkpoint("x" * MAX_SAVED)
    ctx = JobContext(RecordingPort())
    ctx.step("half", lambda: "x" * (MAX_SAVED // 2))
    with pytest.raises(TooLarge, match="saved state"):
        ctx.checkpoint("x" * (MAX_SAVED // 2))


def test_a_checkpoint_is_stored_and_then_a_pause_point() -> None:
    port = RecordingPort()
    port.flags.pause = True
    with pytest.raises(Interrupted):
        JobContext(port).checkpoint({"n": 1})
    assert port.durable == '{"state":{"n":1}}'


def test_a_step_runs_once_over_all_attempts() -> None:
    calls: list[int] = []

    def charge(amount: int) -> dict[str, Any]:
        calls.append(amount)
        return {"paid": (amount, "EUR")}

    port = RecordingPort()
    first = JobContext(port).step("charge", charge, 5)
    assert json.loads(port.durable or "") == {"steps": {"charge": {"paid": [5, "EUR"]}}}
    again = JobContext(RecordingPort(port.stored)).step("charge", charge, 5)
    assert first == again == {"paid": [5, "EUR"]}
    assert calls == [5]


def test_an_async_step_runs_once() -> None:
    calls: list[int] = []

    async def fetch(n: int) -> int:
        calls.append(n)
        return n

    async def job(ctx: JobContext) -> tuple[int, int]:
        return await ctx.step_async("a", fetch, 1), await ctx.step_async("b", int, "2")

    port = RecordingPort()
    assert asyncio.run(job(JobContext(port))) == (1, 2)
    assert asyncio.run(job(JobContext(RecordingPort(port.stored)))) == (1, 2)
    assert calls == [1]


def test_a_step_in_a_loop_body_belongs_to_the_item() -> None:
    calls: list[int] = []

    def job(port: RecordingPort) -> None:
        ctx = JobContext(port)
        for item in ctx.track(range(3)):
            ctx.step("send", calls.append, item)
            if item == 1 and port.attempt.saved is None:
                port.flags.pause = True
                ctx.raise_if_interrupted()

    first = RecordingPort()
    with pytest.raises(Interrupted):
        job(first)
    assert first.saved == {
        "positions": {"": {"done": 1, "total": 3, "last": 0, "inner": {"steps": {"send": None}}}}
    }
    job(RecordingPort(first.stored))
    assert calls == [0, 1, 2]


def test_a_step_with_an_async_function_says_what_to_use() -> None:
    async def fetch() -> None: ...

    with pytest.raises(TypeError, match="step_async"):
        _ = JobContext(RecordingPort()).step("a", fetch)


def test_a_step_that_cannot_be_stored_is_an_error() -> None:
    port = RecordingPort()
    port.refuse = LeaseLost("gone")
    with pytest.raises(LeaseLost):
        JobContext(port).step("a", int)


def test_a_number_that_is_none_is_refused_as_progress() -> None:
    with pytest.raises(InvalidInput, match="NaN"):
        JobContext(RecordingPort()).progress(float("nan"))


def test_the_console_is_a_logger_outside_the_tree(caplog: pytest.LogCaptureFixture) -> None:
    port = RecordingPort()
    log = JobContext(port).log
    log.debug("row %d", 3, extra={"row": 3, "who": {"ann"}})
    try:
        raise ValueError("bad row")
    except ValueError:
        log.exception("failed")
    (at, level, message, fields), (_, error_level, error, none) = port.of("log")
    assert abs(at / 1e6 - time.time()) < 60
    assert (level, message, json.loads(fields)) == ("debug", "row 3", {"row": 3, "who": "{'ann'}"})
    assert (error_level, none) == ("error", None)
    assert error.startswith("failed\nTraceback")
    assert error.endswith("ValueError: bad row")
    assert isinstance(log, logging.Logger)
    assert log.name not in logging.Logger.manager.loggerDict
    assert caplog.records == []


def test_no_line_fails_the_job() -> None:
    port = RecordingPort()
    log = JobContext(port).log
    ring: dict[Any, Any] = {}
    ring["self"] = ring
    log.info("%d", "x")
    log.info(
        "a\x00\ud800b" + "x" * 1_000_000, extra={"ring": ring, "nan": float("nan"), "big": "y" * 1_000_000}
    )
    lines = port.of("log")
    assert "'x'" in lines[0][2]
    assert len(lines[1][2]) <= MAX_LOG_LINE
    assert len(lines[1][3]) <= 2 * MAX_LOG_LINE
    json.loads(lines[1][3])


def test_flags_are_visible_to_the_job() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    ctx.raise_if_interrupted()
    assert (ctx.cancelled, ctx.pausing) == (False, False)
    port.flags.stop = True
    assert (ctx.cancelled, ctx.pausing) == (False, True)
    port.flags.cancel = True
    assert ctx.cancelled
    with pytest.raises(Interrupted):
        ctx.raise_if_interrupted()


def test_sleep_blocks_and_wakes_for_a_pause() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    started = time.monotonic()
    ctx.sleep(0.05)
    assert time.monotonic() - started >= 0.05
    threading.Timer(0.05, port.raise_flag, ("pause",)).start()
    with pytest.raises(Interrupted):
        ctx.sleep(60)
    assert time.monotonic() - started < 30


def test_sleep_is_awaited_on_a_loop() -> None:
    port = RecordingPort()

    async def job(ctx: JobContext) -> None:
        await ctx.sleep(0.01)
        asyncio.get_running_loop().call_later(0.02, port.raise_flag, "cancel")
        await ctx.sleep(60)

    with pytest.raises(Interrupted):
        asyncio.run(job(JobContext(port)))


def test_a_pause_in_a_loop_body_hands_up_the_place_of_the_loop() -> None:
    port = RecordingPort()
    ctx = JobContext(port)

    def job() -> None:
        for item in ctx.track(range(5)):
            if item == 3:
                port.flags.pause = True
                ctx.sleep(60)

    with pytest.raises(Interrupted):
        job()
    assert port.saved == {"positions": {"": {"done": 3, "total": 5, "last": 2}}}


class Odd:
    """A value without a text."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


def test_logging_what_has_no_text_fails_no_job() -> None:
    port = RecordingPort()
    log = JobContext(port).log
    log.info("v=%s", Odd())
    log.info("x", extra={"value": Odd()})
    log.info("x", extra={"value": {1: Odd()}})
    log.info(Odd())
    shown = "<Odd object, its __repr__ raised RuntimeError>"
    lines = port.of("log")
    assert lines[0][2].startswith(f"'v=%s' with ({shown})")
    assert "its __str__ raised RuntimeError" in lines[1][3]
    assert "RuntimeError" in lines[2][3]
    assert lines[3][2].startswith(shown)


def test_the_name_of_a_level_can_be_stored() -> None:
    port = RecordingPort()
    logging.addLevelName(25, "L\x00EVEL" * 10)
    try:
        JobContext(port).log.log(25, "line")
    finally:
        logging.addLevelName(25, "Level 25")
    ((_, level, _, _),) = port.of("log")
    assert (len(level), level.startswith("l\ufffdevel")) == (20, True)


def test_the_only_loop_is_the_main_bar_by_whatever_name() -> None:
    port = RecordingPort()
    for _ in JobContext(port).track(range(3), name="rows"):
        pass
    shown = Progress.model_validate(port.last_progress)
    assert (shown.done, shown.total) == (3, 3)
    assert [(bar.name, bar.done, bar.total) for bar in shown.bars] == [("rows", 3, 3)]


def test_results_of_steps_and_of_map_go_through_the_given_encoder() -> None:
    def encode(value: object, what: str) -> str:
        return f'"{what}: {value}"'

    ctx = JobContext(RecordingPort(), encode=encode)
    assert ctx.step("a", object) == ctx.step("a", object)
    assert ctx.step("b", lambda: {7}) == "step result: {7}"
    assert ctx.map(lambda n: {n}, [1, 2]) == ["result of map: {1}", "result of map: {2}"]
