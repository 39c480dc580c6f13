"""The two sizes of the long tests: for every run of the suite, and for `make chaos`."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TypeVar

from tests.servers.mysql import DATABASES, url_of
from tests.servers.postgres import place_of, shared_url

T = TypeVar("T")

CHAOS = os.environ.get("HOLDFAST_TEST_CHAOS") == "1"
WITHIN = 60 * float(os.environ.get("HOLDFAST_TEST_MINUTES") or 60)
"""Seconds that the fire of a test at full size lasts at most. What it leaves behind is then ended and judged, in its own
time."""
LIMIT = 3 * WITHIN + 600 if CHAOS else 240.0
"""Seconds for a whole test, for pytest."""
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", random.randrange(1 << 30)))
DATABASE_KINDS = ("sqlite", "postgresql", "mysql")


def size(normal: T, full: T) -> T:
    """The one that this run asks for."""
    return full if CHAOS else normal


def database(kind: str, folder: Path) -> dict[str, object]:
    """Settings that name an empty database of this kind, which belongs to the folder. Skips without such a server."""
    if kind == "sqlite":
        return {}
    if kind == "mysql":
        DATABASES.begin()
        return {"database_url": url_of(DATABASES.of(folder).database)}
    url = shared_url()
    return {"database_url": f"{url}{'&' if '?' in url else '?'}schema={place_of(folder).schema}"}


def tell(report: str) -> None:
    """A line of figures, seen with `-s`."""
    print(f"\nseed {SEED}: {report}")  # noqa: T201
