"""Reads and checks the options of one job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, cast

from holdfast.core.duration import seconds
from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.job import PRIORITY_RANGE
from holdfast.core.retention import Retention
from holdfast.core.sizes import MAX_KEY, MAX_TAGS, check_line, check_name
from holdfast.runtime.clock import LAST_US, to_us

Duration = float | str | timedelta


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options of one job, beside its arguments. None = the default of its type.

    `delay` or `run_at`: not before. `unique`: at most one live job of the type holds this key. `idempotency_key`: a repeated
    enqueue with the same key returns the first job. `keep`: how long the ended job is kept (a duration, or "forever").
    """

    queue: str | None = None
    priority: int | None = None
    delay: Duration | None = None
    run_at: datetime | None = None
    owner: str | None = None
    tags: Iterable[str] | None = None
    unique: str | None = None
    retries: int | None = None
    timeout: Duration | None = None
    idempotency_key: str | None = None
    keep: Duration | None = None

    def checked(self) -> CheckedOptions:
        """The options in stored form. Raises InvalidInput with every problem at once."""
        found: list[Problem] = []

        def attempt(name: str, read: Any) -> Any:
            try:
                return read()
            except InvalidInput as error:
                found.extend(error.problems)
            except (ValueError, TypeError, OverflowError) as error:
                found.append(Problem((name,), str(error)))
            return None

        def text(field: str, check: Callable[[str], str]) -> str | None:
            value = getattr(self, field)
            if value is None:
                return None
            if not isinstance(value, str):
                found.append(Problem((field,), "must be text"))
                return None
            return attempt(field, lambda: check(value))

        def name(field: str) -> str | None:
            return text(field, lambda value: check_name(value, loc=(field,)))

        def key(field: str) -> str | None:
            return text(field, lambda value: check_line(value, loc=(field,), limit=MAX_KEY))

        if self.delay is not None and self.run_at is not None:
            found.append(Problem(("run_at",), "give delay or run_at, not both"))
        checked = CheckedOptions(
            queue=name("queue"),
            priority=attempt("priority", lambda: _whole("priority", self.priority, PRIORITY_RANGE)),
            delay=attempt("delay", lambda: None if self.delay is None else seconds(self.delay)),
            run_at=attempt("run_at", lambda: None if self.run_at is None else _moment(self.run_at)),
            owner=name("owner"),
            tags=attempt("tags", lambda: None if self.tags is None else _tags(self.tags)),
            unique=key("unique"),
            retries=attempt("retries", lambda: _whole("retries", self.retries, range(1_001))),
            timeout=attempt(
                "timeout", lambda: None if self.timeout is None else _positive(seconds(self.timeout))
            ),
            idempotency_key=key("idempotency_key"),
            keep=attempt("keep", lambda: None if self.keep is None else _retention(self.keep)),
        )
        if found:
            reasons = "; ".join(f"{'.'.join(map(str, p.loc))}: {p.msg}" for p in found)
            raise InvalidInput(f"The options are not valid: {reasons}", found)
        return checked


@dataclass(frozen=True, slots=True)
class CheckedOptions:
    """JobOptions that have passed their checks: times in microseconds, durations in seconds."""

    queue: str | None = None
    priority: int | None = None
    delay: float | None = None
    run_at: int | None = None
    owner: str | None = None
    tags: tuple[str, ...] | None = None
    unique: str | None = None
    retries: int | None = None
    timeout: float | None = None
    idempotency_key: str | None = None
    keep: Retention | None = None


NO_OPTIONS = CheckedOptions()
OPTION_NAMES = frozenset(field.name for field in fields(JobOptions))


def read_options(values: Mapping[str, Any]) -> CheckedOptions:
    """Options given as keywords. Raises InvalidInput for an unknown name."""
    if not values:
        return NO_OPTIONS
    unknown = sorted(set(values) - OPTION_NAMES)
    if unknown:
        known = ", ".join(sorted(OPTION_NAMES))
        raise InvalidInput(
            f"unknown option {', '.join(unknown)}; known are {known}",
            [Problem((key,), "unknown option") for key in unknown],
        )
    return JobOptions(**values).checked()


def _whole(name: str, value: Any, span: range) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value not in span:
        raise ValueError(f"{name} must be a whole number from {span.start} to {span.stop - 1}")
    return value


def _moment(value: Any) -> int:
    if not isinstance(value, datetime):
        raise ValueError("must be a datetime")
    at = to_us(value)
    if not 0 <= at <= LAST_US:
        raise ValueError("must lie in the years 1970 to 9998")
    return at


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than zero")
    return value


def _tags(given: Iterable[str]) -> tuple[str, ...]:
    values = () if isinstance(given, str) else tuple(cast(Iterable[object], given))
    if isinstance(given, str) or len(values) > MAX_TAGS:
        raise ValueError(f"tags must be a list of at most {MAX_TAGS} texts")
    tags: list[str] = []
    for index, tag in enumerate(values):
        if not isinstance(tag, str):
            raise ValueError(f"tags.{index} must be text")
        tags.append(check_name(tag, loc=("tags", index)))
    return tuple(dict.fromkeys(tags))


def _retention(keep: Duration) -> Retention:
    if keep == "forever":
        return Retention(None, None, None)
    span = seconds(keep)
    return Retention(span, span, span)
