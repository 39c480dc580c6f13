"""A connection on which the promise of a common transaction could not hold is refused, and left as sound as it was."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from holdfast import Holdfast, Job, StorageRefused
from tests.system.transactions.connections import KINDS, claimed
from tests.unit.client.hand import Hand


def store_size(app: Holdfast) -> int:
    return sum(app.client.figures.stats().states.values())


def test_without_an_open_transaction(app: Holdfast, send: Job[Any, Any], url: str) -> None:
    async def awaited() -> None:
        db = await asyncpg.connect(url)
        with pytest.raises(ValueError, match="begin a transaction first"):
            await send.options(tx=db).enqueue_async("1")
        await db.close()
        plain = await psycopg.AsyncConnection.connect(url, autocommit=True)
        async with plain:
            with pytest.raises(ValueError, match="begin a transaction first"):
                await send.options(tx=plain).enqueue_async("1")
        address = url.replace("postgresql:", "postgresql+asyncpg:")
        engine = create_async_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        async with engine.connect() as other:
            with pytest.raises(ValueError, match="begin a transaction first"):
                await send.options(tx=other).enqueue_async("1")

    before = store_size(app)
    with psycopg.connect(url, autocommit=True) as db:
        with pytest.raises(ValueError, match="begin a transaction first"):
            send.options(tx=db).enqueue("1")
        with db.transaction():
            assert send.options(tx=db, delay=60).enqueue("1").created
        with db.pipeline(), db.transaction():
            assert send.options(tx=db, delay=60).enqueue("1").created
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:  # noqa: SIM117
        with pytest.raises(ValueError, match="begin a transaction first"):
            send.options(tx=other).enqueue("1")
    asyncio.run(awaited())
    assert store_size(app) == before + 2


def test_what_is_no_connection(send: Job[Any, Any], url: str) -> None:
    with psycopg.connect(url) as db, create_engine("sqlite://").connect() as other:
        for wrong in (object(), url, db.cursor(), other):
            with pytest.raises(
                TypeError, match=r"tx= takes a Connection or AsyncConnection of psycopg.*; not"
            ):
                send.options(tx=wrong).enqueue("1")
            with pytest.raises(TypeError, match="tx= takes"):
                asyncio.run(send.options(tx=wrong).enqueue_async("1"))


def test_a_connection_in_the_wrong_place(send: Job[Any, Any], url: str) -> None:
    async def awaited() -> None:
        for kind in ("psycopg async", "asyncpg", "asyncpg pool", "sqlalchemy async session, asyncpg"):
            async with KINDS[kind](url) as caller:
                with pytest.raises(TypeError, match="is awaited; use enqueue_async"):
                    send.options(tx=caller.connection).enqueue("1")
        for kind in ("psycopg", "sqlalchemy session"):
            async with KINDS[kind](url) as caller:
                with pytest.raises(TypeError, match="blocks the event loop; use enqueue "):
                    await send.options(tx=caller.connection).enqueue_async("1")

    asyncio.run(awaited())


def test_another_database(send: Job[Any, Any], url: str, schema: str) -> None:
    """Also one in which there is a Holdfast too."""
    other = urlsplit(url)._replace(path="/postgres").geturl()
    like = Holdfast(database_url=f"{other}{'&' if '?' in other else '?'}schema={schema}")
    for _ in range(2):
        with psycopg.connect(other) as db:
            with pytest.raises(StorageRefused, match="leads to another database") as caught:
                send.options(tx=db).enqueue("1")
            assert url not in str(caught.value)
            assert db.execute("SELECT 1").fetchone() == (1,)
        like.open()
    assert store_size(like) == 0
    like.close()
    with psycopg.connect(other, autocommit=True) as db:
        db.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def test_a_role_without_the_right(send: Job[Any, Any], url: str, schema: str, hand: Hand) -> None:
    role = f"shop_{schema}"
    with psycopg.connect(url, autocommit=True) as root:
        root.execute(f"CREATE ROLE {role}".encode())
        try:
            with psycopg.connect(url) as db:
                db.execute(f"SET ROLE {role}".encode())
                with pytest.raises(StorageRefused, match="Grant it USAGE on the schema"):
                    send.options(tx=db).enqueue("1")
                assert db.execute("SELECT 1").fetchone() == (1,)
                for grant in (
                    f"USAGE ON SCHEMA {schema}",
                    f"SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA {schema}",
                    f"USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema}",
                ):
                    root.execute(f"GRANT {grant} TO {role}".encode())
                job = send.options(tx=db, unique="granted", tags=["x"]).enqueue("1")
                assert not send.options(tx=db, unique="granted").enqueue("1").created
            assert claimed(hand) == [job.id]
        finally:
            root.execute(f"DROP OWNED BY {role}".encode())
            root.execute(f"DROP ROLE {role}".encode())
