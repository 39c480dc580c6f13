"""The app of the system tests in a program whose promotion of due jobs raises each time."""

from __future__ import annotations

from holdfast.scheduler.maintenance import Promote
from tests.system.jobs.app import app

__all__ = ["app"]


async def _raise(duty: Promote) -> float:
    raise ZeroDivisionError("promotion is broken here")


Promote.run_once = _raise  # type: ignore[method-assign]
