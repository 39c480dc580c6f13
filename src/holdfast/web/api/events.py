"""The routes by which programs receive changes: an event stream and a WebSocket."""

# The decorators keep the functions below; nothing calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, WebSocket
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import Response

from holdfast.client.client import Client
from holdfast.client.views import Progress
from holdfast.core.errors import HoldfastError, InvalidInput, Problem
from holdfast.web.api.body import StrictRoute
from holdfast.web.api.event_feed import EventFeed
from holdfast.web.api.parameters import refuse_unknown
from holdfast.web.api.search import Filter, filter_of
from holdfast.web.api.shapes import EVENT_ID
from holdfast.web.errors import MEDIA_TYPE, problem, problem_of
from holdfast.web.live.hub import LiveHub
from holdfast.web.live.sse import EventStream
from holdfast.web.live.websocket import serve_websocket

PROBLEM: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


class JobEvent(BaseModel):
    """`job`: a job that matches, as it is after a change."""

    id: str
    type: str
    queue: str
    owner: str | None
    tags: list[str]
    state: str
    reason: str | None
    requested: str | None
    progress: Progress | None
    at: datetime


class RemovedEvent(BaseModel):
    """`removed`: a job that was removed, and may have matched."""

    id: str
    at: datetime


class ResyncEvent(BaseModel):
    """`resync`: some changes were not sent; request what you need again."""

    seq: int


class ByeEvent(BaseModel):
    """`bye`: the server stops. Come back after `retry` milliseconds."""

    retry: int


EVENTS: dict[str, type[BaseModel]] = {
    "job": JobEvent,
    "removed": RemovedEvent,
    "resync": ResyncEvent,
    "bye": ByeEvent,
}


_REFERENCES = {name: {"$ref": f"#/components/schemas/{model.__name__}"} for name, model in EVENTS.items()}


_TEMPLATE = "#/components/schemas/{model}"


def _message(name: str, reference: dict[str, str]) -> dict[str, Any]:
    properties = {"event": {"const": name}, "seq": {"type": "integer"}, "data": reference}
    return {"type": "object", "required": ["event", "seq", "data"], "properties": properties}


SCHEMAS: dict[str, dict[str, Any]] = {
    **models_json_schema([(model, "serialization") for model in EVENTS.values()], ref_template=_TEMPLATE)[1][
        "$defs"
    ],
    "SocketMessage": {
        "title": "SocketMessage",
        "description": "A message of the WebSocket.",
        "oneOf": [_message(name, reference) for name, reference in _REFERENCES.items()],
    },
}
"""What the streams carry, for the OpenAPI document."""


FIELDS = ("state", "type", "queue", "owner", "tag")


Filtered = Annotated[Filter, Depends(filter_of)]


def event_routes(hub: LiveHub, client: Client) -> APIRouter:
    """The event stream and the WebSocket."""
    router = APIRouter(tags=["events"], route_class=StrictRoute)

    @router.get(
        "/events",
        summary="Receive changes",
        status_code=200,
        response_class=EventStream,
        responses={
            200: {
                "description": "Server-sent events, until either side leaves",
                "content": {EventStream.media_type: {"schema": {"type": "string"}, "x-events": _REFERENCES}},
            }
        },
    )
    async def events(
        filter: Filtered,
        last_event_id: Annotated[
            str | None, Header(description="id of the last event that was seen", json_schema_extra=EVENT_ID)
        ] = None,
        after: Annotated[
            str | None,
            Query(
                alias="last_event_id",
                description="The same for clients that cannot send the header",
                json_schema_extra=EVENT_ID,
            ),
        ] = None,
    ) -> Response:
        """Committed changes of the jobs that match, as server-sent events, from now on or from the last one seen.

        `job`: `{id, type, queue, owner, tags, state, reason, requested, progress, at}`, the job as it is after the change;
        changes that come together are sent once. `removed`: `{id, at}`; only the id and the last state of a removed job are
        known, so it is sent to every client whose filter it may have matched. `resync`: some changes were not sent; request
        what you need again. `bye`: the server stops. Every event has an `id` to resume from.
        """
        return EventStream(hub, EventFeed(filter, client.jobs, _seq(last_event_id or after)))

    @router.get(
        "/ws",
        summary="Receive changes by WebSocket",
        status_code=426,
        response_class=Response,
        responses={
            101: {"description": "The WebSocket is open; each message is one `SocketMessage` as JSON text"},
            426: {"description": "The request asked for no WebSocket", "content": PROBLEM},
        },
    )
    def without_upgrade(
        filter: Filtered,
        last_event_id: Annotated[
            str | None, Query(description="seq of the last message that was seen", json_schema_extra=EVENT_ID)
        ] = None,
    ) -> Response:
        """The events of `/events` as messages of a WebSocket: `{event, seq, data}`; resume with `last_event_id` = `seq`.
        What a client sends is dropped. A request that asks for no WebSocket gets 426.
        """
        filter.query(client.jobs)
        _seq(last_event_id)
        detail = "This address speaks WebSocket; for server-sent events there is /api/v1/events."
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        return problem(426, detail, code="upgrade_required", headers=headers)

    @router.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        given = websocket.query_params
        try:
            refuse_unknown(given, ("q", *FIELDS, "last_event_id"))
            lists = (given.getlist(name) for name in FIELDS)
            wanted = filter_of(given.get("q", ""), *lists)
            feed = EventFeed(wanted, client.jobs, _seq(given.get("last_event_id")))
            await serve_websocket(websocket, hub, feed)
        except HoldfastError as error:
            await websocket.send_denial_response(problem_of(error))

    return router


def _seq(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        reason = "not an id of this stream"
        raise InvalidInput(f"Last-Event-ID: {reason}.", [Problem(("Last-Event-ID",), reason)])
    return int(text)
