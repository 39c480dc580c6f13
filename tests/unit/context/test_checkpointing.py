"""What is reported, when, and where a loop or step belongs."""

from __future__ import annotations

import concurrent.futures
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.context import JobContext
from holdfast.core.errors import CheckpointMismatch, InvalidInput
from holdfast.core.outcome import Interrupted, Retry
from tests.unit.context.recording import RecordingPort, end


def tick(port: RecordingPort) -> None:
    """Time has passed, as the worker says it, from outside of the job."""
    memory: Any = port.memory
    memory._hold_due = 0.0
    thread = threading.Thread(target=memory.tick)
    thread.start()
    thread.join()


# -- held by time ---------------------------------------------------------------------------------------------------------


def test_a_place_is_reported_at_intervals_in_the_middle_of_an_item() -> None:
    port = RecordingPort()
    for item in JobContext(port).track(range(60)):
        if item == 50:
            tick(port)
            assert port.saved["positions"][""]["done"] == 50
            assert port.last_progress == {"done": 50, "total": 60, "held": 50}
            port.events.clear()
            tick(port)
            assert port.events == []  # nothing has moved since


def test_a_state_is_never_reported_ahead_of_its_place() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for item in ctx.track(range(200)):
        ctx.state["sum"] = ctx.state.get("sum", 0) + 1
        tick(port)  # after the change, before the item is done
        if port.stored:
            assert port.saved.get("state", {}).get("sum", 0) == port.saved["positions"][""]["done"] <= item
    assert port.saved["positions"][""]["done"] > 100


def test_what_was_stored_is_not_replaced_by_an_older_place() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for item in ctx.track(range(3)):
        ctx.state["n"] = item
        if item == 2:
            ctx.step("send", int)
            tick(port)
            assert port.saved["positions"][""]["inner"] == {"steps": {"send": 0}}


def test_every_end_takes_the_place_and_the_state_along() -> None:
    port = RecordingPort()
    ctx = JobContext(port)

    def job() -> None:
        for item in ctx.track(range(9)):
            if item == 4:
                ctx.state["seen"] = 4
                raise ValueError

    with pytest.raises(ValueError):
        job()
    end(port)
    assert port.saved == {"state": {"seen": 4}, "positions": {"": {"done": 4, "total": 9, "last": 3}}}
    assert port.last_progress["held"] == 4


def test_a_state_that_cannot_be_stored_is_reported_at_the_first_item_and_at_the_end() -> None:
    port, seen = RecordingPort(), list[int]()
    ctx = JobContext(port)

    def job() -> None:
        for item in ctx.track(range(9)):
            seen.append(item)
            ctx.state["seen"] = {item}

    with pytest.raises(InvalidInput, match="set is not JSON"):
        job()
    assert seen == [0]
    assert port.memory is not None
    assert "set is not JSON" in (port.memory.end() or "")


def test_held_of_a_bar_is_that_of_its_own_loop() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for _ in ctx.track(range(5)):
        pass
    tick(port)
    assert port.last_progress["held"] == 5
    for item in ctx.track(range(7)):
        if item == 0:
            assert port.last_progress == {"done": 0, "total": 7}


# -- item_done ------------------------------------------------------------------------------------------------------------


def test_an_item_that_was_declared_done_is_not_run_again() -> None:
    def job(ctx: JobContext) -> Iterator[int]:
        for item in ctx.track(range(5)):
            yield item
            ctx.item_done()
            ctx.item_done()  # it is done once
            ctx.sleep(0)

    port, seen = RecordingPort(), list[int]()

    def interrupted() -> None:
        for item in job(JobContext(port)):
            seen.append(item)
            port.flags.pause = item == 2

    with pytest.raises(Interrupted):
        interrupted()
    assert port.saved["positions"][""]["done"] == 3
    assert seen + list(job(JobContext(end(port)))) == [0, 1, 2, 3, 4]


def test_a_break_behind_item_done_keeps_the_item() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for item in ctx.track(range(5)):
        if item == 2:
            ctx.item_done()
            break
    assert list(JobContext(end(port)).track(range(5))) == [3, 4]


def test_nothing_of_the_item_comes_behind_item_done() -> None:
    ctx = JobContext(RecordingPort())
    with pytest.raises(InvalidInput, match=r"no track is open"):
        ctx.item_done()
    for _ in ctx.track(range(1)):
        ctx.item_done()
        with pytest.raises(InvalidInput, match="declared done"):
            ctx.step("send", int)
        with pytest.raises(InvalidInput, match="declared done"):
            list(ctx.track("ab"))


# -- the state ------------------------------------------------------------------------------------------------------------


def test_a_dictionary_beside_the_empty_state_is_refused() -> None:
    ctx = JobContext(RecordingPort())
    state = ctx.state or {"sum": 0}

    def job() -> None:
        for item in ctx.track(range(5)):
            state["sum"] += item

    with pytest.raises(InvalidInput, match="is not saved"):
        job()


def test_the_empty_state_may_be_tested_by_who_fills_it() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    if not ctx.state:
        ctx.checkpoint({"page": 1})
    for _ in ctx.track(range(2)):
        pass
    end(port)
    assert port.saved["state"] == {"page": 1}


def test_the_state_stays_the_saved_one_over_a_checkpoint() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    state = ctx.state
    ctx.checkpoint({"page": 1})
    state["rows"] = 5
    end(port)
    assert port.saved["state"] == {"page": 1, "rows": 5}


# -- code that changes ----------------------------------------------------------------------------------------------------


def test_a_state_of_an_older_version_is_migrated() -> None:
    port = RecordingPort()
    JobContext(port).checkpoint({"name": "ann lee"})

    def split(state: dict[str, Any], version: int) -> dict[str, Any]:
        assert version == 1
        first, last = state["name"].split()
        return {"first": first, "last": last}

    later = RecordingPort(port.stored)
    ctx = JobContext(later, 2, split)
    assert ctx.state == {"first": "ann", "last": "lee"}
    ctx.checkpoint(ctx.state)
    assert json.loads(later.durable or "") == {"version": 2, "state": {"first": "ann", "last": "lee"}}
    assert JobContext(RecordingPort(later.durable), 2).state == {"first": "ann", "last": "lee"}


def test_a_state_of_another_version_is_refused_without_a_migration() -> None:
    with pytest.raises(CheckpointMismatch, match="state_version=1, and the job has state_version=3"):
        _ = JobContext(RecordingPort('{"state":{"n":1}}'), 3).state
    assert JobContext(RecordingPort(None), 3).state == {}


def test_a_state_of_newer_code_is_left_to_a_worker_that_has_it() -> None:
    with pytest.raises(Retry, match="state_version=3, and this worker has the older 2"):
        _ = JobContext(RecordingPort('{"version":3,"state":{"n":1}}'), 2, lambda state, _: state).state


def test_loops_and_steps_that_are_renamed_removed_or_moved() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    ctx.step("load", lambda: 1)
    ctx.step("old", lambda: 2)
    for item in ctx.track(range(5), name="rows"):
        if item == 2:
            break
    later, ran = JobContext(end(port)), list[str]()
    list(later.track(range(2), name="new loop before"))
    assert list(later.track(range(5), name="rows")) == [2, 3, 4]  # found by its name, wherever it is
    later.step("new", lambda: ran.append("new"))  # a renamed step is another one: it runs
    assert later.step("load", lambda: ran.append("load")) == 1
    assert ran == ["new"]


def test_an_interruption_in_one_thread_takes_no_item_of_another() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    inside, interrupted = threading.Event(), threading.Event()

    def loop() -> None:
        for _ in ctx.track(range(2), name="rows"):
            inside.set()
            interrupted.wait(20)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        walked = pool.submit(loop)
        inside.wait(20)
        port.flags.pause = True
        with pytest.raises(Interrupted):
            pool.submit(ctx.step, "beside", int).result()
        interrupted.set()
        with pytest.raises(Interrupted):
            walked.result()
    end(port)
    assert port.saved["positions"]["rows"]["done"] == 1
