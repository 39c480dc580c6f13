"""Names of the client from before it had parts. They work for one more minor release, and warn with the new name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

CLIENT: Final = {
    "enqueue": "jobs.enqueue",
    "enqueue_async": "jobs.enqueue_async",
    "enqueue_many": "jobs.enqueue_many",
    "enqueue_many_async": "jobs.enqueue_many_async",
    "insert": "jobs.insert",
    "new_job": "jobs.new_job",
    "handle": "jobs.handle",
    "job": "jobs.get",
    "act": "jobs.act",
    "act_on": "jobs.act_on",
    "delete": "jobs.delete",
    "history": "jobs.history",
    "logs": "jobs.logs",
    "log_count": "jobs.log_count",
    "saved_state": "jobs.saved_state",
    "listen": "events.listen",
    "pause_queue": "queues.pause",
    "resume_queue": "queues.resume",
    "drain_worker": "workers.drain",
}
"""What was an attribute of `app.client`, and where in it that is now."""

OVERVIEW: Final = {
    "query": "jobs.query",
    "search": "jobs.search",
    "jobs": "jobs.get_many",
    "count": "jobs.count",
    "states": "jobs.states",
    "count_by_state": "jobs.count_by_state",
    "act_on_all": "jobs.act_on_all",
    "types": "types.all",
    "type_count": "types.count",
    "type": "types.get",
    "queues": "queues.all",
    "workers": "workers.all",
    "worker": "workers.get",
    "drain_worker": "workers.drain",
    "stats": "figures.stats",
    "whole": "figures.snapshot",
    "buckets": "figures.buckets",
}
"""The same of `app.overview`, which is gone."""


class FormerOverview:
    """`app.overview`: its attributes are those of the parts of the client."""

    def __init__(self, client: object) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return find(self._client, name, OVERVIEW, "app.overview")


def find(client: object, name: str, names: Mapping[str, str], owner: str) -> Any:
    """The attribute that `owner` had by this name. Raises AttributeError for a name that it never had."""
    if name not in names:
        raise AttributeError(f"{owner} has no attribute {name!r}")
    warnings.warn(f"{owner}.{name} is now app.client.{names[name]}", DeprecationWarning, stacklevel=3)
    return attrgetter(names[name])(client)
