"""The names users import are a promise: they change on purpose, here, and each has a docstring."""

from __future__ import annotations

import importlib.metadata
import inspect

import holdfast

PUBLIC = {
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
}

# The names of the contract with the people who write jobs; each class has at least these.
CONTRACT = {
    "Holdfast": {"job", "enqueue", "enqueue_async", "enqueue_many", "enqueue_many_async"},
    "Job": {"enqueue", "enqueue_async", "enqueue_many", "enqueue_many_async", "options"},
    "JobContext": {
        *(
            "id",
            "type",
            "attempt",
            "args",
            "owner",
            "tags",
            "fence_token",
            "state",
            "log",
            "cancelled",
            "pausing",
        ),
        *(
            "checkpoint",
            "checkpoint_async",
            "track",
            "step",
            "step_async",
            "progress",
            "raise_if_interrupted",
            "sleep",
        ),
    },
    "JobHandle": {
        *("id", "refresh", "state", "result", "wait", "pause", "resume", "cancel", "retry"),
        *("refresh_async", "wait_async", "pause_async", "resume_async", "cancel_async", "retry_async"),
    },
}


def test_public_names_are_these() -> None:
    assert set(holdfast.__all__) == PUBLIC
    assert holdfast.__all__ == sorted(holdfast.__all__)
    assert all(hasattr(holdfast, name) for name in holdfast.__all__)


def names_of(kind: type) -> set[str]:
    """Attributes of a class, those that only its annotations or its constructor give included."""
    annotated = {name for base in kind.__mro__ for name in inspect.get_annotations(base)}
    constructor = inspect.getattr_static(kind, "__init__")
    return {
        *dir(kind),
        *annotated,
        *(constructor.__code__.co_names if inspect.isfunction(constructor) else ()),
    }


def test_the_contract_is_kept() -> None:
    missing = {
        f"{name}.{attribute}"
        for name, attributes in CONTRACT.items()
        for attribute in attributes - names_of(getattr(holdfast, name))
    }
    assert not missing


def test_public_names_have_docstrings() -> None:
    silent: list[str] = []
    for name in holdfast.__all__:
        thing = getattr(holdfast, name)
        if not inspect.isclass(thing):
            continue
        if not inspect.getdoc(thing) or not thing.__doc__:
            silent.append(name)
        for attribute, member in vars(thing).items():
            function = member.fget if isinstance(member, property) else member
            if not attribute.startswith("_") and inspect.isfunction(function) and not function.__doc__:
                silent.append(f"{name}.{attribute}")
    assert not silent, f"without a docstring: {silent}"


def test_the_version_is_the_distribution_s() -> None:
    assert importlib.metadata.version("holdfast-jobs") == holdfast.__version__
