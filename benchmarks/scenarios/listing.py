"""Listing: how long a page of the jobs list takes when very many jobs are stored."""

from __future__ import annotations

from benchmarks.scenario import EVERY, Contestant, Goal, Metric, Scenario

_SEARCHES = (
    "",
    "state:succeeded",
    "state:enqueued",
    "state:scheduled",
    "state:paused",
    "state:failed",
    "state:processing",
    "type:noop",
    "type:refuse",
    "type:ref*",
    "queue:mail",
    "queue:held",
    "owner:owner-7",
    "owner:rare",
    "tag:tag-7",
    "tag:rare",
    "id:{first}",
    "created:>1h",
    "created:<1h",
    "state:failed type:refuse",
    "state:failed,cancelled queue:held",
    "state:enqueued type:stamp queue:held",
    "state:succeeded owner:owner-7",
    "state:paused owner:owner-7",
    "owner:owner-7 tag:tag-7",
    "type:noop queue:mail owner:rare tag:rare created:>1h",
)


def _name(search: str) -> str:
    return search.replace("{first}", "…") or "no filter"


SCENARIO = Scenario(
    name="listing",
    question="How long does a page of 50 of the jobs list take, as JSON and as HTML, over the loopback?",
    size_means="jobs stored",
    size=1_000_000,
    quick_size=10_000,
    contestants=tuple(
        Contestant(_name(search), "one keyset page", "benchmarks.ours.listing:pages", argument=search)
        for search in _SEARCHES
    ),
    metrics=tuple(
        Metric(f"{kind}_{figure}_ms", f"{kind.upper()} {figure} ms", "less", 1)
        for kind in ("rest", "html")
        for figure in ("p50", "p95", "max")
    ),
    goals=(
        Goal("rest_p95_ms", EVERY, must=200, aim=50),
        Goal("html_p95_ms", EVERY, must=200, aim=50),
    ),
    seconds=900,
    prepare="benchmarks.ours.listing:prepare",
)
