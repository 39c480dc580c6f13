"""Opens the app of a process that may be started before its database, and logs that it waits."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from holdfast.app import Holdfast, Parts
from holdfast.core.errors import StorageUnavailable
from holdfast.runtime.configure import database_url
from holdfast.runtime.periodic import backoff

log = structlog.get_logger("holdfast.hosting")


def open_when_available(app: Holdfast, wait: Callable[[float], None] = time.sleep) -> Parts:
    """`app.open()`, repeated while a database server starts or has no free connection. Raises StorageRefused for a store
    that cannot be used at all, and StorageUnavailable for a file, for which waiting is no help."""
    if database_url(app.settings).startswith("sqlite:"):
        return app.open()
    failures = 0
    while True:
        try:
            return app.open()
        except StorageUnavailable as error:
            failures += 1
            pause = backoff(failures)
            log.warning("waiting for the database", error=str(error), again_in=round(pause, 2))
        wait(pause)
