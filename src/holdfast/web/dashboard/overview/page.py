"""The overview: what needs attention, then figures, charts and lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from holdfast.client.views import BucketView, HealedView, StatsView
from holdfast.core.concerns import WAIT_OBJECTIVE, Kind, headline
from holdfast.core.query import link_term
from holdfast.web.dashboard.format import exact, number, percent, pluralize, ticking
from holdfast.web.dashboard.overview.attention import Attention, attention
from holdfast.web.dashboard.overview.charts import Chart, spark, throughput
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import JobPresenter, present_jobs
from holdfast.web.dashboard.viewer_prefs import View

SPANS: dict[str, tuple[str, int, int]] = {
    "15m": ("15 m", 900, 20),
    "1h": ("1 h", 3600, 60),
    "6h": ("6 h", 21_600, 360),
    "24h": ("24 h", 86_400, 1440),
    "7d": ("7 d", 604_800, 10_080),
}
"""The time ranges of the chart: label, seconds, seconds of one bar."""


@dataclass(frozen=True, slots=True)
class Dial:
    """One figure. `loud`: it is shown in the colour of its state."""

    label: str
    value: str
    unit: str
    href: str
    key: str = ""
    loud: bool = False
    spark: str = ""
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs wait in a queue. `share`: per cent of the deepest."""

    name: str
    waiting: int
    running: int
    share: float
    href: str


@dataclass(slots=True)
class OverviewPage:
    """All that the overview shows."""

    heading: str
    lede: str
    checked_at: datetime
    attention: list[Attention]
    healed: list[HealedView]
    dials: list[Dial]
    chart: Chart
    depth: list[Depth] = field(default_factory=list[Depth])
    failures: list[JobPresenter] = field(default_factory=list[JobPresenter])
    longest: list[JobPresenter] = field(default_factory=list[JobPresenter])


def overview_page(data: PageData, view: View, span: str) -> OverviewPage:
    """The overview for a time range of `SPANS`."""
    _, seconds, step = SPANS[span]
    stats = data.stats()
    hour = data.client.figures.buckets(seconds=3600, step=60)
    chosen = hour if span == "1h" else data.client.figures.buckets(seconds=seconds, step=step)
    failed = data.client.jobs.search(data.client.jobs.query("state:failed"), sort="-finished", limit=5)
    running = data.client.jobs.search(data.client.jobs.query("state:processing"), sort="created", limit=5)
    return OverviewPage(
        heading=headline([concern.kind for concern in stats.concerns]),
        lede=_lede(stats),
        checked_at=stats.at,
        attention=attention(stats, view),
        healed=stats.healed,
        dials=_dials(stats, hour, view),
        chart=throughput(chosen, step, view.zone),
        depth=_depth(stats, view),
        failures=present_jobs(failed.items),
        longest=present_jobs(running.items),
    )


def _lede(stats: StatsView) -> str:
    t = stats.throughput
    kinds = {concern.kind for concern in stats.concerns}
    if Kind.NO_WORKER in kinds:
        wait = pluralize(stats.states.get("enqueued", 0), "job waits", "jobs wait")
        return f"{'No worker and no scheduler' if Kind.NO_SCHEDULER in kinds else 'No worker'}. {wait}; none is lost."
    ended = t.succeeded + t.failed
    running = stats.states.get("processing", 0)
    share = f", {percent(t.succeeded, ended)} succeed" if ended else ""
    return f"{pluralize(running, 'job runs', 'jobs run')}, {number(t.per_minute)} finish a minute{share}."


def _dials(stats: StatsView, hour: list[BucketView], view: View) -> list[Dial]:
    states = stats.states
    failed, ended = sum(b.failed for b in hour), sum(b.failed + b.succeeded for b in hour)
    wait = stats.oldest_wait or 0.0
    late = wait > WAIT_OBJECTIVE
    first, _, rest = ticking(wait).partition(" min ")
    value, unit = (f"{first} min", rest) if rest else (ticking(wait), "")

    def dial(label: str, state: str, unit: str = "") -> Dial:
        count = states.get(state, 0)
        big = exact(count) if count > 99_999 else ""
        return Dial(label, number(count), unit, view.url("jobs", state=state), state, exact=big)

    return [
        dial("Running", "processing", f"of {pluralize(stats.slots, 'slot')}" if stats.slots else ""),
        dial("Queued", "enqueued"),
        Dial(
            "Oldest wait",
            value,
            unit,
            view.url("jobs", state="enqueued", sort="created"),
            "retrying" if late else "",
            late,
        ),
        Dial(
            "Failed, last hour",
            number(failed),
            percent(failed, ended) if ended else "",
            view.url("jobs", state="failed"),
            "failed",
            spark=spark([b.failed for b in hour]),
        ),
        Dial(
            "Finished",
            number(stats.throughput.per_minute),
            "a minute",
            view.url("jobs", state="succeeded"),
            "succeeded",
            spark=spark([b.succeeded + b.failed + b.cancelled for b in hour[:-1]]),
        ),
        dial("Scheduled", "scheduled"),
        dial("Paused", "paused"),
        Dial(
            "Workers",
            str(stats.workers),
            f"of {stats.workers + stats.workers_lost} alive" if stats.workers_lost else "alive",
            view.url("workers"),
            loud=not stats.workers,
            key="" if stats.workers else "failed",
        ),
    ]


def _depth(stats: StatsView, view: View) -> list[Depth]:
    queues = sorted(
        stats.queues.values(), key=lambda queue: (-queue.enqueued, -queue.processing, queue.name)
    )[:5]
    deepest = max((queue.enqueued for queue in queues), default=0) or 1
    return [
        Depth(
            q.name,
            q.enqueued,
            q.processing,
            round(100 * q.enqueued / deepest, 1),
            view.url("jobs", q=link_term("queue", q.name)),
        )
        for q in queues
    ]
