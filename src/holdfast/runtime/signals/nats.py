"""Signals through NATS: one subject for each topic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from nats.aio.client import Client
from nats.aio.msg import Msg

from holdfast.runtime.signals.broker import PING, BrokerSignals
from holdfast.runtime.signals.line import DEADLINE, Ends, Line
from holdfast.runtime.signals.options import SignalOptions, place_of
from holdfast.storage.topics import Topic


def make(url: str, options: SignalOptions) -> BrokerSignals:
    """Signals through the NATS server of `url`."""

    async def opener(ends: Ends) -> Line:
        line = NatsLine(options.namespace, ends)
        await line.open(url)
        return line

    return BrokerSignals(f"NATS, {place_of(url)}", opener)


class NatsLine:
    """One connection. It does not come back by itself: a lost line is replaced by the broker's manners, like any other."""

    def __init__(self, namespace: str, ends: Ends) -> None:
        self._subjects = {topic: f"holdfast.{namespace}.{topic}" for topic in Topic}
        self._ends = ends
        self._client = Client()

    async def open(self, url: str) -> None:
        """Connect, or raise within DEADLINE."""
        await self._client.connect(
            [url],
            name="holdfast signals",
            allow_reconnect=False,
            connect_timeout=int(DEADLINE),
            ping_interval=int(PING),
            max_outstanding_pings=1,
            error_cb=self._failed,
            closed_cb=self._ended,
        )

    async def subscribe(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            await self._client.subscribe(  # pyright: ignore[reportUnknownMemberType] - untyped there
                self._subjects[topic], cb=self._hears(topic)
            )
        await self.ping()

    async def publish(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            await self._client.publish(self._subjects[topic])
        await self.ping()

    async def ping(self) -> None:
        await self._client.flush(timeout=int(DEADLINE))

    async def close(self) -> None:
        await self._client.close()

    def _hears(self, topic: Topic) -> Callable[[Msg], Awaitable[None]]:
        async def heard(_: Msg) -> None:
            self._ends.heard(topic)

        return heard

    async def _failed(self, error: Exception) -> None:
        self._ends.lost(error)

    async def _ended(self) -> None:
        self._ends.lost(ConnectionError("the server has ended the connection"))
