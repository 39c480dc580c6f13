"""Every kind of connection that `tx=` takes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import django
import psycopg
from django.conf import settings
from django.db import ConnectionHandler
from django.utils.connection import ConnectionProxy
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from holdfast import Job, JobHandle
from tests.unit.client.hand import Hand

Action = Callable[[], Awaitable[object]]


@dataclass
class Caller:
    """A connection of the caller, in a transaction of its own."""

    connection: Any
    blocks: bool
    execute: Callable[[str], Awaitable[object]]
    commit: Action
    rollback: Action

    async def enqueue(self, job: Job[Any, Any], args: Mapping[str, Any], **options: Any) -> JobHandle:
        chosen = job.options(tx=self.connection, **options)
        return chosen.enqueue(**args) if self.blocks else await chosen.enqueue_async(**args)

    async def enqueue_many(self, job: Job[Any, Any], args: Iterable[Mapping[str, Any]]) -> list[JobHandle]:
        if self.blocks:
            return job.enqueue_many(args, tx=self.connection)
        return await job.enqueue_many_async(args, tx=self.connection)


def _awaited(function: Callable[..., object]) -> Callable[..., Awaitable[object]]:
    async def call(*args: object) -> object:
        return function(*args)

    return call


@asynccontextmanager
async def by_psycopg(url: str) -> AsyncIterator[Caller]:
    with psycopg.connect(url) as db:
        yield Caller(db, True, _awaited(db.execute), _awaited(db.commit), _awaited(db.rollback))
        db.rollback()


@asynccontextmanager
async def by_psycopg_async(url: str) -> AsyncIterator[Caller]:
    async with await psycopg.AsyncConnection.connect(url) as db:
        yield Caller(db, False, db.execute, db.commit, db.rollback)  # type: ignore[arg-type]
        await db.rollback()


@asynccontextmanager
async def by_asyncpg(url: str) -> AsyncIterator[Caller]:
    db = await asyncpg.connect(url)
    try:
        work = db.transaction()
        await work.start()
        yield Caller(db, False, db.execute, work.commit, work.rollback)
    finally:
        await db.close()


@asynccontextmanager
async def by_asyncpg_pool(url: str) -> AsyncIterator[Caller]:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as db:
        work = db.transaction()
        await work.start()
        yield Caller(db, False, db.execute, work.commit, work.rollback)


@asynccontextmanager
async def by_alchemy(url: str) -> AsyncIterator[Caller]:
    with create_engine(_through("psycopg", url), poolclass=NullPool).connect() as db:
        yield Caller(db, True, _awaited(db.exec_driver_sql), _awaited(db.commit), _awaited(db.rollback))


@asynccontextmanager
async def by_session(url: str) -> AsyncIterator[Caller]:
    with Session(create_engine(_through("psycopg", url), poolclass=NullPool)) as db:
        yield _session(db)


@asynccontextmanager
async def by_scoped_session(url: str) -> AsyncIterator[Caller]:
    db = scoped_session(sessionmaker(create_engine(_through("psycopg", url), poolclass=NullPool)))
    yield _session(db)
    db.remove()


def _session(db: Any) -> Caller:
    execute = _awaited(lambda sql: db.execute(text(sql)))
    return Caller(db, True, execute, _awaited(db.commit), _awaited(db.rollback))


@asynccontextmanager
async def by_django(url: str) -> AsyncIterator[Caller]:
    """`django.db.connection` in a program of Django, which is a proxy for the connection of the thread."""
    if not settings.configured:
        settings.configure(LOGGING_CONFIG=None)
        django.setup()
    # the tests run in an event loop, in which Django refuses to block
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    options = {**conninfo_to_dict(url), "application_name": "django"}
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": options["dbname"], "OPTIONS": options}
    db: Any = ConnectionProxy(ConnectionHandler({"default": database}), "default")
    db.set_autocommit(False)

    def execute(sql: str) -> None:
        with db.cursor() as cursor:
            cursor.execute(sql)

    try:
        yield Caller(db, True, _awaited(execute), _awaited(db.commit), _awaited(db.rollback))
    finally:
        db.close()
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def by_async_alchemy(driver: str) -> Callable[[str], AbstractAsyncContextManager[Caller]]:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        async with create_async_engine(_through(driver, url), poolclass=NullPool).connect() as db:
            yield Caller(db, False, db.exec_driver_sql, db.commit, db.rollback)

    return open_one


def by_async_session(driver: str) -> Callable[[str], AbstractAsyncContextManager[Caller]]:
    @asynccontextmanager
    async def open_one(url: str) -> AsyncIterator[Caller]:
        async with AsyncSession(create_async_engine(_through(driver, url), poolclass=NullPool)) as db:
            yield Caller(db, False, lambda sql: db.execute(text(sql)), db.commit, db.rollback)

    return open_one


@asynccontextmanager
async def by_async_scoped_session(url: str) -> AsyncIterator[Caller]:
    engine = create_async_engine(_through("asyncpg", url), poolclass=NullPool)
    db = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
    yield Caller(db, False, lambda sql: db.execute(text(sql)), db.commit, db.rollback)
    await db.remove()


def _through(driver: str, url: str) -> str:
    return url.replace("postgresql:", f"postgresql+{driver}:")


KINDS: dict[str, Callable[[str], AbstractAsyncContextManager[Caller]]] = {
    "psycopg": by_psycopg,
    "psycopg async": by_psycopg_async,
    "asyncpg": by_asyncpg,
    "asyncpg pool": by_asyncpg_pool,
    "django": by_django,
    "sqlalchemy": by_alchemy,
    "sqlalchemy session": by_session,
    "sqlalchemy scoped session": by_scoped_session,
    "sqlalchemy async, psycopg": by_async_alchemy("psycopg"),
    "sqlalchemy async, asyncpg": by_async_alchemy("asyncpg"),
    "sqlalchemy async session, psycopg": by_async_session("psycopg"),
    "sqlalchemy async session, asyncpg": by_async_session("asyncpg"),
    "sqlalchemy async scoped session": by_async_scoped_session,
}


def claimed(hand: Hand) -> list[str]:
    """All that waits, in its order, taken and ended."""
    taken = hand.claim(1_000)
    for one in taken:
        hand.end(one)
    return [one.id for one in taken]
