"""Gathers the settings: defaults ← holdfast.toml ← HOLDFAST_* ← arguments, all problems at once."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.settings import Settings

FILE = "holdfast.toml"
DATABASE = "holdfast.db"
PREFIX = "HOLDFAST_"

NOT_SETTINGS = frozenset({"APP", "URL", "TOKEN", "PRODUCER", "CONFIG", "REQUIRE_ALL"})
"""Variables with our prefix that are read elsewhere: by the command line, the examples, the tests."""

_SERVICE_NAMES = re.compile(
    r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.ASCII
)
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://\S+")
_LINKED = re.compile(r"NAME|ENV_\w+", re.ASCII)


def load_settings(
    arguments: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings of this program. Raises ConfigurationError with every problem and the nearest known name for each."""
    environment = os.environ if environment is None else environment
    named = environment.get(PREFIX + "CONFIG")
    path = file or Path(named or FILE)
    problems: list[Problem] = []
    if named and not path.is_file():
        problems.append(Problem((PREFIX + "CONFIG",), f"there is no file {path}"))
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
    services = service_variables(environment)
    for key, value in environment.items():
        name = key.removeprefix(PREFIX)
        ours = key.startswith(PREFIX) and key not in services
        if ours and name not in NOT_SETTINGS and not name.startswith(("TEST_", "BENCH_")):
            take(name.lower(), value, "the environment", key)
    for name, value in (arguments or {}).items():
        take(name, value, "the arguments", name)
    if "data_dir" not in values and "database_url" not in values and (store := _store_above(Path.cwd())):
        values["data_dir"] = str(store)
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
                (origin.get("workers", "workers"),),
                "no process would run jobs; use 1 or more, or -1 = one per core",
            )
        )
    if settings.lease < 2 * settings.heartbeat_interval:
        problems.append(
            Problem(("lease",), "must be at least twice heartbeat_interval, else a living worker looks dead")
        )
    if problems:
        raise ConfigurationError(problems)
    return settings


def _store_above(folder: Path) -> Path | None:
    """The nearest data folder that holds a store above `folder`, looked for as git looks for its own; None when `folder` has
    one itself, or there is none. A folder of another user is passed over: who may write above us chooses no store for us."""
    name = Settings.model_fields["data_dir"].default
    if (folder / name).is_dir():
        return None
    return next((above / name for above in folder.parents if _is_our_store(above / name)), None)


def _is_our_store(folder: Path) -> bool:
    try:
        return (folder / DATABASE).is_file() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def service_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables with our prefix that describe a network service and are no settings, sorted.

    Kubernetes sets them in every container for a service whose name begins with "holdfast", Docker for a linked one:
    HOLDFAST_SERVICE_HOST, HOLDFAST_PORT=tcp://10.43.0.4:8600, HOLDFAST_PORT_8600_TCP_ADDR, HOLDFAST_WEB_PORT, …"""
    ours = {key.removeprefix(PREFIX): value for key, value in environment.items() if key.startswith(PREFIX)}
    found = {name for name in ours if _SERVICE_NAMES.fullmatch(name)}
    for name, value in ours.items():
        service = name.removesuffix("PORT")
        if service != name and service[-1:] in ("", "_") and _SERVICE_URL.fullmatch(value):
            # Docker also sets a name and a copy of the service's environment, always beside its URL
            linked = (
                one for one in ours if one.startswith(service) and _LINKED.fullmatch(one[len(service) :])
            )
            found.update((name, *linked))
    return tuple(sorted(PREFIX + name for name in found))


def _read_file(path: Path, problems: list[Problem]) -> dict[str, Any]:
    if not path.is_file():
        return {}
    import tomllib  # most processes of ours get their settings from the one that starts them

    try:
        # TOML is UTF-8 whatever the locale says; some editors begin it with a byte order mark
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = "is not TOML: it is not UTF-8; save it with that encoding"
    except tomllib.TOMLDecodeError as error:
        reason = f"is not TOML: {error}"
    problems.append(Problem((str(path),), reason))
    return {}


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def database_url(settings: Settings) -> str:
    """Where the facts are kept: the setting, or a file in the data folder."""
    return settings.database_url or f"sqlite:///{Path(settings.data_dir) / DATABASE}"
