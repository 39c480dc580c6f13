"""The OpenAPI document: what FastAPI derives from the routes, and what it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from holdfast.web.errors import SCHEMA


def describe(app: FastAPI, parts: dict[str, dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """The function that makes the document of an app, once. `parts`: schemas that no route returns as JSON."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas = document["components"]["schemas"]
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            schemas |= {"Problem": SCHEMA, **parts}
            for methods in document["paths"].values():
                for operation in methods.values():
                    for parameter in operation.get("parameters", ()):
                        parameter["schema"] = _without_null(parameter["schema"])
            app.openapi_schema = document
        return app.openapi_schema

    return openapi


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter can be left out, but no address can hold null."""
    branches = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(branches) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**branches[0], **rest}
