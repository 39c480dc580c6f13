"""Signals through Redis or Valkey: one channel for each topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from holdfast.runtime.signals.broker import BrokerSignals
from holdfast.runtime.signals.line import DEADLINE, Ends, Line
from holdfast.runtime.signals.options import SignalOptions, place_of
from holdfast.storage.topics import Topic

SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
"""What the library calls a scheme."""


def make(url: str, options: SignalOptions) -> BrokerSignals:
    """Signals through the Redis or Valkey of `url`."""
    scheme, _, rest = url.partition("://")
    address = f"{SCHEMES[scheme]}://{rest}"

    async def opener(ends: Ends) -> Line:
        client = redis.asyncio.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - untyped there
            address,
            socket_connect_timeout=DEADLINE,
            socket_keepalive=True,
            decode_responses=True,
            protocol=2,  # in which the reply to a PING arrives as a message among the others
            retry=Retry(NoBackoff(), 0),  # we replace a lost connection and wake every listener
        )
        return RedisLine(client, options.namespace, ends)

    return BrokerSignals(f"Redis publish/subscribe, {place_of(url)}", opener)


class RedisLine:
    """Two connections: Redis lets one that hears do nothing else."""

    def __init__(self, client: redis.asyncio.Redis, namespace: str, ends: Ends) -> None:
        self._client = client
        self._ends = ends
        self._channels = {topic: f"holdfast:{namespace}:{topic}" for topic in Topic}
        self._topics = {name: topic for topic, name in self._channels.items()}
        self._ear = cast(Any, client).pubsub()
        self._subscribed: set[str] = set()
        self._changed = asyncio.Condition()
        self._pongs = 0
        self._hearing: asyncio.Task[None] | None = None

    async def subscribe(self, topics: Iterable[Topic]) -> None:
        names = {self._channels[topic] for topic in topics}
        async with asyncio.timeout(DEADLINE):
            await self._ear.subscribe(*names)
            if self._hearing is None:
                self._hearing = asyncio.create_task(self._hear(), name="redis")
            async with self._changed:
                await self._changed.wait_for(lambda: names <= self._subscribed)

    async def publish(self, topics: Iterable[Topic]) -> None:
        async with asyncio.timeout(DEADLINE):
            async with self._client.pipeline(transaction=False) as pipe:
                for topic in topics:
                    cast(Any, pipe).publish(self._channels[topic], "")
                await pipe.execute()

    async def ping(self) -> None:
        seen = self._pongs
        async with asyncio.timeout(DEADLINE):
            await self._ear.ping()
            async with self._changed:
                await self._changed.wait_for(lambda: self._pongs > seen)

    async def close(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
        await self._ear.aclose()
        await self._client.aclose()

    async def _hear(self) -> None:
        try:
            async for message in self._ear.listen():
                await self._take(message)
            raise ConnectionError("the subscription has ended")
        except Exception as error:
            self._ends.lost(error)

    async def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "message":
                if message["channel"] in self._topics:
                    self._ends.heard(self._topics[message["channel"]])
            case "subscribe" | "pong" as kind:
                async with self._changed:
                    if kind == "pong":
                        self._pongs += 1
                    else:
                        self._subscribed.add(message["channel"])
                    self._changed.notify_all()
            case _:
                pass
