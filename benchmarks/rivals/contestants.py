"""The rivals as contestants, each with its environment and why it may be missing."""

from __future__ import annotations

from benchmarks.envs import CELERY, HUEY, OBAN, PGQUEUER, PROCRASTINATE
from benchmarks.rivals import redis_server
from benchmarks.scenario import Contestant
from benchmarks.servers.postgres import POSTGRES


def huey(name: str, about: str, function: str) -> Contestant:
    """Huey on SQLite, running `function` of its program."""
    return Contestant(
        name, f"Huey 3.5.4 on SQLite, {about}", f"benchmarks.rivals.huey_sqlite:{function}", HUEY
    )


def celery(name: str, about: str, function: str) -> Contestant:
    """Celery on Redis, running `function` of its program."""
    target = f"benchmarks.rivals.celery_redis:{function}"
    return Contestant(name, f"Celery 5.7.0 on Redis, {about}", target, CELERY, missing=redis_server.missing)


def raw(name: str, about: str, function: str) -> Contestant:
    """SQLite through apsw with no queue around it, running `function` of its program."""
    return Contestant(name, f"apsw alone, durable commits, {about}", f"benchmarks.rivals.raw_apsw:{function}")


def pgqueuer(name: str, about: str, function: str, argument: str = "") -> Contestant:
    """PgQueuer on PostgreSQL, running `function` of its program."""
    target = f"benchmarks.rivals.pgqueuer_postgres:{function}"
    return Contestant(name, f"PgQueuer 1.6.0, {about}", target, PGQUEUER, argument, POSTGRES)


def oban(name: str, about: str, function: str) -> Contestant:
    """Oban for Python on PostgreSQL, running `function` of its program."""
    target = f"benchmarks.rivals.oban_postgres:{function}"
    return Contestant(name, f"Oban 0.7.0 for Python, {about}", target, OBAN, server=POSTGRES)


def procrastinate(name: str, about: str, function: str) -> Contestant:
    """Procrastinate on PostgreSQL, running `function` of its program."""
    target = f"benchmarks.rivals.procrastinate_postgres:{function}"
    return Contestant(name, f"Procrastinate 3.10.0, {about}", target, PROCRASTINATE, server=POSTGRES)


def raw_postgres(name: str, about: str, function: str, argument: str = "") -> Contestant:
    """PostgreSQL through psycopg with no queue around it, running `function` of its program."""
    target = f"benchmarks.rivals.raw_psycopg:{function}"
    return Contestant(name, f"psycopg alone, {about}", target, argument=argument, server=POSTGRES)
