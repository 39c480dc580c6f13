"""Holdfast: background jobs that hold their place."""

from holdfast.app import Holdfast
from holdfast.client.handle import JobHandle
from holdfast.client.jobs import Job
from holdfast.client.views import JobView
from holdfast.context import JobContext
from holdfast.core.errors import (
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
from holdfast.version import VERSION as __version__

__all__ = [
    "Cancel",
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
