"""Reads a JSON body strictly: real JSON, real text, finite numbers, bounded depth."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn, cast

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.sizes import MAX_DEPTH, check_text
from holdfast.web.api.parameters import names_of, refuse_unknown
from holdfast.web.errors import Malformed, WrongMediaType

READ_AT_ONCE = 64 * 1024
"""A larger body is read in a thread, so that other requests do not wait for it."""


class StrictRoute(APIRoute):
    """A route that refuses unknown parameters, and whose JSON body has passed `read_json` when its function is called."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known, has_body = names_of(self.dependant), self.body_field is not None

        async def strict(request: Request) -> Response:
            refuse_unknown(request.query_params, known)
            raw = await request.body() if has_body else b""
            if not raw:
                return await handle(request)
            media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media != "application/json":
                raise WrongMediaType(
                    f"Send Content-Type: application/json; this body is {media or 'of no declared type'}."
                )
            value = read_json(raw) if len(raw) <= READ_AT_ONCE else await run_in_threadpool(read_json, raw)
            return await handle(ReadRequest(request, raw, value))

        return strict


class ReadRequest(Request):
    """A request whose body has been read already."""

    def __init__(self, request: Request, raw: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._value = value

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._value


def read_json(raw: bytes) -> Any:
    """The value of a JSON text. Raises Malformed (400) when it is invalid, InvalidInput (422) when it must not be stored."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.", [Problem(("body", error.start), "not UTF-8")]) from None
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise Malformed(f"The body is not JSON: {reason}.", [Problem(("body", error.pos), reason)]) from None
    except RecursionError:
        raise _too_deep(("body",)) from None
    except ValueError:  # int() refuses more digits than Python converts in reasonable time
        raise InvalidInput(
            "A number in the body has too many digits.", [Problem(("body",), "too many digits")]
        ) from None
    check_value(value, (), 0)
    return value


def check_value(value: Any, loc: tuple[str | int, ...], depth: int) -> None:
    """Raise InvalidInput, with the place, for what JSON can contain and a database cannot."""
    if isinstance(value, str):
        if not value.isascii() or "\x00" in value:
            check_text(value, loc=loc or ("body",))
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(
                "A number in the body is too large.", [Problem(loc or ("body",), "not a finite number")]
            )
    elif isinstance(value, (dict, list)):
        if depth >= MAX_DEPTH:
            raise _too_deep(loc)
        whole = cast(dict[str, Any] | list[Any], value)
        entries: Iterable[tuple[str | int, Any]] = (
            whole.items() if isinstance(whole, dict) else enumerate(whole)
        )
        for key, inner in entries:
            if isinstance(key, str) and (not key.isascii() or "\x00" in key):
                check_text(key, loc=loc or ("body",))
            check_value(inner, (*loc, key), depth + 1)


def _too_deep(loc: tuple[str | int, ...]) -> InvalidInput:
    return InvalidInput(
        f"The body is nested deeper than {MAX_DEPTH} levels.", [Problem(loc[:8], "nested too deep")]
    )


def _no_constant(name: str) -> NoReturn:
    reason = f"{name} is not a JSON number"
    raise Malformed(f"The body is not JSON: {reason}.", [Problem(("body",), reason)])
