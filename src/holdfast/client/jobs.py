"""Jobs: enqueueing, reading, searching and controlling them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from datetime import UTC, datetime, tzinfo
from typing import Any

from holdfast.client import bulk, insert_retry
from holdfast.client.events import Events
from holdfast.client.handle import JobHandle
from holdfast.client.options import CheckedOptions, read_options
from holdfast.client.transactions import Transactions
from holdfast.client.type_lookup import TypeLookup
from holdfast.client.views import (
    BulkView,
    CountView,
    HistoryView,
    JobPage,
    JobView,
    LogPage,
    SavedView,
    history_view,
    job_view,
    log_view,
    saved_view,
)
from holdfast.core.commands import GONE, Action
from holdfast.core.errors import InvalidInput, NotFound, Problem
from holdfast.core.job import Inserted, NewJob
from holdfast.core.principal import ANONYMOUS, Principal
from holdfast.core.query import Query, QueryError, UnreadableQuery, parse
from holdfast.core.sizes import MAX_REASON, check_line
from holdfast.runtime.clock import new_ids
from holdfast.runtime.signals import Listener
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.topics import Topic
from holdfast.storage.writes import Command, CommandAll

CAP = 10_000
"""Counts of a search stop here; more is shown as "10,000+"."""

MAX_PAGE = 200


class Jobs:
    """The jobs of a store. Its writes are recorded as those of one principal, see `Client.acting_as`."""

    def __init__(
        self, reader: Reader, gateway: Gateway, transactions: Transactions, types: TypeLookup, events: Events
    ) -> None:
        self._reader = reader
        self._gateway = gateway
        self._transactions = transactions
        self._types = types
        self._events = events
        self._principal = ANONYMOUS

    def acting_as(self, principal: Principal) -> Jobs:
        """The same jobs, for this principal."""
        acting = copy(self)
        acting._principal = principal
        return acting

    # -- enqueue ----------------------------------------------------------------------------------------------------------

    def enqueue(
        self,
        type_: str,
        args: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        *,
        tx: object | None = None,
    ) -> JobHandle:
        """Validate the arguments and store the job durably. Raises InvalidArguments, UnknownJobType, InvalidInput,
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
        """`enqueue` for an event loop, which is not blocked during the commit."""
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
        """`enqueue_many` for an event loop, which is not blocked during the commit."""
        return await self._insert_async(await self._new_jobs_async(type_, args, options), tx)

    async def _new_jobs_async(
        self, type_: str, args: Iterable[Mapping[str, Any]], options: Mapping[str, Any] | None
    ) -> list[NewJob]:
        checked = read_options(options or {})
        if self._types.is_local(type_):
            return self.new_jobs(type_, args, checked)
        return await asyncio.to_thread(
            self.new_jobs, type_, list(args), checked
        )  # reads the type from the store

    def insert(self, jobs: Sequence[NewJob], *, tx: object | None = None) -> list[JobHandle]:
        """Store jobs made by `new_job` in one transaction: one of its own, or that of `tx`."""
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

    def new_job(self, type_: str, args: Mapping[str, Any], options: CheckedOptions) -> NewJob:
        """A job that is ready to be stored: arguments validated, defaults of its type filled in, its id made."""
        return self.new_jobs(type_, (args,), options)[0]

    def new_jobs(
        self, type_: str, args: Iterable[Mapping[str, Any]], options: CheckedOptions
    ) -> list[NewJob]:
        """One job for each of `args`; they have everything else in common."""
        info = self._types.find(type_)
        o, by = options, self._principal
        shared = (  # in the order of NewJob: names for each of many jobs cost as much as their ids
            o.queue or info.queue,
            info.priority if o.priority is None else o.priority,
            o.run_at,
            o.owner,
            info.tags if o.tags is None else o.tags,
            o.unique,
            o.idempotency_key,
            info.max_attempts if o.retries is None else o.retries + 1,
            info.timeout if o.timeout is None else o.timeout,
            o.keep or info.retention,
            by.name,
            by.origin,
            o.delay,
        )
        texts = list(map(info.dump, args))
        return [
            NewJob(job_id, type_, text, *shared)
            for job_id, text in zip(new_ids(len(texts)), texts, strict=True)
        ]

    # -- one job ----------------------------------------------------------------------------------------------------------

    def handle(self, job_id: str) -> JobHandle:
        """A handle of an existing job. Raises NotFound."""
        return JobHandle(self, job_id, created=False, view=self.get(job_id))

    def get(self, job_id: str) -> JobView:
        """One job. Raises NotFound."""
        record = self._reader.job(job_id)
        if record is None:
            raise NotFound(f"There is no job {job_id[:60]}; it never was, or its retention is over.")
        return job_view(record)

    def act(self, job_id: str, action: Action, *, reason: str | None = None) -> JobView:
        """Pause, resume, cancel or retry; returns the job as it is now. Raises NotFound, Conflict."""
        _check_reason(reason)
        record = insert_retry.run(self._gateway, self._command(job_id, action, reason))
        if record is None:  # only after a delete, which is `delete`
            raise NotFound(GONE)
        return job_view(record)

    def delete(self, job_id: str) -> None:
        """Remove an ended job and all that belongs to it. Raises NotFound, Conflict."""
        self._gateway.run(self._command(job_id, Action.DELETE, None))

    def _command(self, job_id: str, action: Action, reason: str | None) -> Command:
        return Command(job_id, action, actor=self._principal.name, reason=reason or None)

    def history(self, job_id: str) -> list[HistoryView]:
        """Every transition and request of a job, oldest first. Raises NotFound."""
        self.get(job_id)
        return [history_view(record) for record in self._reader.history(job_id)]

    def logs(self, job_id: str, *, after: int = 0, limit: int = 500, before: int | None = None) -> LogPage:
        """Console lines after `after` (and before `before`); a negative `after` -k: the last k. Raises NotFound."""
        self.get(job_id)
        records = self._reader.logs(job_id, after=after, limit=limit, before=before)
        items = [log_view(record) for record in records]
        return LogPage(items=items, next_after=items[-1].n if items else max(after, 0))

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        """The number of console lines of a job (before the line `before`); 0 for a job that does not exist."""
        return self._reader.log_count(job_id, before=before)

    def saved_state(self, job_id: str) -> SavedView | None:
        """The last saved state, or None when nothing was saved. Raises NotFound."""
        self.get(job_id)
        record = self._reader.saved(job_id)
        return None if record is None else saved_view(record)

    def listen(self) -> AbstractContextManager[Listener]:
        """A listener that wakes when any job changes, see `Events.listen`."""
        return self._events.listen((Topic.EVENTS,))

    # -- many jobs --------------------------------------------------------------------------------------------------------

    def query(self, text: str, *, zone: tzinfo = UTC) -> Query:
        """The search text as a query, with dates in `zone`. Raises UnreadableQuery with the place and the likely
        correction."""
        try:
            return parse(text, now=datetime.now(UTC), zone=zone, me=self._principal.name)
        except QueryError as error:
            raise UnreadableQuery(error, text) from None

    def search(
        self, query: Query, *, sort: str = "-created", limit: int = 50, cursor: str | None = None
    ) -> JobPage:
        """A page of the jobs that match. Raises InvalidInput for a sort, limit or cursor that is not valid."""
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput(
                f"limit must lie between 1 and {MAX_PAGE}", [Problem(("limit",), f"1 to {MAX_PAGE}")]
            )
        page = self._reader.search(query, sort=sort, limit=limit, cursor=cursor)
        return JobPage(
            items=[job_view(record) for record in page.items],
            next_cursor=page.next_cursor,
            previous_cursor=page.previous_cursor,
            searched=page.searched,
        )

    def get_many(self, ids: Sequence[str], query: Query | None = None) -> list[JobView]:
        """Those of the given jobs that exist (and match), in no order."""
        return [job_view(record) for record in self._reader.jobs(ids, query)]

    def count(self, query: Query) -> CountView:
        """How many jobs match, up to CAP."""
        found = self._reader.count(query, cap=CAP)
        return CountView(count=found.count, capped=found.capped)

    def states(self) -> dict[str, int]:
        """How many jobs there are in each state, without a cap."""
        return dict(self._reader.states())

    def count_by_state(self, query: Query) -> dict[str, CountView]:
        """How many jobs match in each state and in "retrying", up to CAP, whatever state the query itself names."""
        counts = self._reader.count_by_state(query, cap=CAP)
        return {state: CountView(count=c.count, capped=c.capped) for state, c in counts.items()}

    def act_on(
        self, job_ids: Sequence[str], action: Action, *, reason: str | None = None
    ) -> list[str | None]:
        """`act`, or `delete`, on many jobs in one transaction. Returns for each of them why it was refused, None where it is
        done."""
        _check_reason(reason)
        return insert_retry.run(
            self._gateway,
            CommandAll(list(job_ids), action, actor=self._principal.name, reason=reason or None),
        )

    def act_on_all(
        self,
        action: Action,
        query: Query,
        *,
        dry_run: bool = False,
        counted: BulkView | None = None,
        reason: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> BulkView:
        """Do `action` to every job that matches and allows it, oldest first, in batches; a job that changes meanwhile is
        refused.

        `dry_run`: only count. `counted`: its dry run, where the caller has it; nothing is counted again. Counts are exact
        for what is done, capped for what is only matched. `on_progress` is called after each batch with the numbers of
        jobs done and refused so far; an exception that it raises ends the action there.
        """
        plan = counted or bulk.dry_run(self._reader, action, query)
        if dry_run:
            return plan
        progress = bulk.Progress()
        for job_ids in bulk.batches(self._reader, action, query):
            progress.add(job_ids, self.act_on(job_ids, action, reason=reason))
            if on_progress is not None:
                on_progress(progress.done, progress.refused)
        return progress.result(plan)


def _check_reason(reason: str | None) -> None:
    if reason:
        check_line(reason, loc=("reason",), limit=MAX_REASON)
