"""Where the processes of an app keep their lock files."""

from __future__ import annotations

from holdfast.core.settings import Settings
from holdfast.runtime.configure import database_url
from holdfast.runtime.process_locks import ProcessLocks, locks_folder


def locks_of(settings: Settings) -> ProcessLocks:
    """The lock files of the store that the settings name."""
    return ProcessLocks(locks_folder(database_url(settings)), group_access=settings.data_access == "group")
