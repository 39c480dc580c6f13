"""The rivals as contestants; exists so that a rival's environment, and why it may be missing, are said
once."""

from __future__ import annotations

from benchmarks.envs import CELERY, HUEY
from benchmarks.rivals import redis_server
from benchmarks.scenario import Contestant


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
