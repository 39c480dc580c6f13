"""Matches one job against a search, without SQL.

A store that keeps documents finds jobs by it; the tests hold the compiler of the SQL stores against it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeGuard, cast

from holdfast.core.errors import InvalidInput
from holdfast.core.query.nodes import (
    And,
    ArgPath,
    Duration,
    Glob,
    JobState,
    Node,
    Not,
    Number,
    Or,
    Pattern,
    Phrase,
    Present,
    StateIs,
    Text,
    Time,
    Word,
)
from holdfast.core.records import JobRecord
from holdfast.core.sizes import load_json
from holdfast.core.states import Request, State

Value: TypeAlias = str | int | float

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ATTRIBUTES: Final = {
    "error": "error_type",
    "key": "unique_key",
    "created": "created_at",
    "run": "run_at",
    "started": "started_at",
    "finished": "finished_at",
}
"""Fields that a record calls differently."""

_UPPER_TO_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job with what a search may ask about it and its own row does not hold.

    `worker_names`: name and host of the worker that has or had it. `claimable_at`: when it last became claimable before
    its attempt started (its history knows), for `wait`.
    """

    job: JobRecord
    worker_names: Sequence[str] = ()
    claimable_at: int | None = None


def matches(node: Node | None, found: Candidate) -> bool:
    """Whether the search `node` (the `root` of a Query) finds this job."""
    match node:
        case None:
            return True
        case And():
            return all(matches(item, found) for item in node.items)
        case Or():
            return any(matches(item, found) for item in node.items)
        case Not():
            return not matches(node.item, found)
        case JobState():
            return any(_in_state(found.job, wanted) for wanted in node.any_of)
        case Text(field="error"):
            return any(
                _is_class(str(value), name) for value in _values("error", found) for name in node.values
            )
        case Glob(field="error"):
            own = node.pattern.parts
            patterns = (node.pattern, Pattern(("", f".{own[0]}", *own[1:]))) if own[0] else (node.pattern,)
            return any(_fits(one, str(value)) for value in _values("error", found) for one in patterns)
        case Text():
            return any(value in node.values for value in _values(node.field, found))
        case Glob():
            return any(_fits(node.pattern, str(value)) for value in _values(node.field, found))
        case Phrase():
            return _contains(found.job.error_message or "", node.text)
        case Present():
            return bool(_values(node.field, found))
        case Number():
            return any(
                _compare(value, node.op, node.value, node.high) for value in _values(node.field, found)
            )
        case Duration():
            high = None if node.high is None else _ticks(node.high)
            return any(
                _compare(value, node.op, _ticks(node.seconds), high) for value in _values(node.field, found)
            )
        case Time():
            return any(_within(int(value), node) for value in _values(node.field, found))
        case ArgPath():
            return _argument(node, _stored(found.job.args))
        case Word():
            return _word(node.text, found.job)


def may_match(node: Node | None, job_id: str, state: str) -> bool:
    """Whether a search may have found a job of which only id and (last) state are known: False when it surely did not."""
    return _decided(node, job_id, state) is not False


def _decided(node: Node | None, job_id: str, state: str) -> bool | None:
    """Whether a job with this id and state matches; None when they do not decide it."""
    match node:
        case None:
            return True
        case And() | Or():
            decides = isinstance(
                node, Or
            )  # one item that is true makes an Or true, one that is false an And false
            results = {_decided(item, job_id, state) for item in node.items}
            return decides if decides in results else None if None in results else not decides
        case Not():
            inner = _decided(node.item, job_id, state)
            return None if inner is None else not inner
        case JobState():
            wanted = [one for one in node.any_of if one.state == state]
            plain = any(one.reason is None and one.requested is None for one in wanted)
            return plain or (None if wanted else False)
        case Text(field="id"):
            return job_id in node.values
        case Glob(field="id"):
            return _fits(node.pattern, job_id)
        case _:
            return None


def _in_state(job: JobRecord, wanted: StateIs) -> bool:
    return (
        job.state == wanted.state
        and (wanted.reason is None or job.reason == wanted.reason)
        and (wanted.requested is None or job.requested == wanted.requested)
    )


def _values(field: str, found: Candidate) -> list[Value]:
    """Every value that the job has of a field; a field that no job has as yet has none."""
    job = found.job
    match field:
        case "tag":
            return list(_tags(job))
        case "worker":
            return [] if job.worker is None else [job.worker, *found.worker_names]
        case "paused-by":
            value = _who(job, State.PAUSED, Request.PAUSE)
        case "cancelled-by":
            value = _who(job, State.CANCELLED, Request.CANCEL)
        case "progress":
            value = _percent(job)
        case "duration":
            value = _between(job.started_at, job.finished_at)
        case "wait":
            value = _between(found.claimable_at, job.started_at)
        case _:
            value = cast(Value | None, getattr(job, _ATTRIBUTES.get(field, field), None))
    return [] if value is None else [value]


def _is_class(stored: str, name: str) -> bool:
    """Whether it is the class, with or without its module."""
    return stored == name or stored.endswith(f".{name}")


def _tags(job: JobRecord) -> list[str]:
    tags = _stored(job.tags)
    return [tag for tag in cast(list[Any], tags) if isinstance(tag, str)] if isinstance(tags, list) else []


def _stored(text: str | None) -> Any:
    """The value of a JSON column; an empty list, in which nothing is found, where it cannot be read."""
    try:
        return [] if text is None else load_json(text, what="column")
    except InvalidInput:
        return []


def _who(job: JobRecord, state: State, request: Request) -> str | None:
    if job.state == state:
        return job.actor
    return job.requested_by if job.requested == request else None


def _percent(job: JobRecord) -> float | None:
    progress = _stored(job.progress)
    if not isinstance(progress, dict):
        return None
    bar = cast(dict[str, Any], progress)
    done, total = bar.get("done"), bar.get("total")
    if not (_is_number(done) and _is_number(total)):
        return None
    return None if total <= 0 else 100.0 * done / total


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _between(start: int | None, end: int | None) -> int | None:
    return None if start is None or end is None else end - start


def _ticks(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _within(at: int, time: Time) -> bool:
    low, high = (
        None if bound is None else (bound - _EPOCH) // timedelta(microseconds=1)
        for bound in (time.low, time.high)
    )
    return (low is None or low <= at) and (high is None or at < high)


def _fits(pattern: Pattern, text: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.parts), text, re.DOTALL) is not None


def _compare(value: Any, op: str, low: Any, high: Any) -> bool:
    match op:
        case "=":
            return value == low
        case "<":
            return value < low
        case "<=":
            return value <= low
        case ">":
            return value > low
        case ">=":
            return value >= low
        case _:
            return low <= value <= high


def _argument(node: ArgPath, args: Any) -> bool:
    here = args
    for step in node.path:
        # a number is a place in an array, a text a key of an object; never the other way round
        inside: dict[Any, Any] = {}
        if isinstance(step, str) and isinstance(here, dict):
            inside = cast(dict[Any, Any], here)
        elif isinstance(step, int) and isinstance(here, list):
            inside = dict(enumerate(cast(list[Any], here)))
        if step not in inside:
            return False
        here = inside[step]
    return _argument_is(node, here)


def _argument_is(node: ArgPath, here: Any) -> bool:
    wanted = node.value
    if isinstance(wanted, Pattern):
        return isinstance(here, str) and _fits(wanted, here)
    if node.op == "present":
        return True
    if node.op == "~":
        return (here if isinstance(here, str) else _compact(here)) == wanted
    if wanted is None or isinstance(wanted, bool):
        return here is wanted
    if isinstance(wanted, str):
        return isinstance(here, str) and _compare(here, node.op, wanted, node.high)
    return _is_number(here) and _compare(here, node.op, wanted, node.high)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _word(text: str, job: JobRecord) -> bool:
    written = json.dumps(text, ensure_ascii=False)[
        1:-1
    ]  # a quotation mark within an argument has a backslash
    return (
        _contains(job.id[: len(text)], text)
        or _contains(job.args, written)
        or any(_contains(place, text) for place in (job.type, job.args, job.error_message or "", *_tags(job)))
    )


def _contains(text: str, part: str) -> bool:
    """Letter case apart: of ASCII letters, and of all others as soon as one of them is searched for."""
    if part.isascii():
        return part.translate(_UPPER_TO_LOWER) in text.translate(_UPPER_TO_LOWER)
    places = range(len(text) - len(part) + 1)
    return any(all(_alike(text[at + k], part[k]) for k in range(len(part))) for at in places)


def _alike(one: str, other: str) -> bool:
    return one == other or one.lower() == other.lower() or one.upper() == other.upper()
