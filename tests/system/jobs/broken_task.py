"""The app of the system tests in a program whose promotion of due jobs raises each time."""

from __future__ import annotations

from holdfast.scheduler.maintenance import PromoteDueJobs
from tests.system.jobs.app import app

__all__ = ["app"]


async def _raise(task: PromoteDueJobs) -> float:
    raise ZeroDivisionError("promotion is broken here")


PromoteDueJobs.run_once = _raise  # type: ignore[method-assign]
