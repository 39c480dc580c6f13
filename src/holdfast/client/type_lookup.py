"""Finds job types by name: those whose code this program contains, and those that a worker has published."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.client.reading import Row
from holdfast.client.registry import Registry
from holdfast.client.task import JobType
from holdfast.core.errors import InvalidArguments, InvalidInput, Problem, UnknownJobType
from holdfast.core.records import TypeRecord
from holdfast.core.retention import Retention, parse_retention
from holdfast.core.sizes import MAX_ARGS, dump_json
from holdfast.storage.protocol import Reader

FRESH_FOR = 5.0
"""Seconds for which published types are cached. An unknown name is looked up again at once."""


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """What enqueueing needs to know of a job type."""

    name: str
    queue: str
    priority: int
    max_attempts: int
    timeout: float | None
    retention: Retention | None
    tags: tuple[str, ...]
    dump: Callable[[Mapping[str, Any]], str]


class TypeLookup:
    """All job types that the store or this program knows."""

    def __init__(self, registry: Registry, reader: Reader, *, default_retries: int) -> None:
        self.registry = registry
        self._reader = reader
        self.default_retries = default_retries
        self._found: dict[str, TypeInfo] = {}
        self._published: dict[str, TypeRecord] = {}
        self._read_at = float("-inf")

    def is_local(self, name: str) -> bool:
        """Whether this program contains the code of the type, so that `find` does not read the store."""
        return self.registry.get(name) is not None

    def find(self, name: str) -> TypeInfo:
        """The type of this name. Raises UnknownJobType with the nearest known name."""
        info = self._found.get(name)
        if info is not None:
            return info
        local = self.registry.get(name)
        if local is not None:
            info = self._found[name] = _local(local, self.default_retries)
            return info
        record = self.published().get(name) or self.published(fresh=True).get(name)
        if record is None:
            raise UnknownJobType(self._unknown(name), [Problem(("type",), "unknown job type")])
        return _remote(record)

    def published(self, *, fresh: bool = False) -> dict[str, TypeRecord]:
        """The types that workers have published, at most FRESH_FOR seconds old."""
        now = time.monotonic()
        if fresh or now - self._read_at > FRESH_FOR:
            self._published = {record.name: record for record in self._reader.types()}
            self._read_at = now
        return self._published

    def _unknown(self, name: str) -> str:
        known = {*self._published, *(t.name for t in self.registry)}
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return f"No job type {name[:60]!r} is known{hint}. Types become known when a worker that contains their code starts."


def _local(job_type: JobType, default_retries: int) -> TypeInfo:
    o = job_type.options
    return TypeInfo(
        job_type.name,
        o.queue,
        o.priority,
        job_type.max_attempts(default_retries),
        o.timeout,
        o.retention,
        o.tags,
        job_type.dump,
    )


def _problem(error: Any) -> Problem:
    """An error of the schema at its place; a missing argument is one of that argument, not of those around it."""
    place = ("args", *error.absolute_path)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        named = next((name for name in missing if error.message.startswith(repr(name))), None)
        if named is not None:
            return Problem((*place, named), "is required")
    return Problem(place, error.message)


def _remote(record: TypeRecord) -> TypeInfo:
    # takes an eighth of the start of a worker process, and a worker needs it for no type of its own
    import jsonschema.validators

    row = Row()
    schema, tags = row.members("schema", record.schema) or {}, row.texts("tags", record.tags)
    for column, why in row.unreadable.items():
        message = (
            f"the stored job type {record.name!r} cannot be read ({column}: {why}); start one of its workers"
        )
        raise InvalidInput(message, [Problem(("type",), message)])
    validator = jsonschema.validators.validator_for(schema)(schema)

    def dump(arguments: Mapping[str, Any]) -> str:
        text = dump_json(dict(arguments), what="args", limit=MAX_ARGS)
        found = [_problem(error) for error in validator.iter_errors(dict(arguments))]
        if found:
            reasons = "; ".join(f"{'.'.join(map(str, p.loc))}: {p.msg}" for p in found[:5])
            raise InvalidArguments(f"{record.name}: {reasons}", found)
        return text

    return TypeInfo(
        record.name,
        record.queue,
        record.priority,
        record.max_attempts,
        record.timeout,
        parse_retention(record.retention),
        tuple(tags),
        dump,
    )
