"""What event streams and WebSockets share: a connection ends when either side ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

from starlette.websockets import WebSocketDisconnect

WRITE_TIMEOUT = 10.0
"""Seconds that a write may wait for the client."""


async def until_either_ends(writing: Awaitable[None], leaving: Awaitable[None]) -> None:
    """Run both until one ends; a client that does not read for too long counts as disconnected."""
    tasks = [asyncio.ensure_future(writing), asyncio.ensure_future(leaving)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(TimeoutError, OSError, WebSocketDisconnect):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
