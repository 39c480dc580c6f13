"""A decorated function: still callable, and enqueued with its types kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from holdfast.client.handle import JobHandle
from holdfast.client.opening import Opener
from holdfast.client.options import Duration
from holdfast.client.task import JobType
from holdfast.core.errors import InvalidArguments, Problem

P = ParamSpec("P")
R = TypeVar("R")


class Enqueuer(Generic[P]):
    """Enqueues jobs of one type with some options."""

    def __init__(
        self,
        job_type: JobType,
        opener: Opener,
        options: Mapping[str, Any],
        tx: object | None = None,
    ) -> None:
        self._type = job_type
        self._opener = opener
        self._options = options
        self._tx = tx

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Validate the arguments, store the job durably and return its handle.

        `tx=connection` beside the arguments is `options(tx=connection)`, in a spelling that type checkers do not know."""
        tx = self._take_tx(kwargs)
        jobs = self._opener.open().client.jobs
        return jobs.enqueue(self._type.name, _named(self._type, args, kwargs), self._options, tx=tx)

    async def enqueue_async(self, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """`enqueue` for an event loop."""
        tx = self._take_tx(kwargs)
        jobs = (await self._opener.open_async()).client.jobs
        return await jobs.enqueue_async(
            self._type.name, _named(self._type, args, kwargs), self._options, tx=tx
        )

    def enqueue_many(self, args: Iterable[Mapping[str, Any]], *, tx: object | None = None) -> list[JobHandle]:
        """One job for each mapping of arguments, in one transaction: all or none."""
        tx = self._tx if tx is None else tx
        return self._opener.open().client.jobs.enqueue_many(self._type.name, args, self._options, tx=tx)

    async def enqueue_many_async(
        self, args: Iterable[Mapping[str, Any]], *, tx: object | None = None
    ) -> list[JobHandle]:
        """`enqueue_many` for an event loop."""
        tx = self._tx if tx is None else tx
        jobs = (await self._opener.open_async()).client.jobs
        return await jobs.enqueue_many_async(self._type.name, args, self._options, tx=tx)

    def _take_tx(self, kwargs: dict[str, Any]) -> object | None:
        if "tx" in kwargs and "tx" not in self._type.parameters:
            return kwargs.pop("tx")
        return self._tx


class Job(Enqueuer[P], Generic[P, R]):
    """A job function. A call runs it here and now; `enqueue` has a worker run it."""

    def __init__(self, job_type: JobType, opener: Opener, function: Callable[..., R]) -> None:
        update_wrapper(self, function)  # first: it copies all attributes of a callable object
        super().__init__(job_type, opener, {})
        self._function = function
        self.__doc__ = job_type.doc

    @property
    def name(self) -> str:
        """The name of the job type."""
        return self._type.name

    def __call__(self, /, *args: Any, **kwargs: Any) -> R:
        """Call the function itself, with a context of your own where it wants one; nothing is stored."""
        return self._function(*args, **kwargs)

    def options(
        self,
        *,
        delay: Duration | None = None,
        run_at: datetime | None = None,
        queue: str | None = None,
        priority: int | None = None,
        owner: str | None = None,
        tags: Iterable[str] | None = None,
        unique: str | None = None,
        retries: int | None = None,
        timeout: Duration | None = None,
        idempotency_key: str | None = None,
        keep: Duration | None = None,
        tx: object | None = None,
    ) -> Enqueuer[P]:
        """The same type with other options for the jobs that are enqueued through the returned object (see JobOptions).

        `tx`: a connection of yours, in whose open transaction the jobs are stored."""
        given: dict[str, Any] = {
            "delay": delay,
            "run_at": run_at,
            "queue": queue,
            "priority": priority,
            "owner": owner,
            "tags": None if tags is None else tags if isinstance(tags, str) else list(tags),
            "unique": unique,
            "retries": retries,
            "timeout": timeout,
            "idempotency_key": idempotency_key,
            "keep": keep,
        }
        said = {name: value for name, value in given.items() if value is not None}
        return Enqueuer(self._type, self._opener, said, tx)


def _named(job_type: JobType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    if not args:
        return kwargs
    names = [p for p in inspect.signature(job_type.function).parameters if p != job_type.context_parameter]
    if len(args) > len(names):
        message = f"{job_type.name} takes {len(names)} arguments, {len(args)} were given"
        raise InvalidArguments(message, [Problem(("args",), message)])
    positional = dict(zip(names, args, strict=False))
    twice = sorted(positional.keys() & kwargs.keys())
    if twice:
        message = f"{job_type.name}: {', '.join(twice)} given twice"
        raise InvalidArguments(message, [Problem(("args", twice[0]), "given twice")])
    return positional | kwargs
