"""Holdfast: background jobs that hold their place.

The public names are loaded when they are first used: a command, or a process of ours, then loads only what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from holdfast.version import VERSION as __version__

if TYPE_CHECKING:
    from holdfast.app import Holdfast
    from holdfast.client.handle import JobHandle
    from holdfast.client.job_function import Job
    from holdfast.client.views import JobView
    from holdfast.context import JobContext
    from holdfast.core.errors import (
        CheckpointMismatch,
        ConfigurationError,
        Conflict,
        HoldfastError,
        InvalidArguments,
        InvalidInput,
        LeaseLost,
        NotFound,
        StorageRefused,
        StorageUnavailable,
        UnknownJobType,
        WaitTimeout,
    )
    from holdfast.core.outcome import Cancel, Fail, Interrupted, Retry, Snooze
    from holdfast.core.settings import Settings

__all__ = [
    "Cancel",
    "CheckpointMismatch",
    "ConfigurationError",
    "Conflict",
    "Fail",
    "Holdfast",
    "HoldfastError",
    "Interrupted",
    "InvalidArguments",
    "InvalidInput",
    "Job",
    "JobContext",
    "JobHandle",
    "JobView",
    "LeaseLost",
    "NotFound",
    "Retry",
    "Settings",
    "Snooze",
    "StorageRefused",
    "StorageUnavailable",
    "UnknownJobType",
    "WaitTimeout",
    "__version__",
]

_MODULES = {
    "holdfast.app": ("Holdfast",),
    "holdfast.client.handle": ("JobHandle",),
    "holdfast.client.job_function": ("Job",),
    "holdfast.client.views": ("JobView",),
    "holdfast.context": ("JobContext",),
    "holdfast.core.outcome": ("Cancel", "Fail", "Interrupted", "Retry", "Snooze"),
    "holdfast.core.settings": ("Settings",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF.get(name, "holdfast.core.errors")), name)
    globals()[name] = value
    return value
