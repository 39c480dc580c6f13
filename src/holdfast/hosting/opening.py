"""Opening the app of a process that shall run: it may be started before its database, and waits for it with words."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from holdfast.app import Holdfast, Parts
from holdfast.core.errors import StorageUnavailable
from holdfast.runtime.configure import database_url
from holdfast.runtime.periodic import backoff

log = structlog.get_logger("holdfast.hosting")


def open_when_it_answers(app: Holdfast, wait: Callable[[float], None] = time.sleep) -> Parts:
    """`app.open()`, tried again while a database server comes up or has no connection left. Raises StorageRefused for one
    that cannot be used however long one waits, and StorageUnavailable for a file, which no server brings up."""
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
