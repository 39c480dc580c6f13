"""A TCP proxy on loopback that can disturb a connection.

    with Proxy(("127.0.0.1", 5432)) as proxy:
        connect_to(proxy.host, proxy.port)
        proxy.cut()                      # resets what is open, refuses what is new
        proxy.mend()                     # passes again
        proxy.black_hole()               # keeps everything open and moves no byte; ("client"): none to that side
        proxy.half_open()                # the server is left, the client is not notified
        proxy.throttle(1024)             # so many bytes a second, each way
        proxy.delay(0.1)                 # each piece comes 0.1 s later
        proxy.cut_after(500, "client")   # every connection is reset when 500 bytes have reached the client

`watch` looks at what a client sends, piece by piece, and may end that connection: before the piece is passed on, after it,
or when the server has responded to it. That is how a commit becomes ambiguous. A piece is what one read gave, so a word that
a client sends in one small packet is in one piece."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from types import TracebackType
from typing import Any, Literal, Self

Side = Literal["server", "client"]
"""Whom the bytes are on their way to."""
SIDES: tuple[Side, ...] = ("server", "client")

PIECE = 65_536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends RST


class Cut(Enum):
    """What `watch` returns about the connection that a piece came from; None lets it live."""

    BEFORE = "the server never sees this piece"
    AFTER = "the server sees it, the client hears no answer"
    RESPONDED = "the server has begun to answer, the client hears none of it"


class Proxy:
    """A server on loopback that hands everything on to `target`: (host, port), or the path of a Unix socket."""

    def __init__(
        self, target: tuple[str, int] | str, *, watch: Callable[[bytes], Cut | None] | None = None
    ) -> None:
        self.target = target
        self.watch = watch
        self.host = "127.0.0.1"
        self.port = 0
        self.accepted = 0
        """Connections so far, those that were refused by a cut not counted."""
        self._seconds = 0.0
        self._rate = 0
        self._limits: dict[Side, int | None] = {"server": None, "client": None}
        self._refusing = False
        self._pipes: set[_Pipe] = set()
        self._loop = asyncio.SelectorEventLoop()
        self._flowing: dict[Side, asyncio.Event] = {"server": asyncio.Event(), "client": asyncio.Event()}
        for flowing in self._flowing.values():
            flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, self.host, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- what a test asks for ---------------------------------------------------------------------------------------------

    def mend(self) -> None:
        """Pass everything, at once. What a black hole had kept is passed on."""
        self._set(seconds=0.0, rate=0, refusing=False, flowing=SIDES)
        self._limits = {"server": None, "client": None}

    def cut(self) -> None:
        """Reset every connection, and each new one as soon as it is made."""
        self._set(refusing=True, flowing=SIDES)
        self._do(self._reset_all())

    def reset(self) -> None:
        """Reset every connection; new ones pass."""
        self._do(self._reset_all())

    def black_hole(self, *to: Side) -> None:
        """Let everything stay open, new connections too, and move no byte to these sides (to none, if none is named)."""
        self._set(flowing=[side for side in SIDES if to and side not in to])

    def half_open(self) -> None:
        """Leave the server on every open connection, and let the client wait for it; new connections pass."""
        self._do(self._leave_all())

    def throttle(self, rate: int) -> None:
        """Move at most so many bytes a second on each connection, each way."""
        self._set(rate=rate)

    def delay(self, seconds: float) -> None:
        """Hand each piece on so much later."""
        self._set(seconds=seconds)

    def cut_after(self, count: int, to: Side) -> None:
        """Reset each connection when so many bytes, counted from its beginning, have gone to that side."""
        self._limits[to] = count

    @property
    def open(self) -> int:
        """Connections that stand."""
        return len(self._pipes)

    # -- on the proxy's own loop ------------------------------------------------------------------------------------------

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(_awaited(work), self._loop).result(10)

    def _set(
        self,
        *,
        seconds: float | None = None,
        rate: int | None = None,
        refusing: bool | None = None,
        flowing: Sequence[Side] | None = None,
    ) -> None:
        async def change() -> None:
            self._seconds = self._seconds if seconds is None else seconds
            self._rate = self._rate if rate is None else rate
            self._refusing = self._refusing if refusing is None else refusing
            for side, event in self._flowing.items():
                if flowing is not None:
                    (event.set if side in flowing else event.clear)()

        self._do(change())

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = _Pipe(self, reader, writer)
        if self._refusing:
            pipe.reset()
            return
        self.accepted += 1
        self._pipes.add(pipe)
        try:
            await pipe.run()
        except asyncio.CancelledError:
            pass  # the proxy ends; the streams of Python 3.11 would report it as an accident
        finally:
            pipe.close()
            self._pipes.discard(pipe)

    async def _reset_all(self) -> None:
        for pipe in list(self._pipes):
            pipe.reset()

    async def _leave_all(self) -> None:
        for pipe in list(self._pipes):
            pipe.leave()

    async def _close(self) -> None:
        self._server.close()
        for flowing in self._flowing.values():
            flowing.set()
        await self._reset_all()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _Pipe:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]
        self._moved: dict[Side, int] = {"server": 0, "client": 0}
        self._silent = False  # the next answer of the server ends it
        self._left = False  # the server is gone, and the client shall not notice

    async def run(self) -> None:
        target = self._proxy.target
        try:
            if isinstance(target, str):
                reader, writer = await asyncio.open_unix_connection(target)
            else:
                reader, writer = await asyncio.open_connection(*target)
        except OSError:
            return
        self._writers.append(writer)
        ways = (
            asyncio.create_task(self._move(self._client[0], writer, "server")),
            asyncio.create_task(self._move(reader, self._client[1], "client")),
        )
        try:
            await asyncio.gather(*ways)
        except (_Ended, OSError):
            self.reset()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _move(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Side) -> None:
        while piece := await reader.read(self._proxy._rate or PIECE):
            await asyncio.sleep(self._proxy._seconds)
            if rate := self._proxy._rate:
                await asyncio.sleep(len(piece) / rate)
            await self._proxy._flowing[to].wait()
            if self._left:
                continue
            if to == "client" and self._silent:
                raise _Ended
            verdict = self._proxy.watch(piece) if to == "server" and self._proxy.watch else None
            if verdict is Cut.BEFORE:
                raise _Ended
            self._silent |= verdict is Cut.RESPONDED
            limit = self._proxy._limits[to]
            left = None if limit is None else limit - self._moved[to]
            writer.write(piece[:left])
            await writer.drain()
            self._moved[to] += len(piece)
            if verdict is Cut.AFTER or (left is not None and left <= len(piece)):
                raise _Ended
        if self._left and to == "server":
            raise _Ended  # the client has had enough
        if self._left:
            await asyncio.Event().wait()
        writer.write_eof()

    def leave(self) -> None:
        """End the side of the server only."""
        self._left = True
        for writer in self._writers[1:]:
            writer.transport.abort()

    def reset(self) -> None:
        """The client is notified by a reset. The server sees an end: what it has got so far it shall still read."""
        connection = self._client[1].get_extra_info("socket")
        if not self._client[1].is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class _Ended(Exception):
    """This connection is to be cut now."""


async def _awaited(work: Any) -> Any:
    return await work
