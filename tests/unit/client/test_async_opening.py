"""The `*_async` methods leave the caller's event loop free, also while the store is being opened or is silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from holdfast import Holdfast, StorageUnavailable, UnknownJobType
from holdfast.client.opening import SharedOpening


def silent_app(scheme: str, listening: socket.socket) -> tuple[Holdfast, Any]:
    app = Holdfast(database_url=f"{scheme}://u@127.0.0.1:{listening.getsockname()[1]}/x")

    @app.job()
    def add(a: int) -> int:
        return a

    return app, add


CALLS: dict[str, Callable[[Holdfast, Any], Awaitable[Any]]] = {
    "enqueue": lambda _, add: add.enqueue_async(a=1),
    "enqueue with options": lambda _, add: add.options(delay=1).enqueue_async(a=1),
    "enqueue many": lambda _, add: add.enqueue_many_async([{"a": 1}]),
    "by name": lambda app, _: app.enqueue_async("add", {"a": 1}),
    "many by name": lambda app, _: app.enqueue_many_async("other", [{"a": 1}]),
    "open": lambda app, _: app.open_async(),
}


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
@pytest.mark.parametrize("call", CALLS)
def test_the_loop_runs_while_a_silent_database_is_opened(scheme: str, call: str) -> None:
    async def main(silent: socket.socket) -> None:
        app, add = silent_app(scheme, silent)
        calling = asyncio.ensure_future(CALLS[call](app, add))
        # accepted by this loop: a loop that the call blocks gets here only after the call has given up
        accepted, _ = await asyncio.get_running_loop().sock_accept(silent)
        with accepted:
            assert not calling.done()
        calling.cancel()
        with contextlib.suppress(asyncio.CancelledError, StorageUnavailable):
            await calling
        for thread in threading.enumerate():  # ends with the connection
            if thread.name == "holdfast-opening":
                await asyncio.to_thread(thread.join, 20)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        asyncio.run(main(silent))


class Gate:
    """An opener that returns when `pass_` is set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self.entered = threading.Event()
        self.pass_ = threading.Event()
        self._error = error

    def __call__(self) -> str:
        self.calls += 1
        self.entered.set()
        assert self.pass_.wait(20)
        if self._error is not None:
            raise self._error
        return "open"


def test_concurrent_callers_share_one_opening_and_a_cancelled_one_takes_nothing_away() -> None:
    gate = Gate()
    opening = SharedOpening(gate)

    async def main() -> None:
        callers = [asyncio.create_task(opening.result()) for _ in range(50)]
        await asyncio.to_thread(gate.entered.wait, 20)
        callers[0].cancel()
        await asyncio.wait([callers[0]])
        gate.pass_.set()
        assert await asyncio.gather(*callers[1:]) == ["open"] * 49
        assert gate.calls == 1

    asyncio.run(main())


def test_every_caller_gets_the_error_and_the_next_call_tries_again() -> None:
    gate = Gate(StorageUnavailable("silent"))
    gate.pass_.set()
    opening = SharedOpening(gate)

    async def main() -> None:
        for calls in (1, 2):
            with pytest.raises(StorageUnavailable, match="silent"):
                await opening.result()
            assert gate.calls == calls

    asyncio.run(main())


def test_a_type_without_its_code_is_looked_up_off_the_loop(
    app: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[threading.Thread] = []
    types = app.open().store.types
    monkeypatch.setattr(
        app.open().store, "types", lambda: (asked.append(threading.current_thread()), types())[1]
    )
    with pytest.raises(UnknownJobType):
        asyncio.run(app.enqueue_async("elsewhere", {}))
    assert asked
    assert threading.main_thread() not in asked
