"""The client: what programs, pages, REST and the command line ask of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from holdfast.client import insert_retry
from holdfast.client.handle import JobHandle
from holdfast.client.options import CheckedOptions, read_options
from holdfast.client.registry import Registry
from holdfast.client.transactions import Transactions
from holdfast.client.type_lookup import Catalogue
from holdfast.client.views import (
    HistoryView,
    JobView,
    LogPage,
    SavedView,
    history_view,
    job_view,
    log_view,
    saved_view,
)
from holdfast.core.commands import GONE, Action
from holdfast.core.errors import NotFound
from holdfast.core.job import Inserted, NewJob
from holdfast.core.settings import Settings
from holdfast.core.sizes import MAX_REASON, check_line, check_name
from holdfast.runtime.clock import new_ids
from holdfast.runtime.signals import Listener, Signals
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.topics import Topic
from holdfast.storage.writes import Command, CommandAll, DrainWorker, PauseQueue, Prove, ResumeQueue


class Client:
    """Enqueue jobs and act on them. Thread-safe. What it answers is committed."""

    def __init__(
        self, settings: Settings, reader: Reader, gateway: Gateway, signals: Signals, registry: Registry
    ) -> None:
        self._settings = settings
        self.reader = reader
        self._gateway = gateway
        self._signals = signals
        self._transactions = Transactions(reader, gateway, signals)
        self.catalogue = Catalogue(registry, reader, default_retries=settings.retries)

    def check(self) -> None:
        """Store something that means nothing. Raises StorageUnavailable where the database takes no writes."""
        self._gateway.run(Prove())

    # -- enqueue ----------------------------------------------------------------------------------------------------------

    def enqueue(
        self,
        type_: str,
        args: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        *,
        tx: object | None = None,
    ) -> JobHandle:
        """Validate, store durably, answer at once. Raises InvalidArguments, UnknownJobType, InvalidInput,
        StorageUnavailable.

        With `tx`, a connection of the caller's, the job is stored in its open transaction and exists once that is
        committed."""
        return self.insert([self.new_job(type_, args, read_options(options or {}))], tx=tx)[0]

    async def enqueue_async(
        self,
        type_: str,
        args: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        *,
        tx: object | None = None,
    ) -> JobHandle:
        """`enqueue` for an event loop, which goes on while the commit is under way."""
        return (await self._insert_async(await self._new_jobs_async(type_, (args,), options), tx))[0]

    def enqueue_many(
        self,
        type_: str,
        args: Iterable[Mapping[str, Any]],
        options: Mapping[str, Any] | None = None,
        *,
        tx: object | None = None,
    ) -> list[JobHandle]:
        """All of them in one transaction, or none."""
        return self.insert(self.new_jobs(type_, args, read_options(options or {})), tx=tx)

    async def enqueue_many_async(
        self,
        type_: str,
        args: Iterable[Mapping[str, Any]],
        options: Mapping[str, Any] | None = None,
        *,
        tx: object | None = None,
    ) -> list[JobHandle]:
        """`enqueue_many` for an event loop, which goes on while the commit is under way."""
        return await self._insert_async(await self._new_jobs_async(type_, args, options), tx)

    async def _new_jobs_async(
        self, type_: str, args: Iterable[Mapping[str, Any]], options: Mapping[str, Any] | None
    ) -> list[NewJob]:
        checked = read_options(options or {})
        if self.catalogue.is_local(type_):
            return self.new_jobs(type_, args, checked)
        return await asyncio.to_thread(
            self.new_jobs, type_, list(args), checked
        )  # asks the store for the type

    def insert(self, jobs: Sequence[NewJob], *, tx: object | None = None) -> list[JobHandle]:
        """Store jobs made by `new_job` in one transaction: one of ours, or that of `tx`."""
        if not jobs:
            return []
        if tx is None:
            return self._handles(insert_retry.insert(self._gateway, jobs))
        return self._handles(self._transactions.insert(tx, jobs))

    async def _insert_async(self, jobs: Sequence[NewJob], tx: object | None) -> list[JobHandle]:
        if not jobs:
            return []
        if tx is None:
            return self._handles(await insert_retry.insert_async(self._gateway, jobs))
        return self._handles(await self._transactions.insert_async(tx, jobs))

    def _handles(self, inserted: Sequence[Inserted]) -> list[JobHandle]:
        return [JobHandle(self, one.id, created=one.created) for one in inserted]

    def new_job(
        self,
        type_: str,
        args: Mapping[str, Any],
        options: CheckedOptions,
        *,
        actor: str | None = None,
        origin: str | None = None,
    ) -> NewJob:
        """A job that is ready to be stored: arguments validated, defaults of its type filled in, its id made."""
        return self.new_jobs(type_, (args,), options, actor=actor, origin=origin)[0]

    def new_jobs(
        self,
        type_: str,
        args: Iterable[Mapping[str, Any]],
        options: CheckedOptions,
        *,
        actor: str | None = None,
        origin: str | None = None,
    ) -> list[NewJob]:
        """One for each of `args`; they have everything else in common."""
        kind = self.catalogue.find(type_)
        o = options
        shared = (  # in the order of NewJob: names for each of many jobs cost as much as their ids
            o.queue or kind.queue,
            kind.priority if o.priority is None else o.priority,
            o.run_at,
            o.owner,
            kind.tags if o.tags is None else o.tags,
            o.unique,
            o.idempotency_key,
            kind.max_attempts if o.retries is None else o.retries + 1,
            kind.timeout if o.timeout is None else o.timeout,
            o.keep or kind.retention,
            actor,
            origin,
            o.delay,
        )
        texts = list(map(kind.dump, args))
        return [
            NewJob(job_id, type_, text, *shared)
            for job_id, text in zip(new_ids(len(texts)), texts, strict=True)
        ]

    # -- one job ----------------------------------------------------------------------------------------------------------

    def handle(self, job_id: str) -> JobHandle:
        """A handle of a job that is there. Raises NotFound."""
        return JobHandle(self, job_id, created=False, view=self.job(job_id))

    def job(self, job_id: str) -> JobView:
        """One job. Raises NotFound."""
        record = self.reader.job(job_id)
        if record is None:
            raise NotFound(f"There is no job {job_id[:60]}; it never was, or its retention is over.")
        return job_view(record)

    def act(
        self, job_id: str, action: Action, *, reason: str | None = None, actor: str | None = None
    ) -> JobView:
        """Pause, resume, cancel or retry; answers the job as it is now. Raises NotFound, Conflict."""
        if reason:
            check_line(reason, loc=("reason",), limit=MAX_REASON)
        record = insert_retry.run(self._gateway, Command(job_id, action, actor=actor, reason=reason or None))
        if record is None:  # only after a delete, which is `delete`
            raise NotFound(GONE)
        return job_view(record)

    def act_on(
        self, job_ids: Sequence[str], action: Action, *, reason: str | None = None, actor: str | None = None
    ) -> list[str | None]:
        """`act`, or `delete`, on many jobs in one transaction; answers why each was refused, None where it is done."""
        if reason:
            check_line(reason, loc=("reason",), limit=MAX_REASON)
        return insert_retry.run(
            self._gateway, CommandAll(list(job_ids), action, actor=actor, reason=reason or None)
        )

    def delete(self, job_id: str, *, actor: str | None = None) -> None:
        """Remove an ended job and all that belongs to it. Raises NotFound, Conflict."""
        self._gateway.run(Command(job_id, Action.DELETE, actor=actor, reason=None))

    def history(self, job_id: str) -> list[HistoryView]:
        """Every transition and request of a job, oldest first. Raises NotFound."""
        self.job(job_id)
        return [history_view(record) for record in self.reader.history(job_id)]

    def logs(self, job_id: str, *, after: int = 0, limit: int = 500, before: int | None = None) -> LogPage:
        """Console lines after `after` (and before `before`); a negative `after` -k: the last k. Raises NotFound."""
        self.job(job_id)
        records = self.reader.logs(job_id, after=after, limit=limit, before=before)
        items = [log_view(record) for record in records]
        return LogPage(items=items, next_after=items[-1].n if items else max(after, 0))

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        """How many console lines a job has (before the line `before`); 0 for a job that is not there."""
        return self.reader.log_count(job_id, before=before)

    def saved_state(self, job_id: str) -> SavedView | None:
        """The last saved state, or None when nothing was saved. Raises NotFound."""
        self.job(job_id)
        record = self.reader.saved(job_id)
        return None if record is None else saved_view(record)

    # -- signals ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def listen(self, topics: Iterable[Topic]) -> Generator[Listener]:
        """Hear when something changes (a hint; look again from time to time all the same)."""
        listener = self._signals.listen(topics)
        try:
            yield listener
        finally:
            listener.close()

    def pause_queue(self, name: str, *, reason: str | None = None, actor: str | None = None) -> None:
        """Pause a queue: no worker claims from it. Running jobs continue. Idempotent."""
        check_name(name, loc=("queue",))
        if reason:
            check_line(reason, loc=("reason",), limit=MAX_REASON)
        self._gateway.run(PauseQueue(name, actor=actor, reason=reason or None))

    def resume_queue(self, name: str, *, actor: str | None = None) -> None:
        """Resume a paused queue. Idempotent."""
        check_name(name, loc=("queue",))
        self._gateway.run(ResumeQueue(name, actor=actor))

    def drain_worker(self, worker_id: str) -> None:
        """Let a worker claim nothing more, and end with its last job. Idempotent."""
        self._gateway.run(DrainWorker(worker_id))
