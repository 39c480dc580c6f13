"""This exists so that a Python function becomes a job type: its signature validates the arguments, its options are the
defaults."""

from __future__ import annotations

import functools
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticSerializationError, to_json

from holdfast.client.roundtrip import difference, secret_in, unproven_fields
from holdfast.context import JobContext
from holdfast.core.errors import InvalidArguments, InvalidInput, Problem
from holdfast.core.job import TypeRow
from holdfast.core.limits import MAX_ARGS, MAX_RESULT, check_json, check_json_text
from holdfast.core.retention import Retention, format_retention
from holdfast.core.retry import Backoff

EXECUTORS = ("loop", "thread", "process")

_FIELD = "arg_"
# Arguments are fields under other names, so that one may be called json, copy, model_dump or _x like anything else.
_CONFIG = ConfigDict(
    extra="forbid",
    ser_json_inf_nan="constants",
    validate_default=True,  # a default is stored like any other argument, so it must fit like one
    alias_generator=lambda field: field.removeprefix(_FIELD),
    serialize_by_alias=True,
)


class _StrictSchema(GenerateJsonSchema):
    """JSON Schema that is strict JSON: a default such as infinity is left out, like others that are no JSON."""

    def render_warning_message(self, kind: JsonSchemaWarningKind, detail: str) -> str | None:
        # the message of pydantic would show the default, which may be a secret
        return None if kind == "non-serializable-default" else super().render_warning_message(kind, detail)

    def encode_default(self, dft: Any) -> Any:
        value = super().encode_default(dft)
        try:
            check_json(value, what="default")
        except InvalidInput as error:
            raise PydanticSerializationError(str(error)) from None
        return value


@dataclass(frozen=True, slots=True)
class TypeOptions:
    """What `@app.job(…)` says of a type: the defaults of its jobs."""

    queue: str
    priority: int
    retries: int | None
    backoff: Backoff
    timeout: float | None
    executor: str
    retention: Retention | None
    tags: tuple[str, ...]


class JobType:
    """A registered function: what its arguments are, how it is run, and what its jobs start from."""

    def __init__(self, name: str, function: Callable[..., Any], options: TypeOptions) -> None:
        self.name = name
        self.function = function
        self.options = options
        self.is_async = is_async(function)
        self.source = written(function)
        self.context_parameter, parameters = _parameters(name, function)
        self.model: type[BaseModel] = create_model(
            name, __config__=_CONFIG, **{_FIELD + parameter: field for parameter, field in parameters.items()}
        )
        self._validator = self.model.__pydantic_validator__
        self._serializer = self.model.__pydantic_serializer__
        self._unproven = unproven_fields(self.model)
        self.parameters = tuple(parameters)
        self._fields = tuple((_FIELD + parameter, parameter) for parameter in parameters)
        self.doc = inspect.getdoc(self.source) or ""
        self.signature = f"{name}({', '.join(_shown(function, self.context_parameter))})"

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
            self._check_comes_back({name.removeprefix(_FIELD): fields[name] for name in doubtful}, text)
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
            words = f"cannot be read back: {type(error).__name__}: {error}"
            raise InvalidArguments(f"{self.name}: {words}", [Problem(("args",), words)]) from error

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
        return self.model.model_json_schema(schema_generator=_StrictSchema)

    def max_attempts(self, default_retries: int) -> int:
        """How often its jobs may be tried; `default_retries` where the type does not say."""
        return 1 + (default_retries if self.options.retries is None else self.options.retries)

    def row(self, default_retries: int) -> TypeRow:
        """What is published of the type."""
        o = self.options
        schema = json.dumps(self.schema())
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


def written(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it stands in the code: below every functools.partial, and the method that makes an object callable."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if hasattr(function, "__qualname__") else type(function).__call__


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a call of it must be awaited."""
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
    """The problems of a pydantic error, in our words, without the rejected values (they may be secret)."""
    return [
        Problem(("args", *item["loc"]), item["msg"])
        for item in error.errors(include_url=False, include_input=False)
    ]


def _summary(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, p.loc))}: {p.msg}" for p in problems(error)[:5])


def _parameters(name: str, function: Callable[..., Any]) -> tuple[str | None, dict[str, Any]]:
    try:
        hints = typing.get_type_hints(written(function), include_extras=True)
    except NameError as error:
        raise TypeError(
            f"job {name!r}: the annotation {error.name!r} cannot be resolved; import it at module level"
        ) from error
    context, fields = None, dict[str, Any]()
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name, Any)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(
                f"job {name!r}: {parameter} is not possible; name each argument, so that it can be validated"
            )
        if hint is JobContext:
            context = parameter.name
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hint, default)
    return context, fields


def _shown(function: Callable[..., Any], context: str | None) -> list[str]:
    # the annotations could be resolved: _parameters has done it
    signature = inspect.signature(function, eval_str=True)
    return [str(p) for p in signature.parameters.values() if p.name != context]
