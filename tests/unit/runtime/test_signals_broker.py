"""The manners of all brokers: joined bursts, one line, nothing hot while the broker is away, and words in the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator

import pytest
from structlog.testing import capture_logs

from holdfast.runtime.signals import Topic
from holdfast.runtime.signals.broker import GAPS, BrokerSignals
from holdfast.runtime.signals.line import Ends, Line

SOON = 10.0


class Wire:
    """A broker that notes what happens to it, and is away when the test says so."""

    def __init__(self) -> None:
        self.away = False
        self.opened = 0
        self.said: list[tuple[float, frozenset[Topic]]] = []
        self.closed = 0
        self.lines: list[WireLine] = []

    async def open(self, ends: Ends) -> Line:
        self.opened += 1
        if self.away:
            raise ConnectionRefusedError("no broker there")
        self.lines.append(WireLine(self, ends))
        return self.lines[-1]


class WireLine:
    def __init__(self, wire: Wire, ends: Ends) -> None:
        self.wire = wire
        self.ends = ends
        self.loop = asyncio.get_running_loop()

    def lose(self) -> None:
        self.loop.call_soon_threadsafe(self.ends.lost, ConnectionResetError("gone"))

    async def subscribe(self, topics: Iterable[Topic]) -> None:
        pass

    async def publish(self, topics: Iterable[Topic]) -> None:
        if self.wire.away:
            raise ConnectionResetError("gone")
        self.wire.said.append((time.monotonic(), frozenset(topics)))

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        self.wire.closed += 1


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def signals(wire: Wire) -> Iterator[BrokerSignals]:
    signals = BrokerSignals("a wire", wire.open)
    yield signals
    signals.close()


def until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_nothing_is_opened_before_it_is_needed(signals: BrokerSignals, wire: Wire) -> None:
    signals.close()
    signals.notify((Topic.WORK,))
    assert wire.opened == 0


def test_the_publisher_that_goes_first_publishes_for_all(signals: BrokerSignals, wire: Wire) -> None:
    assert signals.take_free((Topic.WORK, Topic.EVENTS)) == [Topic.WORK, Topic.EVENTS]
    assert signals.take_free((Topic.EVENTS,)) == [], "sent just now"
    signals.notify((Topic.EVENTS,))
    until(lambda: bool(wire.said))
    signals.notify((Topic.EVENTS,))
    until(lambda: signals.take_free((Topic.EVENTS,)) == [Topic.EVENTS] or len(wire.said) > 1)
    assert wire.opened == 1


def test_a_crowd_is_joined_into_fewer_signals(signals: BrokerSignals, wire: Wire) -> None:
    begun = time.monotonic()
    while time.monotonic() < begun + 0.5:
        signals.notify((Topic.WORK,))
    last = time.monotonic()
    signals.notify((Topic.WORK,))
    until(lambda: wire.said[-1][0] > last)
    assert len(wire.said) < 0.5 / GAPS[Topic.WORK] / 2


def test_a_burst_is_few_signals_and_other_topics_do_not_wait_for_it(
    signals: BrokerSignals, wire: Wire
) -> None:
    begun = time.monotonic()
    signals.notify((Topic.EVENTS,))
    until(lambda: bool(wire.said))
    signals.notify((Topic.EVENTS,))
    signals.notify((Topic.WORK,))
    until(lambda: len(wire.said) == 3)
    assert [topics for _, topics in wire.said] == [{Topic.EVENTS}, {Topic.WORK}, {Topic.EVENTS}]
    assert wire.said[2][0] - wire.said[0][0] >= GAPS[Topic.EVENTS] - 0.002
    while time.monotonic() < begun + 0.5:
        signals.notify((Topic.EVENTS,))
    last = time.monotonic()
    signals.notify((Topic.EVENTS,))
    until(lambda: wire.said[-1][0] > last)
    sent = len([topics for _, topics in wire.said if Topic.EVENTS in topics])
    assert sent <= (time.monotonic() - begun) / GAPS[Topic.EVENTS] + 2
    assert wire.opened == 1


def test_while_the_broker_is_away_nothing_runs_hot_and_it_is_said_once(
    signals: BrokerSignals, wire: Wire
) -> None:
    wire.away = True
    with capture_logs() as logs:
        listener = signals.listen((Topic.WORK,))
        until(lambda: wire.opened >= 3)
        signals.notify((Topic.WORK,))
        assert wire.opened < 10
        wire.away = False
        assert listener.wait(SOON)
        until(lambda: bool(wire.said))  # it was late, not lost
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]
    assert logs[0]["through"] == "a wire"
    assert "no broker there" in logs[0]["error"]


def test_a_connection_that_cannot_publish_is_closed_and_not_reopened_in_a_busy_loop(
    signals: BrokerSignals, wire: Wire
) -> None:
    signals.notify((Topic.WORK,))
    until(lambda: bool(wire.said))
    wire.away = True
    signals.notify((Topic.EVENTS,))
    until(lambda: wire.closed == 1)
    wire.away = False
    until(lambda: len(wire.said) == 2)
    assert wire.said[1][1] == {Topic.EVENTS}
    assert wire.opened <= 4


def test_a_line_that_is_lost_is_replaced_and_everyone_woken(signals: BrokerSignals, wire: Wire) -> None:
    listener = signals.listen((Topic.WORK,))
    assert listener.wait(SOON)  # for the first line
    assert signals.ready(SOON)
    assert not listener.wait(0.05)
    wire.lines[0].lose()
    assert listener.wait(SOON)
    assert wire.opened == 2
    wire.lines[0].lose()  # what an old line says is not about the new one
    assert not listener.wait(0.05)
    assert wire.opened == 2
