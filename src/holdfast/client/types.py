"""Job types: those of this program, those that workers have published, and those that only jobs name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holdfast.client.concerns import gather, text_of
from holdfast.client.reading import Row
from holdfast.client.registry import Registry
from holdfast.client.type_lookup import TypeLookup
from holdfast.client.views import TypeView
from holdfast.core.concerns import Concern, judge, of_type
from holdfast.core.errors import NotFound
from holdfast.core.facts import Facts
from holdfast.core.records import TypeRecord
from holdfast.runtime.clock import now_us
from holdfast.storage.protocol import Reader


class Types:
    """The job types that the store or this program knows."""

    def __init__(self, lookup: TypeLookup, reader: Reader) -> None:
        self._lookup = lookup
        self._reader = reader

    @property
    def registry(self) -> Registry:
        """The job types whose code this program contains."""
        return self._lookup.registry

    def all(self) -> list[TypeView]:
        """Every job type that the store or this program knows, and those that only jobs name."""
        known = dict(self._lookup.published(fresh=True))
        now = now_us()
        for local in self._lookup.registry:
            known[local.name] = TypeRecord(*local.row(self._lookup.default_retries), now)
        facts = gather(self._reader, queues=self._reader.queues(), workers=self._reader.workers())
        return _type_views(list(known.values()), facts, judge(facts))

    def count(self) -> int:
        """How many types `all` returns."""
        local = {job.name for job in self._lookup.registry}
        waiting = {row.type for row in self._reader.partitions(cap=1)}
        return len(local | waiting | self._lookup.published().keys())

    def get(self, name: str) -> TypeView:
        """One job type. Raises NotFound."""
        for view in self.all():
            if view.name == name:
                return view
        raise NotFound(
            f"No job type {name[:60]!r} is known. Types become known when a worker that contains their code starts."
        )


def _type_views(records: Sequence[TypeRecord], facts: Facts, concerns: Sequence[Concern]) -> list[TypeView]:
    """The types, and those that only jobs name, by name."""
    waiting: Counter[str] = Counter()
    for row in facts.waiting:
        waiting[row.type] += row.jobs
    known = {record.name for record in records}
    queues = {row.type: row.queue for row in facts.waiting if row.type not in known}
    views = [*map(_type_view, records), *(_unpublished(name, queue) for name, queue in queues.items())]
    return [
        view.model_copy(
            update={
                "workers": sum(worker.knows(view.name) for worker in facts.live),
                "waiting": waiting[view.name],
                "concern": text_of(of_type(concerns, view.name, waits=view.name in waiting)),
            }
        )
        for view in sorted(views, key=lambda view: view.name)
    ]


def _unpublished(name: str, queue: str) -> TypeView:
    return TypeView(
        name=name,
        queue=queue,
        args_schema={},
        doc="",
        signature="",
        executor="",
        max_attempts=1,
        published=False,
    )


def _type_view(record: TypeRecord) -> TypeView:
    row = Row()
    return TypeView(
        name=record.name,
        queue=record.queue,
        args_schema=row.members("args_schema", record.schema) or {},
        doc=record.doc,
        signature=record.signature,
        executor=record.executor,
        max_attempts=record.max_attempts,
        timeout=record.timeout,
        priority=record.priority,
        unreadable=row.unreadable,
    )
