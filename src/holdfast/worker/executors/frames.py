"""The protocol between worker and child process: frames of JSON over a socket pair.

A frame is its length (four bytes, big-endian) and a JSON object with a member `kind`:

* down: `hello` {app, path, settings, grace}, `run` {attempt, row}, `flags` {pause, cancel, stop, lost}, `stored` {id, lost,
  refused, error};
* up: `ready` or `broken` {error}; then, for each run, `began`, any of `report` {hold, progress, logs} and `store`
  {id, snapshot}, and `ended` {row, ended}. `hold` and `snapshot` are {saved, held}. What is sent first is stored first.

`row` is the row number and the fence token of the attempt: an end is taken from the attempt that runs, and from no other.

The end of the stream means that the other side is gone.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import asdict
from typing import Any

from holdfast.context.worker_link import Attempt, Snapshot
from holdfast.core.outcome import AttemptResult, ErrorInfo, ResultKind

Message = dict[str, Any]
Row = list[int]

MAX_FRAME = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")


def frame(message: Message) -> bytes:
    """A message as bytes."""
    data = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(data)) + data


class FrameReader:
    """Reads messages. A `read` that is cancelled loses nothing: the next one continues where it was."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._length: int | None = None

    @property
    def at_end(self) -> bool:
        return self._reader.at_eof()

    async def read(self) -> Message:
        """The next message. Raises EOFError (IncompleteReadError) or ConnectionError at the end, ValueError for what is
        none."""
        length = self._length
        if length is None:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            self._length = length
        if length > MAX_FRAME:
            raise ValueError("the frame is too long")
        data = await self._reader.readexactly(length)
        self._length = None
        return json.loads(data)


def receive_frame(line: socket.socket) -> Message | None:
    """`FrameReader.read` for a blocking socket; None at the end."""
    head = _receive(line, _LENGTH.size)
    body = head and _receive(line, _LENGTH.unpack(head)[0])
    return json.loads(body) if body else None


def _receive(line: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            chunk = line.recv(min(size - len(data), 1 << 20))
        except ConnectionError:
            return None
        if not chunk:
            return None
        data += chunk
    return bytes(data)


def snapshot_value(snapshot: Snapshot) -> Message:
    return snapshot._asdict()


def read_snapshot(value: Message) -> Snapshot:
    return Snapshot(**value)


def attempt_message(attempt: Attempt, row: Row) -> Message:
    return {"kind": "run", "attempt": attempt._asdict(), "row": row}


def read_attempt(message: Message) -> Attempt:
    value: dict[str, Any] = message["attempt"]
    value["tags"] = tuple(value["tags"])
    return Attempt(**value)


def ended_message(ended: AttemptResult, row: Row) -> Message:
    error = None if ended.error is None else asdict(ended.error)
    return {"kind": "ended", "row": row, "ended": {**ended._asdict(), "error": error}}


def read_ended(message: Message) -> AttemptResult:
    value: dict[str, Any] = message["ended"]
    value["end"] = ResultKind(value["end"])
    if value["error"] is not None:
        value["error"] = ErrorInfo(**value["error"])
    return AttemptResult(**value)
