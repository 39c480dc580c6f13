"""A Python function as a job type: its signature validates the arguments, its options are the defaults."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from holdfast.client.roundtrip import difference, secret_in, unproven_fields
from holdfast.client.signature import FIELD, model_of, parameters_of, shown, written
from holdfast.context import Migrate
from holdfast.core.errors import InvalidArguments, Problem
from holdfast.core.job import TypeRow
from holdfast.core.retention import Retention, format_retention
from holdfast.core.retry import Backoff
from holdfast.core.sizes import MAX_ARGS, MAX_RESULT, check_json_text, clean_text

EXECUTORS = ("loop", "thread", "process")

MAX_DOC = 16 * 1024
MAX_SIGNATURE = 4 * 1024

_CONFIG = ConfigDict(
    extra="forbid",
    ser_json_inf_nan="constants",
    validate_default=True,  # a default is stored like any other argument, so it must fit like one
    alias_generator=lambda field: field.removeprefix(FIELD),
    serialize_by_alias=True,
)


@dataclass(frozen=True, slots=True)
class TypeOptions:
    """What `@app.job(…)` declares of a type: the defaults of its jobs."""

    queue: str
    priority: int
    retries: int | None
    backoff: Backoff
    timeout: float | None
    executor: str
    retention: Retention | None
    tags: tuple[str, ...]
    state_version: int = 1
    migrate: Migrate | None = None


class JobType:
    """A registered function: its arguments, how it is run, and the defaults of its jobs."""

    def __init__(self, name: str, function: Callable[..., Any], options: TypeOptions) -> None:
        self.name = name
        self.function = function
        self.options = options
        self.is_async = is_async(function)
        self.source = written(function)
        self.context_parameter, parameters = parameters_of(name, function)
        self.model, self._schema = model_of(name, parameters, _CONFIG)
        self._validator = self.model.__pydantic_validator__
        self._serializer = self.model.__pydantic_serializer__
        self._unproven = unproven_fields(self.model)
        self.parameters = tuple(parameters)
        self._fields = tuple((FIELD + parameter, parameter) for parameter in parameters)
        self.doc = clean_text(inspect.getdoc(self.source) or "", MAX_DOC)
        self.signature = clean_text(f"{name}({shown(function, self.context_parameter)})", MAX_SIGNATURE)

    def dump(self, arguments: Mapping[str, Any]) -> str:
        """Validated arguments as JSON text that `load` reads as the same arguments. Raises InvalidArguments with each
        place and reason."""
        try:
            value = self._validator.validate_python(dict(arguments))
        except ValidationError as error:
            raise InvalidArguments(f"{self.name}: {_summary(error)}", problems(error)) from None
        try:
            if not self._unproven:
                return check_json_text(self._serializer.to_json(value), what="args", limit=MAX_ARGS)
            data = self._serializer.to_json(value, round_trip=True, by_alias=True, warnings=False)
            text = check_json_text(data, what="args", limit=MAX_ARGS)
        except PydanticSerializationError as error:
            raise InvalidArguments(f"{self.name}: {error}", [Problem(("args",), str(error))]) from None
        fields = value.__dict__
        doubtful = [one.name for one in self._unproven if not one.proves(fields[one.name])]
        if doubtful:
            self._check_comes_back({name.removeprefix(FIELD): fields[name] for name in doubtful}, text)
        return text

    def _check_comes_back(self, arguments: Mapping[str, Any], text: str) -> None:
        """Refuse arguments of which the function would receive something else."""
        try:
            for name, value in arguments.items():
                self._refuse(secret_in(value, ("args", name)))
            back = self.load(text)
            found = (difference(value, back[name], ("args", name)) for name, value in arguments.items())
            self._refuse(next((problem for problem in found if problem is not None), None))
        except InvalidArguments as error:
            message = f"{error}; the function would not receive what was given"
            raise InvalidArguments(message, error.problems) from None
        except Exception as error:  # of a validator or a comparison of a user's class
            reason = f"cannot be read back: {type(error).__name__}: {error}"
            raise InvalidArguments(f"{self.name}: {reason}", [Problem(("args",), reason)]) from error

    def _refuse(self, problem: Problem | None) -> None:
        if problem is not None:
            place = ".".join(map(str, problem.loc))
            raise InvalidArguments(f"{self.name}: {place}: {problem.msg}", [problem])

    def load(self, text: str) -> dict[str, Any]:
        """The keyword arguments of a stored job, validated again. Raises InvalidArguments."""
        try:
            value = self._validator.validate_json(text)
        except ValidationError as error:
            raise InvalidArguments(f"{self.name}: {_summary(error)}", problems(error)) from None
        fields = value.__dict__
        return {parameter: fields[field] for field, parameter in self._fields}

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return deepcopy(self._schema)

    def max_attempts(self, default_retries: int) -> int:
        """How often its jobs may be tried; `default_retries` where the type does not name a number."""
        return 1 + (default_retries if self.options.retries is None else self.options.retries)

    def row(self, default_retries: int) -> TypeRow:
        """The row by which a worker publishes the type."""
        o = self.options
        schema = json.dumps(self._schema)
        return TypeRow(
            self.name,
            o.queue,
            schema,
            self.doc,
            self.signature,
            o.executor,
            self.max_attempts(default_retries),
            o.timeout,
            o.priority,
            json.dumps(o.tags, ensure_ascii=False) if o.tags else None,
            format_retention(o.retention),
        )


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call of the function must be awaited."""
    return inspect.iscoroutinefunction(written(function))


def dump_result(value: Any) -> str:
    """What a job returned, as JSON text. Raises InvalidInput or TooLarge; the job then fails, it does not hang."""
    if value is None:
        return "null"
    try:
        return check_json_text(to_json(value, inf_nan_mode="constants"), what="result", limit=MAX_RESULT)
    except PydanticSerializationError as error:
        raise InvalidArguments(
            f"the result cannot be kept as JSON: {error}", [Problem(("result",), str(error))]
        ) from None


def problems(error: ValidationError) -> list[Problem]:
    """The problems of a pydantic error, with its messages, without the rejected values (they may be secret)."""
    return [
        Problem(("args", *item["loc"]), item["msg"])
        for item in error.errors(include_url=False, include_input=False)
    ]


def _summary(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, p.loc))}: {p.msg}" for p in problems(error)[:5])
