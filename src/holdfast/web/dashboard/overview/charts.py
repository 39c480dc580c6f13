"""The charts of the overview, drawn on the server as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from holdfast.client.views import BucketView
from holdfast.web.dashboard.format import duration, exact, number

TOP, BOTTOM = 16.0, 156.0


@dataclass(frozen=True, slots=True)
class Part:
    """One rectangle of a bar."""

    y: float
    height: float
    css: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One interval: its position, its rectangles, and its numbers as text."""

    at: datetime
    x: float
    parts: tuple[Part, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the grid with its number."""

    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Label:
    """A time under the chart."""

    x: float
    text: str
    at: datetime
    anchor: str


@dataclass(slots=True)
class Chart:
    """Stacked bars over time. `width`: of a bar, in per cent."""

    unit: str
    width: float
    summary: str
    points: int
    bars: list[ChartBar] = field(default_factory=list[ChartBar])
    grid: list[Line] = field(default_factory=list[Line])
    ticks: list[Label] = field(default_factory=list[Label])
    rows: list[BucketView] = field(default_factory=list[BucketView])


def nice_top(value: float) -> float:
    """The smallest round number (1, 2, 4, 5 or 10 times a power of ten) that is not below `value`."""
    power = 1.0
    while power * 10 < value:
        power *= 10
    return next((power * step for step in (1, 2, 4, 5, 10) if power * step >= value), power * 10)


def throughput(buckets: Sequence[BucketView], step: int, zone: str) -> Chart:
    """Ended jobs per interval, succeeded below, then cancelled, then failed."""
    count = max(1, len(buckets))
    top = nice_top(max([b.succeeded + b.cancelled + b.failed for b in buckets], default=1) or 1)
    scale = (BOTTOM - TOP) / top
    unit = "jobs a minute" if step == 60 else f"jobs in {duration(step)}"
    chart = Chart(unit, round(72 / count, 3), f"{_counts_text(buckets)}.", count)
    for at, bucket in enumerate(buckets):
        chart.bars.append(
            ChartBar(bucket.at, round(100 * at / count, 3), _parts(bucket, scale), _counts_text([bucket]))
        )
    for share in (1, 0.5, 0):
        value = top * share
        chart.grid.append(
            Line(
                round(BOTTOM - share * (BOTTOM - TOP), 1),
                number(value) if value.is_integer() else f"{value:g}",
            )
        )
    chart.ticks = _ticks(buckets, step, zone)
    chart.rows = [b for b in reversed(buckets) if b.succeeded or b.failed or b.cancelled][:200]
    return chart


def _counts_text(buckets: Sequence[BucketView]) -> str:
    sums = {key: sum(getattr(b, key) for b in buckets) for key in ("succeeded", "cancelled", "failed")}
    return ", ".join(f"{exact(count)} {key}" for key, count in sums.items())


def _parts(bucket: BucketView, scale: float) -> tuple[Part, ...]:
    parts: list[Part] = []
    y = BOTTOM
    if bucket.succeeded:
        height = bucket.succeeded * scale
        y -= height
        parts += [Part(round(y, 1), round(height, 1), "ok soft"), Part(round(y, 1), 2, "ok")]
    for key, amount in (("cancelled", bucket.cancelled), ("failed", bucket.failed)):
        if amount:
            height = max(amount * scale, 1.4)
            y -= height
            parts.append(Part(round(y, 1), round(height, 1), key=key))
    return tuple(parts)


def _ticks(buckets: Sequence[BucketView], step: int, zone: str) -> list[Label]:
    if len(buckets) < 2:
        return []
    ticks: list[Label] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        bucket = buckets[min(len(buckets) - 1, round(share * (len(buckets) - 1)))]
        local = bucket.at.astimezone(ZoneInfo(zone))
        text = f"{local:%H:%M}" if len(buckets) * step <= 86_400 * 2 else f"{local.day} {local:%b}"
        ticks.append(Label(100 * share, text, bucket.at, {0.0: "start", 1.0: "end"}.get(share, "middle")))
    return ticks


def spark(values: Sequence[float]) -> str:
    """A line through `values` in a box of 100 × 24, as the `d` of a path; "" when there is nothing to draw."""
    if len(values) < 2 or not any(values):
        return ""
    top = max(values)
    points = [
        f"{100 * at / (len(values) - 1):.1f} {23 - 21 * value / top:.1f}" for at, value in enumerate(values)
    ]
    return "M" + " L".join(points)
