"""The Holdfast app: composes settings, store, gateway, signals and client."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from holdfast.client.client import Client
from holdfast.client.job_definition import define_job_type
from holdfast.client.job_function import Job
from holdfast.client.named_enqueuer import NamedEnqueuer
from holdfast.client.opening import SharedOpening
from holdfast.client.options import Duration, JobOptions
from holdfast.client.registry import Registry
from holdfast.context import JobContext, Migrate
from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.retention import Retention
from holdfast.core.retry import Backoff
from holdfast.core.settings import Settings
from holdfast.runtime.configure import database_url, load_settings
from holdfast.runtime.signals import Signals, ToldAtCommit, choose_signals
from holdfast.storage.backends import StoreOptions, kind_of
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader, Store

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """What `@app.job(…)` returns: a decorator of functions with or without a JobContext as their first parameter."""

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


class Holdfast(NamedEnqueuer):
    """An app: job types, and the store of their jobs. Nothing is opened until it is needed."""

    def __init__(self, *, settings: Settings | None = None, **overrides: Any) -> None:
        """Settings come from defaults ← holdfast.toml ← HOLDFAST_* ← `overrides`; or take `settings` as it is."""
        self.registry = Registry()
        self._overrides = overrides
        self._settings: Settings | None = settings
        self._parts: Parts | None = None
        self._inherited: list[Parts | None] = []
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._opening = SharedOpening(self.open)

    @property
    def settings(self) -> Settings:
        """The settings, read the first time they are needed. Raises ConfigurationError with every problem."""
        if self._settings is None:
            self._settings = load_settings(self._overrides)
        return self._settings

    def configure(self, settings: Settings | None) -> Settings | None:
        """Replace the settings; None: read them when they are next needed. Returns those it had, None where they were not
        read yet. Only while nothing is open: before the first use, or after `close()`."""
        if self._parts is not None:
            raise ConfigurationError([Problem(("settings",), "the app is open already; call close() first")])
        before, self._settings = self._settings, settings
        return before

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
        state_version: int = 1,
        migrate: Migrate | None = None,
    ) -> Decorator:
        """Make a function a job type. `def` runs in a thread, `async def` in the loop, executor="process" in a child
        process.

        `retries` after the first attempt (default: the setting, 10); `backoff` in seconds, a list, or a function of
        attempt and a random number (default: Hangfire's); `timeout` of one attempt (default: none); `keep`: how long an
        ended job is kept, or "forever". Raise `state_version` by one when a job that was started by older code cannot
        continue from its `ctx.state`; `migrate(state, version)` then returns the new state for one of an older version,
        and without it such a job fails. Raises InvalidInput with every option that is not valid, TypeError for a
        function that cannot be a job.
        """

        if bare is not None:
            raise TypeError("write @app.job() with parentheses")

        def decorate(function: Callable[..., Any]) -> Job[..., Any]:
            job_type = define_job_type(
                function,
                name=name,
                executor=executor,
                backoff=backoff,
                state_version=state_version,
                migrate=migrate,
                defaults=JobOptions(
                    queue=queue, priority=priority, retries=retries, timeout=timeout, keep=keep, tags=tags
                ),
            )
            self.registry.add(job_type)
            return Job(job_type, self, function)

        return cast(Decorator, decorate)

    # -- opening and closing ------------------------------------------------------------------------------------------------

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

    async def open_async(self) -> Parts:
        """`open` for an event loop, which is not blocked; concurrent callers share one attempt. Every `*_async` method opens
        the app this way by itself."""
        if self._parts is not None and self._process == os.getpid():
            return self._parts
        return await self._opening.result()

    def _join(self) -> Parts:
        settings = self.settings
        store = make_store(settings)
        signals = make_signals(settings, store)
        try:
            store.open()
        except BaseException:
            signals.close()
            raise
        gateway = Gateway(
            store, signals.notify, signals.at_commit if isinstance(signals, ToldAtCommit) else None
        )
        client = Client(settings, store, gateway, signals, self.registry)
        return Parts(store, gateway, signals, client)

    def close(self) -> None:
        """Run the writes that wait, then close the store. Idempotent."""
        if self._process != os.getpid():
            return  # inherited parts are kept: freeing their connections would close those of the parent
        parts, self._parts = self._parts, None
        if parts is not None:
            parts.gateway.close()
            parts.signals.close()
            parts.store.close()


def make_store(settings: Settings) -> Store:
    """The store that the database URL names. Raises ConfigurationError for an unknown kind of URL."""
    retention = Retention(settings.keep_succeeded, settings.keep_failed, settings.keep_cancelled)
    url = database_url(settings)
    return kind_of(url).store(
        url, StoreOptions(settings.durability, retention, settings.data_access == "group")
    )


def make_signals(settings: Settings, reader: Reader) -> Signals:
    """How the processes of this store wake each other: as `signals_url` names, else as is usual for the database.

    `reader` is the store itself. Raises ConfigurationError for an unknown kind of URL, or a driver that is missing."""
    return choose_signals(
        settings.signals_url, database_url(settings), reader, group_access=settings.data_access == "group"
    )
