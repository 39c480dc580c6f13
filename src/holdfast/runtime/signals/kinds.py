"""Chooses the signals of a URL; third-party ones register by entry point.

Ours are in the table below, others come by the entry point group `holdfast.signals`, whose names are schemes. The code is
imported when its URL is used, so only the driver of that broker is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, cast
from urllib.parse import parse_qs

from holdfast.core.errors import ConfigurationError, Problem, missing_driver
from holdfast.core.urls import split_url, sqlite_path
from holdfast.runtime.signals.options import SignalOptions
from holdfast.runtime.signals.protocol import Signals
from holdfast.storage.protocol import Reader

GROUP: Final = "holdfast.signals"

Make = Callable[[str, SignalOptions], Signals]
"""Makes the signals that a URL names; opens nothing before they are used. Raises ConfigurationError for a URL of the wrong
shape."""

OURS: Final = {
    "files": "holdfast.runtime.signals.files",
    "poll": "holdfast.runtime.signals.polling",
    "postgresql": "holdfast.runtime.signals.postgres",
    "postgres": "holdfast.runtime.signals.postgres",
    "redis": "holdfast.runtime.signals.redis",
    "rediss": "holdfast.runtime.signals.redis",
    "valkey": "holdfast.runtime.signals.redis",
    "valkeys": "holdfast.runtime.signals.redis",
    "nats": "holdfast.runtime.signals.nats",
}
"""The module of each scheme; its `make` makes the signals."""

EXTRAS: Final = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "redis": "redis",
    "rediss": "redis",
    "valkey": "redis",
    "valkeys": "redis",
    "nats": "nats",
}
"""Which extra of the package brings the driver of a scheme."""

DEFAULT_SCHEMA: Final = "holdfast"


def choose_signals(
    signals_url: str, database_url: str, reader: Reader, *, group_access: bool = False
) -> Signals:
    """The signals that `signals_url` names; where it is empty, those that belong to the database: files beside SQLite's,
    LISTEN/NOTIFY of PostgreSQL, else polling. Raises ConfigurationError where there is no such kind, or its driver is
    missing.
    """
    if signals_url:
        make = _maker(signals_url)
        try:
            if "://" in signals_url:
                split_url(signals_url)
            options = SignalOptions(
                namespace_of(signals_url, database_url), reader, group_access=group_access
            )
        except ValueError as error:
            raise _refused(f"cannot be read as a URL: it {error}") from None
        return make(without_namespace(signals_url), options)
    url = _of_the_database(database_url)
    return _maker(url)(url, SignalOptions(schema_of(database_url), reader, True, group_access))


def _of_the_database(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return f"files://{rest}.signals"
    return url if scheme in ("postgresql", "postgres") else "poll:"


def schema_of(database_url: str) -> str:
    """The schema that a URL of PostgreSQL names."""
    return split_url(database_url).parameter("schema") or DEFAULT_SCHEMA


def namespace_of(signals_url: str, database_url: str) -> str:
    """What sets the signals of one database apart from those of others on the same broker: the parameter `namespace` of the
    signals' URL, else a digest of where the database is. User and password do not count; how its host is spelled does."""
    given = parse_qs(signals_url.partition("?")[2]).get("namespace")
    if given:
        return given[-1]
    if (file := sqlite_path(database_url)) is not None:
        place = str(Path(file).absolute())
    else:
        parts = split_url(database_url)
        place = f"{parts.hosts}{parts.parameter('host') or ''}{parts.path}?{schema_of(database_url)}"
    return hashlib.sha256(place.encode()).hexdigest()[:12]


def without_namespace(url: str) -> str:
    """What a driver may be handed: one may take every parameter for its own. All else stays as it was written."""
    place, _, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if part.partition("=")[0] != "namespace")
    return f"{place}?{kept}" if kept else place


def _maker(url: str) -> Make:
    scheme, mark, _ = url.partition(":")
    if mark and scheme in OURS:
        return _ours(scheme)
    if mark:
        for found in entry_points(group=GROUP, name=scheme):
            return cast(Make, found.load())
    # of a URL that is not known only the scheme is shown: anything else may be a password
    known = mark and scheme.isascii() and scheme.isalpha()
    raise _refused(f"no kind of signals that is known: {scheme}:…" if known else "a text without a scheme")


def _refused(message: str) -> ConfigurationError:
    known = "redis://host, nats://host, postgresql://host/database or poll:"
    return ConfigurationError([Problem(("signals_url",), f"{message}; use {known}")])


def _ours(scheme: str) -> Make:
    try:
        return cast(Make, import_module(OURS[scheme]).make)
    except ImportError as error:
        if scheme not in EXTRAS or (error.name or "").startswith("holdfast"):
            raise
        raise missing_driver("signals_url", scheme, EXTRAS[scheme], error) from None
