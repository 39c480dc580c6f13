"""Apps for the tests of the command line; `app` is a new one, with the settings of now, each time it is asked for."""

from __future__ import annotations

from typing import Any

from holdfast import Holdfast, JobContext


def count_to(ctx: JobContext, n: int = 100, delay: float = 0.1) -> int:
    """Counts."""
    return n


def import_customers(ctx: JobContext, path: str, dry_run: bool = False) -> int:
    """Imports."""
    return 0


def make_app() -> Holdfast:
    """An app with the settings of the environment of now."""
    app = Holdfast()
    app.job()(count_to)
    app.job(queue="imports", retries=5)(import_customers)
    app.job(name="a b/c.d")(_odd)
    return app


def _odd(text: str = "") -> str:
    return text


def __getattr__(name: str) -> Any:
    if name == "app":
        return make_app()
    raise AttributeError(name)
