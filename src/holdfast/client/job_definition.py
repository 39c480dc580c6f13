"""Checks what `@app.job(…)` declares, by the same rules as the options of one job."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, cast

from holdfast.client.options import JobOptions
from holdfast.client.signature import place_of, written
from holdfast.client.task import EXECUTORS, JobType, TypeOptions, is_async
from holdfast.context import Migrate
from holdfast.core.duration import MAX_SECONDS
from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.retry import Backoff, as_backoff
from holdfast.core.sizes import check_name


def define_job_type(
    function: Callable[..., Any],
    *,
    name: str | None,
    executor: str | None,
    backoff: Backoff | float | Iterable[float] | None,
    state_version: int,
    migrate: Migrate | None,
    defaults: JobOptions,
) -> JobType:
    """The job type of a decorated function. Raises InvalidInput for options that are not valid, TypeError for a function
    that cannot be a job."""
    job_name = name if name is not None else _own_name(function)
    if not isinstance(cast(object, job_name), str):
        raise TypeError(f"name={job_name!r} must be text")
    if not callable(function):
        raise TypeError(f"job {job_name!r}: a job is made of a function, not of {function!r}")
    options = defaults.checked()
    type_options = TypeOptions(
        queue=options.queue or "default",
        priority=options.priority or 0,
        retries=options.retries,
        backoff=_backoff(backoff),
        timeout=options.timeout,
        executor=_executor(executor, job_name, function),
        retention=options.keep,
        tags=options.tags or (),
        state_version=_state_version(state_version),
        migrate=_migrate(migrate),
    )
    try:
        return JobType(check_name(job_name, loc=("name",)), function, type_options)
    except TypeError as error:
        raise TypeError(f"{error}{place_of(function)}") from error.__cause__


def _own_name(function: Callable[..., Any]) -> str:
    own = getattr(function, "__name__", None)
    if own is None:
        kind = "functools.partial" if isinstance(function, functools.partial) else type(function).__name__
        raise TypeError(f"{kind} has no name of its own; give its jobs one with @app.job(name=…)")
    return own


def _executor(chosen: str | None, job_name: str, function: Callable[..., Any]) -> str:
    executor = chosen or ("loop" if is_async(function) else "thread")
    if executor not in EXECUTORS or (executor == "loop" and not is_async(function)):
        raise TypeError(
            f"job {job_name!r}: executor={chosen!r} does not fit {written(function).__name__}; "
            f"a plain def runs in thread or process{place_of(function)}"
        )
    return executor


def _backoff(given: Backoff | float | Iterable[float] | None) -> Backoff:
    if given is None or callable(given):
        return as_backoff(given)
    value = cast(object, given)
    one = isinstance(value, (int, float))
    if not one and (isinstance(value, str) or not isinstance(value, Iterable)):
        raise _refused(given)
    steps = [value] if one else list(cast(Iterable[object], value))
    if not steps or not all(_is_delay(step) for step in steps):
        raise _refused(given)
    return as_backoff(cast(list[float], steps))


def _state_version(given: int) -> int:
    if type(cast(object, given)) is not int or given < 1:
        raise InvalidInput(
            f"The options are not valid: state_version: must be a whole number from 1, got {given!r}",
            [Problem(("state_version",), "a whole number from 1")],
        )
    return given


def _migrate(given: Migrate | None) -> Migrate | None:
    if given is not None and not callable(given):
        raise InvalidInput(
            f"The options are not valid: migrate: must be a function of state and version, got {given!r}",
            [Problem(("migrate",), "a function of state and version")],
        )
    return given


def _is_delay(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value <= MAX_SECONDS  # false for NaN


def _refused(given: object) -> InvalidInput:
    message = (
        f"must be seconds, a list of seconds, or a function of attempt and a random number; got {given!r}"
    )
    return InvalidInput(f"The options are not valid: backoff: {message}", [Problem(("backoff",), message)])
