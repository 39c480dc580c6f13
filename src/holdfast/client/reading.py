"""Reads the columns of stored rows: for one that cannot be read it keeps the reason, and the others are shown as usual."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from holdfast.core.errors import InvalidInput
from holdfast.core.sizes import load_json
from holdfast.runtime.clock import FIRST_US, LAST_US, from_us

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

MAX_WHY = 200


class Row:
    """Reads one row. `unreadable`: why a column could not be read, by its name."""

    __slots__ = ("unreadable",)

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}

    def time(self, column: str, value: int) -> datetime:
        """A time; the nearest one that can be shown where no datetime holds it."""
        if not FIRST_US <= value <= LAST_US:
            self.unreadable[column] = "a time outside of the years 1 to 9998"
        return from_us(value)

    def time_or_none(self, column: str, value: int | None) -> datetime | None:
        """`time` of a column that may be empty."""
        return None if value is None else self.time(column, value)

    def json(self, column: str, text: str | None) -> Any:
        """A JSON value; None where there is none."""
        if text is None:
            return None
        try:
            return load_json(text, what=column)
        except InvalidInput as error:
            self._note(column, error.problems[0].msg)
            return None

    def texts(self, column: str, text: str | None) -> list[str]:
        """A JSON list of texts; empty where there is none."""
        value = self.json(column, text)
        if isinstance(value, list) and all(isinstance(one, str) for one in cast(list[object], value)):
            return cast(list[str], value)
        if value is not None:
            self._note(column, "not a list of texts")
        return []

    def members(self, column: str, text: str | None) -> dict[str, Any] | None:
        """A JSON object; None where there is none."""
        value = self.json(column, text)
        if isinstance(value, dict):
            return cast(dict[str, Any], value)
        if value is not None:
            self._note(column, "not a JSON object")
        return None

    def model(self, column: str, text: str | None, kind: type[Model]) -> Model | None:
        """A JSON object of this form; None where there is none."""
        if text is None:
            return None
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            self._note(column, f"{place}: {first['msg']}" if place else first["msg"])
            return None

    def _note(self, column: str, why: str) -> None:
        self.unreadable[column] = why[:MAX_WHY]
