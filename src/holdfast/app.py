"""This exists so that the parts are joined in one place: settings, store, gateway, signals and desk become a Holdfast
app."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from holdfast.client.client import Client
from holdfast.client.handle import JobHandle
from holdfast.client.jobs import Job
from holdfast.client.options import Duration
from holdfast.client.overview import Overview
from holdfast.client.registry import Registry
from holdfast.client.task import EXECUTORS, JobType, TypeOptions
from holdfast.context import JobContext
from holdfast.core.duration import seconds
from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.job import PRIORITY_RANGE
from holdfast.core.limits import check_name
from holdfast.core.retention import Retention
from holdfast.core.retry import Backoff, as_backoff
from holdfast.core.settings import Settings
from holdfast.runtime.configure import database_url, load_settings
from holdfast.runtime.signals import FileSignals, Signals
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Store
from holdfast.storage.sqlite import SqliteStore

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """What `@app.job(…)` is: it takes a function with or without a JobContext as its first parameter."""

    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], R]) -> Job[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Job[P, R]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What an app consists of once it is open."""

    store: Store
    gateway: Gateway
    signals: Signals
    client: Client
    overview: Overview


class Holdfast:
    """An app: job types, and the way to the store that keeps their jobs. Nothing is opened until it is needed."""

    def __init__(self, *, settings: Settings | None = None, **overrides: Any) -> None:
        """Settings come from defaults ← holdfast.toml ← HOLDFAST_* ← `overrides`; or take `settings` as it is."""
        self.registry = Registry()
        self._given = settings
        self._overrides = overrides
        self._settings: Settings | None = settings
        self._parts: Parts | None = None
        self._inherited: list[Parts | None] = []
        self._process = os.getpid()
        self._lock = threading.Lock()

    @property
    def settings(self) -> Settings:
        """The settings, read the first time they are needed. Raises ConfigurationError with every problem."""
        if self._settings is None:
            self._settings = load_settings(self._overrides)
        return self._settings

    def configure(self, settings: Settings) -> None:
        """Take other settings; only before anything is opened."""
        if self._parts is not None:
            raise ConfigurationError([Problem(("settings",), "the app is open already")])
        self._settings = settings

    # -- job types --------------------------------------------------------------------------------------------------------

    def job(
        self,
        bare: None = None,
        /,
        *,
        name: str | None = None,
        queue: str = "default",
        priority: int = 0,
        retries: int | None = None,
        backoff: Backoff | float | Iterable[float] | None = None,
        timeout: Duration | None = None,
        executor: Literal["loop", "thread", "process"] | None = None,
        keep: Duration | None = None,
        tags: Iterable[str] = (),
    ) -> Decorator:
        """Make a function a job type. `def` runs in a thread, `async def` in the loop, executor="process" in a child
        process.

        `retries` after the first attempt (default: the setting, 10); `backoff` in seconds, a list, or a function of
        attempt and chance (default: Hangfire's); `timeout` of one attempt (default: none); `keep` the ended jobs so
        long, or "forever".
        """

        if bare is not None:
            raise TypeError("write @app.job() with parentheses")

        def decorate(function: Callable[..., Any]) -> Job[..., Any]:
            chosen = executor or ("loop" if inspect.iscoroutinefunction(function) else "thread")
            if chosen not in EXECUTORS or (chosen == "loop" and not inspect.iscoroutinefunction(function)):
                raise TypeError(
                    f"executor={executor!r} does not fit {function.__name__}; a plain def runs in thread or process"
                )
            if priority not in PRIORITY_RANGE:
                raise ValueError(
                    f"priority must lie between {PRIORITY_RANGE.start} and {PRIORITY_RANGE.stop - 1}"
                )
            span = None if keep in (None, "forever") else seconds(cast(Any, keep))
            options = TypeOptions(
                queue=check_name(queue, loc=("queue",)),
                priority=priority,
                retries=retries,
                backoff=as_backoff(
                    backoff
                    if backoff is None or callable(backoff) or isinstance(backoff, (int, float))
                    else list(backoff)
                ),
                timeout=None if timeout is None else seconds(timeout),
                executor=chosen,
                retention=None if keep is None else Retention(span, span, span),
                tags=tuple(check_name(tag, loc=("tags",)) for tag in tags),
            )
            kind = JobType(check_name(name or function.__name__, loc=("name",)), function, options)
            self.registry.add(kind)
            return Job(kind, lambda: self.client, function)

        return cast(Decorator, decorate)

    # -- enqueue by name --------------------------------------------------------------------------------------------------

    def enqueue(self, type: str, args: Mapping[str, Any] | None = None, **options: Any) -> JobHandle:
        """Store a job of a type whose code need not be here. Options as in `JobOptions`."""
        return self.client.enqueue(type, args or {}, options)

    async def enqueue_async(
        self, type: str, args: Mapping[str, Any] | None = None, **options: Any
    ) -> JobHandle:
        """`enqueue` for an event loop."""
        return await self.client.enqueue_async(type, args or {}, options)

    def enqueue_many(self, type: str, args: Iterable[Mapping[str, Any]], **options: Any) -> list[JobHandle]:
        """One job for each mapping, in one transaction: all or none."""
        return self.client.enqueue_many(type, args, options)

    def handle(self, job_id: str) -> JobHandle:
        """The job with this id. Raises NotFound."""
        return self.client.handle(job_id)

    # -- parts ------------------------------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The desk for single jobs."""
        return self.open().client

    @property
    def overview(self) -> Overview:
        """The desk for lists, counts, queues, workers and types."""
        return self.open().overview

    def open(self) -> Parts:
        """Open the store, once for each process; after a fork the child opens its own. Raises StorageRefused or
        StorageUnavailable."""
        if self._parts is not None and self._process == os.getpid():
            return self._parts
        if self._process != os.getpid():
            # never closed here: its connections belong to the parent process
            self._inherited.append(self._parts)
            self._lock = threading.Lock()
            self._parts, self._process = None, os.getpid()
        with self._lock:
            if self._parts is None:
                self._parts = self._join()
            return self._parts

    def _join(self) -> Parts:
        settings = self.settings
        store = make_store(settings)
        store.open()
        signals = make_signals(settings)
        gateway = Gateway(store, signals.notify)
        client = Client(settings, store, gateway, signals, self.registry)
        return Parts(store, gateway, signals, client, Overview(client))

    def close(self) -> None:
        """Store what waits, then close. Idempotent."""
        if self._process != os.getpid():
            return  # what was inherited is kept as it is: freeing its connections would close them
        parts, self._parts = self._parts, None
        if parts is not None:
            parts.gateway.close()
            parts.store.close()


def make_store(settings: Settings) -> Store:
    """The store that the database URL names. Raises ConfigurationError for an unknown kind of URL."""
    retention = Retention(settings.keep_succeeded, settings.keep_failed, settings.keep_cancelled)
    return SqliteStore(_sqlite_path(settings), durability=settings.durability, retention=retention)


def make_signals(settings: Settings) -> Signals:
    """The signals that belong to the store: beside its file, so that all who open the file hear each other."""
    path = _sqlite_path(settings)
    return FileSignals(path.with_name(path.name + ".signals"))


def _sqlite_path(settings: Settings) -> Path:
    scheme, mark, rest = database_url(settings).partition("://")
    if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
        # only the scheme is shown: what stands anywhere else may be a password
        shown = f"{scheme}://…" if mark else "a text without ://"
        problem = f"not a database this version knows: {shown}; use sqlite:///path"
        raise ConfigurationError([Problem(("database_url",), problem)])
    return Path(rest[1:])
