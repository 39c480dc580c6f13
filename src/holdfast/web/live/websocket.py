"""The messages of one watcher over a WebSocket."""

from __future__ import annotations

import asyncio
import json

from fastapi import WebSocket

from holdfast.web.live import transport
from holdfast.web.live.hub import LiveHub
from holdfast.web.live.transport import until_either_ends
from holdfast.web.live.watcher import Watcher


async def serve_websocket(websocket: WebSocket, hub: LiveHub, watcher: Watcher) -> None:
    """Accept the connection, and send messages until the client leaves, stops reading, or the server stops. Raises
    TooManyStreams and StorageUnavailable before the connection is accepted."""
    async with hub.watching(watcher):
        await websocket.accept()
        await until_either_ends(_write(websocket, watcher), _disconnected(websocket))


async def _write(websocket: WebSocket, watcher: Watcher) -> None:
    while not watcher.ended:
        for sent in await watcher.next():
            text = f'{{"event":{json.dumps(sent.event)},"seq":{sent.seq},"data":{sent.data}}}'
            async with asyncio.timeout(transport.WRITE_TIMEOUT):
                await websocket.send_text(text)
    await websocket.close(1001, "The server stops; come back.")


async def _disconnected(websocket: WebSocket) -> None:
    """Wait until the client closes the connection. What it sends is not expected, and is dropped."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
