"""Responds to every failed request in one form: a problem (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import json
import secrets
import traceback
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from holdfast.core.errors import ConfigurationError, HoldfastError, InvalidInput, Problem

MEDIA_TYPE = "application/problem+json"
MAX_PROBLEMS = 50
MAX_DETAIL = 2_000

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong, as RFC 9457 defines it.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "urn:holdfast:problem: and the code"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened and what to do, for a person"},
        "code": {"type": "string", "description": "Stable word for programs"},
        "error_id": {
            "type": "string",
            "description": "Of an unexpected error: the id under which the server logged it",
        },
        "errors": {
            "type": "array",
            "description": "Every place of the input that is wrong, with the reason",
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {
                    "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                    "msg": {"type": "string"},
                },
            },
        },
    },
}

log = structlog.get_logger("holdfast.web")


class TooManyStreams(HoldfastError):
    """The server already keeps as many live connections open as it may."""

    code = "too_many_streams"
    status = 503
    title = "Too many live connections"


class BodyTooLarge(HoldfastError):
    """The body of the request is larger than this address takes."""

    code = "too_large"
    status = 413
    title = "The request is too large"


class WrongMediaType(HoldfastError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"
    status = 415
    title = "The body must be JSON"


class Malformed(InvalidInput):
    """The body is not JSON at all."""

    code = "malformed"
    status = 400
    title = "The body is not JSON"


def problem(
    status: int,
    detail: str,
    *,
    code: str,
    title: str | None = None,
    errors: Sequence[Problem] | None = None,
    headers: Mapping[str, str] | None = None,
    error_id: str | None = None,
) -> Response:
    """A response in the form of RFC 9457."""
    body: dict[str, Any] = {
        "type": f"urn:holdfast:problem:{code}",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": _cut(detail),
        "code": code,
    }
    if error_id is not None:
        body["error_id"] = error_id
    if errors is not None:
        body["errors"] = [{"loc": [*map(_short, p.loc)], "msg": _cut(p.msg)} for p in errors[:MAX_PROBLEMS]]
    # escaped to ASCII: what is quoted from a bad input may be no text at all
    return Response(json.dumps(body).encode(), status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def problem_of(error: HoldfastError) -> Response:
    """The problem of a known error."""
    errors = error.problems if isinstance(error, (InvalidInput, ConfigurationError)) else None
    headers = {"Retry-After": "2"} if error.status == 503 else None
    return problem(
        error.status, error.detail, code=error.code, title=error.title, errors=errors, headers=headers
    )


def problem_of_validation(error: RequestValidationError) -> Response:
    """The problem of parameters or a body that do not have their declared form."""
    found = [Problem(_place(item["loc"]), str(item["msg"])) for item in error.errors()[:MAX_PROBLEMS]]
    return problem(422, _sentence(found), code=InvalidInput.code, title=InvalidInput.title, errors=found)


def problem_of_status(status: int, detail: str | None, headers: Mapping[str, str] | None) -> Response:
    """The problem of a plain HTTP error: no such address, no such method."""
    code = _CODES.get(status, f"http_{status}")
    phrase = HTTPStatus(status).phrase
    text = detail if detail and detail != phrase else _DETAILS.get(status, phrase)
    return problem(status, text, code=code, headers=headers)


def problem_of_unexpected(error_id: str) -> Response:
    """The response to an unexpected error that was logged under `error_id`, of which it shows only that id."""
    detail = f"Nothing is known to be lost. The server logged what happened as {error_id}."
    return problem(
        500, detail, code="internal", title="Something went wrong on the server", error_id=error_id
    )


def log_unexpected(error: Exception, method: str, path: str) -> str:
    """Log an unexpected error with its traceback. Returns the id under which it was logged."""
    error_id = secrets.token_hex(6)
    # as text: a renderer that is handed the exception may show the values of its variables, and those may be secret
    text = "".join(traceback.format_exception(error))
    log.error("unexpected error", error_id=error_id, method=method, path=path[:200], exception=text)
    return error_id


_CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 408: "timeout"}
_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}


def _place(loc: Iterable[str | int]) -> tuple[str | int, ...]:
    """The place inside the input: FastAPI begins it with the part of the request, which the name makes plain already."""
    parts = tuple(loc)
    return parts[1:] if len(parts) > 1 and parts[0] in ("body", "query", "path", "header") else parts


def _sentence(found: Sequence[Problem]) -> str:
    return "; ".join(f"{'.'.join(str(_short(part)) for part in p.loc)}: {p.msg}" for p in found[:5])


def _short(part: str | int) -> str | int:
    return part if isinstance(part, int) or len(part) <= 100 else f"{part[:100]}…"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]}…"
