"""One frame of the live view on a narrow terminal: what needs a person, and STATE and TYPE of whatever name."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from holdfast.cli.commands.top_view import MAX_CONCERNS, TopView, frame
from holdfast.client.views import (
    ConcernView,
    JobView,
    Progress,
    QueueView,
    StatsView,
    Throughput,
    WorkerView,
)

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
LONG = "import_customers_" + "x" * 170 + "_eu_west"


def concern(text: str) -> ConcernView:
    return ConcernView(kind="unserved", text=text, title=text, action="Start one", since=NOW)


def view(*concerns: ConcernView) -> TopView:
    queue = QueueView(name=LONG, enqueued=10_314_882, concern=concerns[0].text if concerns else None)
    rate = Throughput(per_minute=1, per_second=1, succeeded=1, failed=0, cancelled=0)
    stats = StatsView(
        states={},
        queues={LONG: queue},
        throughput=rate,
        oldest_wait=None,
        workers=1,
        workers_lost=0,
        slots=8,
        at=NOW,
        seq=1,
        concerns=list(concerns),
    )
    job = JobView(
        id="01a1fbc4-e283-7c1b-b846-5d8491ae162d",
        type=LONG,
        queue=LONG,
        state="processing",
        created_at=NOW,
        changed_at=NOW,
        started_at=NOW - timedelta(minutes=2),
        progress=Progress(done=41_200, total=90_000, held=41_000),
    )
    worker = WorkerView(
        id="0" * 36,
        name=LONG,
        host=LONG,
        pid=1,
        version="1",
        state="live",
        queues=[LONG],
        types=[LONG],
        slots=8,
        busy=1,
        started_at=NOW,
        heartbeat_at=NOW,
    )
    return TopView(stats=stats, running=[job], workers=[worker])


def drawn(top: TopView, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(frame(top, "here", utc=True, width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 200])
def test_long_names_take_no_column_and_no_line(width: int) -> None:
    lines = drawn(view(), width)
    assert max(map(len, lines)) <= width
    heads = [line.split() for line in lines if "STATE" in line.split()]
    assert [{"NAME", "STATE"} <= set(heads[0]), {"STATE", "TYPE"} <= set(heads[1]), "STATE" in heads[2]] == [
        True
    ] * 3
    assert any("processing" in line and "import_" in line and "_west" in line for line in lines)


def test_concerns_are_shown_above_the_tables() -> None:
    concerns = [concern(f"No worker knows type_{n}. {'z' * 200}") for n in range(MAX_CONCERNS + 2)]
    lines = [line for line in drawn(view(*concerns), 80) if line.startswith("! ")]
    assert lines[0].startswith("! No worker knows type_0.")
    assert lines[-1] == "! 2 more: holdfast doctor"
    assert len(lines) == MAX_CONCERNS + 1


def test_all_quiet_is_said_only_without_concerns() -> None:
    assert "All quiet" in drawn(view(), 80)
    assert "All quiet" not in drawn(view(concern("No scheduler is running.")), 80)
