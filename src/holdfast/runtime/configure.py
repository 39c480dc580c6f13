"""This exists so that settings are gathered in one place: defaults ← holdfast.toml ← HOLDFAST_* ← arguments, all problems
at once."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.settings import Settings

FILE = "holdfast.toml"
PREFIX = "HOLDFAST_"

NOT_SETTINGS = frozenset({"APP", "URL", "TOKEN", "PRODUCER", "CONFIG", "REQUIRE_ALL"})
"""Variables with our prefix that are read elsewhere: by the command line, the examples, the tests."""


def load_settings(
    arguments: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings of this program. Raises ConfigurationError with every problem and the nearest known name for each."""
    environment = os.environ if environment is None else environment
    path = file or Path(environment.get(PREFIX + "CONFIG", FILE))
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}

    def take(name: str, value: Any, source: str, shown: str) -> None:
        if name not in Settings.model_fields:
            problems.append(Problem((shown,), f"unknown setting in {source}{_nearest(name)}"))
            return
        values[name] = value
        origin[name] = shown

    for name, value in _read_file(path, problems).items():
        take(name, value, str(path), name)
    for key, value in environment.items():
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and name not in NOT_SETTINGS and not name.startswith(("TEST_", "BENCH_")):
            take(name.lower(), value, "the environment", key)
    for name, value in (arguments or {}).items():
        take(name, value, "the arguments", name)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else "settings"
            problems.append(Problem((origin.get(name, name),), item["msg"]))
        raise ConfigurationError(problems) from None
    if settings.workers == 0:
        problems.append(
            Problem(
                (origin.get("workers", "workers"),), "nobody would work; use 1 or more, or -1 = one per core"
            )
        )
    if settings.lease < 2 * settings.heartbeat_interval:
        problems.append(
            Problem(("lease",), "must be at least twice heartbeat_interval, else a living worker looks dead")
        )
    if problems:
        raise ConfigurationError(problems)
    return settings


def _read_file(path: Path, problems: list[Problem]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    import tomllib  # most processes of ours get their settings from the one that starts them

    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(Problem((str(path),), f"is not TOML: {error}"))
        return {}


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def database_url(settings: Settings) -> str:
    """Where the facts are kept: the setting, or a file in the data folder."""
    return settings.database_url or f"sqlite:///{Path(settings.data_dir) / 'holdfast.db'}"
