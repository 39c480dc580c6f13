"""Reads the signature of a job function: its arguments, its context, and whether it can be a job at all."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticSerializationError

from holdfast.context import JobContext
from holdfast.core.errors import InvalidInput
from holdfast.core.sizes import check_json

FIELD = "arg_"
"""Arguments are fields under other names, so that one may be called json, copy, model_dump or _x like anything else."""


def written(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as written in the code: inside of functools.partial, and the method that makes an object callable."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if hasattr(function, "__qualname__") else type(function).__call__


def place_of(function: Callable[..., Any]) -> str:
    """File and line of a function, in parentheses to end a sentence; "" for one that is built in."""
    code = getattr(inspect.unwrap(written(function)), "__code__", None)
    return f" ({code.co_filename}, line {code.co_firstlineno})" if isinstance(code, types.CodeType) else ""


def parameters_of(name: str, function: Callable[..., Any]) -> tuple[str | None, dict[str, Any]]:
    """The parameter that takes the context, and the arguments as fields of a model. Raises TypeError for a parameter that no
    job can have."""
    if inspect.isgeneratorfunction(written(function)) or inspect.isasyncgenfunction(written(function)):
        raise TypeError(
            f"job {name!r}: a function that yields does nothing when it is called; return a value"
        )
    hints, parameters = _read(name, function)
    context, fields = None, dict[str, Any]()
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(
                f"job {name!r}: {parameter} is not possible; name each argument, so that it can be validated"
            )
        if _is_context(hint):
            if context is not None:
                raise TypeError(
                    f"job {name!r}: both {context} and {parameter.name} are the JobContext; keep one"
                )
            context = parameter.name
        elif _holds_context(hint):
            raise TypeError(
                f"job {name!r}: the parameter {parameter.name} may be a JobContext or something else; "
                "write JobContext or JobContext | None"
            )
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hint, default)
    return context, fields


class _StrictSchema(GenerateJsonSchema):
    """JSON Schema that is strict JSON: a default such as infinity is left out, like others that are not JSON."""

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


def model_of(name: str, fields: dict[str, Any], config: ConfigDict) -> tuple[type[BaseModel], dict[str, Any]]:
    """The model of the arguments, and its JSON Schema, by which programs without the code check them. Raises TypeError
    that names the parameter which has none."""
    try:
        return _made(name, fields, config)
    except Exception as error:
        for parameter, field in fields.items():
            try:
                _made(name, {parameter: field}, config)
            except Exception as own:
                raise TypeError(
                    f"job {name!r}: the parameter {parameter} cannot be an argument of a job: {_reason(own)}"
                ) from own
        raise TypeError(f"job {name!r}: its arguments have no JSON Schema: {_reason(error)}") from error


def shown(function: Callable[..., Any], context: str | None) -> str:
    """The arguments as written in the code, without the context; `parameters_of` has resolved the annotations."""
    signature = inspect.signature(function, eval_str=True)
    return ", ".join(str(one) for one in signature.parameters.values() if one.name != context)


def _read(name: str, function: Callable[..., Any]) -> tuple[dict[str, Any], list[inspect.Parameter]]:
    try:
        hints = typing.get_type_hints(written(function), include_extras=True)
        return hints, list(inspect.signature(function).parameters.values())
    except NameError as error:
        raise TypeError(
            f"job {name!r}: the annotation {error.name!r} cannot be resolved; import it at module level"
        ) from error
    except Exception as error:
        raise TypeError(f"job {name!r}: its signature cannot be read: {_reason(error)}") from error


def _made(name: str, fields: dict[str, Any], config: ConfigDict) -> tuple[type[BaseModel], dict[str, Any]]:
    definitions = {FIELD + parameter: field for parameter, field in fields.items()}
    model = create_model(name, __config__=config, **cast(Any, definitions))
    return model, model.model_json_schema(schema_generator=_StrictSchema)


def _is_context(hint: object) -> bool:
    """Whether this is JobContext, which may be optional or annotated: JobContext | None, Annotated[JobContext, …]."""
    parts = [part for part in _alternatives(hint) if part is not type(None)]
    return bool(parts) and all(part is JobContext for part in parts)


def _holds_context(hint: object) -> bool:
    return any(part is JobContext for part in _alternatives(hint))


def _alternatives(hint: object) -> list[object]:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return [part for one in typing.get_args(hint) for part in _alternatives(one)]
    return [hint]


def _reason(error: Exception) -> str:
    """The first sentence of an error, without the links that pydantic adds."""
    lines = [line for line in str(error).splitlines() if line and "errors.pydantic.dev" not in line]
    return " ".join(lines)[:500] or type(error).__name__
