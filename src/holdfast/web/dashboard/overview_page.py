"""This exists so that the overview speaks first: what needs a person, in sentences; then the numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from holdfast.client.views import BucketView, QueueView, StatsView
from holdfast.core.query import link_term
from holdfast.web.dashboard.charts import Chart, spark, throughput
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.format import exact, number, percent, ticking, words
from holdfast.web.dashboard.present import Shown, shown_all
from holdfast.web.dashboard.view import View

WAIT_OBJECTIVE = 120.0
"""Seconds after which the oldest wait of a queue is called too long."""

SPANS: dict[str, tuple[str, int, int]] = {
    "15m": ("15 m", 900, 20),
    "1h": ("1 h", 3600, 60),
    "6h": ("6 h", 21_600, 360),
    "24h": ("24 h", 86_400, 1440),
    "7d": ("7 d", 604_800, 10_080),
}
"""The time ranges of the chart: word, seconds, seconds of one bar."""

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that needs a person: what, since when, one action."""

    key: str
    icon: str
    title: str
    text: str
    action: str
    href: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """One figure. `loud`: it is shown in the colour of its state."""

    word: str
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
    attention: list[Concern]
    dials: list[Dial]
    chart: Chart
    depth: list[Depth] = field(default_factory=list[Depth])
    failures: list[Shown] = field(default_factory=list[Shown])
    longest: list[Shown] = field(default_factory=list[Shown])


def overview_page(desk: Desk, view: View, span: str) -> OverviewPage:
    """The overview for a time range of `SPANS`."""
    _, seconds, step = SPANS[span]
    stats = desk.stats()
    hour = desk.overview.buckets(seconds=3600, step=60)
    chosen = hour if span == "1h" else desk.overview.buckets(seconds=seconds, step=step)
    concerns = _concerns(desk, stats, hour, view)
    failed = desk.overview.search(desk.overview.query("state:failed"), sort="-finished", limit=5)
    running = desk.overview.search(desk.overview.query("state:processing"), sort="created", limit=5)
    return OverviewPage(
        heading=_heading(len(concerns)),
        lede=_lede(stats),
        checked_at=stats.at,
        attention=concerns,
        dials=_dials(stats, hour, view),
        chart=throughput(chosen, step, view.zone),
        depth=_depth(stats, view),
        failures=shown_all(failed.items),
        longest=shown_all(running.items),
    )


def _heading(count: int) -> str:
    if count == 0:
        return "All quiet"
    many = _NUMBERS[count] if count < len(_NUMBERS) else str(count)
    return f"{many} thing{'s need' if count > 1 else ' needs'} attention"


def _lede(stats: StatsView) -> str:
    t = stats.throughput
    ended = t.succeeded + t.failed
    running = stats.states.get("processing", 0)
    share = f", {percent(t.succeeded, ended)} succeed" if ended else ""
    return f"{words(running, 'job runs', 'jobs run')}, {number(t.per_minute)} finish a minute{share}."


def _concerns(desk: Desk, stats: StatsView, hour: list[BucketView], view: View) -> list[Concern]:
    found = [
        concern for queue in stats.queues.values() if (concern := _queue_concern(queue, view)) is not None
    ]
    for worker in desk.workers():
        if (
            worker.state == "lost"
            and worker.lost_at
            and worker.lost_at > datetime.now(UTC) - timedelta(hours=1)
        ):
            found.append(
                Concern(
                    "failed",
                    "unplug",
                    f"Worker {worker.name or worker.host} is lost.",
                    "Its jobs went back to their queues and run again from their held place",
                    "See workers",
                    view.url("workers"),
                    worker.lost_at,
                )
            )
    failed, succeeded = sum(b.failed for b in hour), sum(b.succeeded for b in hour)
    if failed >= 10 and failed / (failed + succeeded) > 0.2:
        found.append(
            Concern(
                "failed",
                "errors",
                f"{percent(failed, failed + succeeded)} of the jobs fail.",
                f"{exact(failed)} of {exact(failed + succeeded)} in the last hour",
                "See failed jobs",
                view.url("jobs", state="failed"),
            )
        )
    return found


def _queue_concern(queue: QueueView, view: View) -> Concern | None:
    if not queue.enqueued:
        return None
    see, href = (
        f"See {words(queue.enqueued, 'job')}",
        view.url("jobs", q=link_term("queue", queue.name), state="enqueued"),
    )
    wait = queue.oldest_wait or 0.0
    if queue.paused_at is not None:
        who = f" by {queue.paused_by}" if queue.paused_by else ""
        return Concern(
            "paused",
            "paused",
            f"Queue {queue.name} is paused{who}.",
            f"{words(queue.enqueued, 'job waits', 'jobs wait')}",
            "See queue",
            view.url("queues"),
            queue.paused_at,
        )
    if not queue.workers:
        return Concern(
            "failed",
            "unplug",
            f"No worker listens to queue {queue.name}.",
            f"{words(queue.enqueued, 'job waits', 'jobs wait')}, the oldest for {ticking(wait)}",
            see,
            href,
        )
    if wait > WAIT_OBJECTIVE:
        return Concern(
            "retrying",
            "warn",
            f"Queue {queue.name} waits too long.",
            f"{words(queue.enqueued, 'job')}, oldest waits {ticking(wait)}; objective {ticking(WAIT_OBJECTIVE)}",
            see,
            href,
        )
    return None


def _dials(stats: StatsView, hour: list[BucketView], view: View) -> list[Dial]:
    states = stats.states
    failed, ended = sum(b.failed for b in hour), sum(b.failed + b.succeeded for b in hour)
    wait = stats.oldest_wait or 0.0
    late = wait > WAIT_OBJECTIVE
    first, _, rest = ticking(wait).partition(" min ")
    value, unit = (f"{first} min", rest) if rest else (ticking(wait), "")

    def dial(word: str, state: str, unit: str = "") -> Dial:
        count = states.get(state, 0)
        big = exact(count) if count > 99_999 else ""
        return Dial(word, number(count), unit, view.url("jobs", state=state), state, exact=big)

    return [
        dial("Running", "processing", f"of {words(stats.slots, 'slot')}" if stats.slots else ""),
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
