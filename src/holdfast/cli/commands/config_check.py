"""Checks settings as `holdfast up` does, without opening a database or a port."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from holdfast.app import make_signals, make_store
from holdfast.core.errors import ConfigurationError, Problem, StorageRefused
from holdfast.core.settings import Settings
from holdfast.runtime.configure import database_url
from holdfast.web.guard import check_bind


def check_settings(settings: Settings) -> None:
    """Raise ConfigurationError with every problem that keeps `up` from starting: an invalid URL, a missing driver, an
    address that must not be bound, a folder that cannot hold the database."""
    found = [problem for check in (_store, _folder, check_bind) for problem in _problems_of(check, settings)]
    if found:
        raise ConfigurationError(found)


def _problems_of(check: Callable[[Settings], None], settings: Settings) -> tuple[Problem, ...]:
    try:
        check(settings)
    except ConfigurationError as error:
        return error.problems
    return ()


def _store(settings: Settings) -> None:
    store = make_store(settings)
    make_signals(settings, store).close()


def _folder(settings: Settings) -> None:
    url = database_url(settings)
    if not url.startswith("sqlite:"):
        return
    from holdfast.storage.sqlite.backend import path_of
    from holdfast.storage.sqlite.connection import check_library, check_place

    name = "database_url" if settings.database_url else "data_dir"
    path = path_of(url)
    try:
        check_library()
        check_place(path)
    except StorageRefused as error:
        raise ConfigurationError([Problem((name,), error.detail)]) from None
    there = _nearest_that_exists(path if path.exists() else path.parent)
    kind = "file" if path.is_file() else "folder"
    if there.is_dir() is (kind == "file") or not os.access(there, os.R_OK | os.W_OK):
        raise ConfigurationError([Problem((name,), f"{there} is not a {kind} that this user can write to")])


def _nearest_that_exists(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())
