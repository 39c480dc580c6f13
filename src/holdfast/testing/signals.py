"""The conformance suite for signals. An implementation subclasses it, and every rule is checked:

class TestMySignals(BrokerConformance):
    def make_signals(self, folder: Path) -> Signals:
        return MySignals(…)

`SignalsConformance` is for signals without a server of their own; `BrokerConformance` adds what must hold when the
connection to the broker is cut, drops all traffic, and comes back.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from holdfast.runtime.signals import Listener, Signals, Topic

SOON: Final = 10.0
"""Seconds after which an expected signal counts as lost. Only failures take so long."""

QUIET: Final = 0.2
"""Seconds without a signal after which none is expected."""

AT_ONCE: Final = 0.05
"""Seconds that a call may take which must not block."""

NOTICED: Final = 15.0
"""Seconds within which a connection that drops all traffic must be detected, and a broken one replaced."""

PATIENT: Final = 10.0
"""Seconds for which an idle connection must be kept; longer than any interval of keep-alive checks."""

Make = Callable[[], Signals]


class SignalsConformance(ABC):
    """The rules for all signals."""

    @abstractmethod
    def make_signals(self, folder: Path) -> Signals:
        """Signals as one process makes them. Made again with the same folder, they are those of another process on the same
        store; with another folder, those of another store."""

    def commit(self, folder: Path) -> None:  # noqa: B027  # most have nothing to do here
        """Change the store of a folder. Only signals that look at the store need it; it comes before each `notify`."""

    @pytest.fixture
    def make(self, tmp_path: Path) -> Iterator[Make]:
        """Makes signals as one more process would; closed at the end."""
        made: list[Signals] = []

        def make() -> Signals:
            made.append(self.make_signals(tmp_path))
            return made[-1]

        yield make
        for signals in made:
            signals.close()

    def listen(self, signals: Signals, *topics: Topic) -> Listener:
        """A listener that hears, and has heard nothing yet."""
        listener = signals.listen(topics or (Topic.WORK,))
        assert signals.ready(SOON), f"{signals.word}: not ready to hear within {SOON:g} s"
        while listener.wait(QUIET):
            pass
        return listener

    def tell(self, folder: Path, signals: Signals, *topics: Topic) -> None:
        """Commit, then notify, as the gateway does."""
        self.commit(folder)
        signals.notify(topics or (Topic.WORK,))

    # -- hearing ----------------------------------------------------------------------------------------------------------

    def test_a_signal_ends_the_wait_of_others(self, make: Make, tmp_path: Path) -> None:
        listener = self.listen(make())
        other = make()
        timer = threading.Timer(0.1, self.tell, (tmp_path, other))
        timer.start()
        assert listener.wait(SOON), "a signal of another instance was not heard"
        timer.join()

    def test_a_signal_ends_the_wait_of_an_event_loop(self, make: Make, tmp_path: Path) -> None:
        listener, other = self.listen(make()), make()

        async def main() -> bool:
            asyncio.get_running_loop().call_later(0.1, self.tell, tmp_path, other)
            return await listener.wait_async(SOON)

        assert asyncio.run(main()), "wait_async did not hear a signal"

    def test_a_signal_before_the_wait_counts_once(self, make: Make, tmp_path: Path) -> None:
        listener, other = self.listen(make()), make()
        self.tell(tmp_path, other)
        self.listen(make())  # some time has passed, in which others were heard
        assert listener.wait(SOON), "a signal that came before the wait did not count"
        assert not listener.wait(QUIET), "one signal was heard twice, with nothing between"

    def test_a_process_hears_itself(self, make: Make, tmp_path: Path) -> None:
        signals = make()
        listener = self.listen(signals)
        self.tell(tmp_path, signals)
        assert listener.wait(SOON), "listeners of the process that notifies are woken too"

    def test_any_of_several_topics_is_heard(self, make: Make, tmp_path: Path) -> None:
        signals, other = make(), make()
        listener = self.listen(signals, Topic.WORK, Topic.CONTROL)
        for topic in (Topic.WORK, Topic.CONTROL):
            self.tell(tmp_path, other, topic, Topic.EVENTS)
            assert listener.wait(SOON), f"{topic} was not heard by a listener on work and control"

    def test_every_listener_hears(self, make: Make, tmp_path: Path) -> None:
        signals, other = make(), make()
        listeners = [self.listen(signals), self.listen(signals), self.listen(make())]
        self.tell(tmp_path, other)
        assert all(listener.wait(SOON) for listener in listeners), "one signal wakes all who listen"

    def test_another_store_is_not_heard(self, make: Make, tmp_path: Path) -> None:
        listener = self.listen(make())
        elsewhere = self.make_signals(tmp_path / "elsewhere")
        try:
            self.tell(tmp_path / "elsewhere", elsewhere)
            assert not listener.wait(QUIET), "a signal of another store was heard"
        finally:
            elsewhere.close()

    def test_the_last_of_a_burst_is_heard(self, make: Make, tmp_path: Path) -> None:
        listener, other = self.listen(make()), make()
        self.tell(tmp_path, other)
        assert listener.wait(SOON)
        self.commit(tmp_path)
        for _ in range(500):
            other.notify((Topic.WORK,))
        self.commit(tmp_path)
        last = time.monotonic()
        other.notify((Topic.WORK,))
        heard = 0.0
        while listener.wait(max(QUIET, last + SOON - time.monotonic() if heard < last else 0.0)):
            heard = time.monotonic()
        assert heard >= last, "what came last in a burst was not heard"

    # -- waiting ----------------------------------------------------------------------------------------------------------

    def test_waiting_ends_with_its_time(self, make: Make) -> None:
        listener = self.listen(make())
        begun = time.monotonic()
        assert not listener.wait(0.0)
        assert not listener.wait(-1.0)
        assert not listener.wait(QUIET)
        assert not asyncio.run(listener.wait_async(QUIET))
        assert 2 * QUIET <= time.monotonic() - begun + 0.01 < 2 * QUIET + 2.0, (
            "a wait did not take the requested time"
        )

    def test_a_wait_that_was_cancelled_loses_nothing(self, make: Make, tmp_path: Path) -> None:
        listener, other = self.listen(make()), make()

        async def main() -> bool:
            task = asyncio.create_task(listener.wait_async(SOON))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.tell(tmp_path, other)
            return await listener.wait_async(SOON)

        assert asyncio.run(main()), "a listener was deaf after one wait was cancelled"

    def test_a_closed_listener_hears_nothing(self, make: Make, tmp_path: Path) -> None:
        signals = make()
        listener = self.listen(signals)
        witness = self.listen(signals)
        listener.close()
        listener.close()
        self.tell(tmp_path, signals)
        assert witness.wait(SOON)
        assert not listener.wait(QUIET), "a closed listener heard something"
        assert not asyncio.run(listener.wait_async(QUIET)), "a closed listener heard something"

    # -- notifying and closing --------------------------------------------------------------------------------------------

    def test_notify_blocks_nobody(self, make: Make) -> None:
        self.listen(make())
        assert _slowest_notify(make()) < AT_ONCE, "notify made its caller wait"

    def test_closing_tells_what_waits(self, make: Make, tmp_path: Path) -> None:
        listener, other = self.listen(make()), make()
        self.tell(tmp_path, other)
        other.close()
        assert listener.wait(SOON), "a program that notifies and ends is heard"

    def test_after_closing_nothing_happens(self, make: Make) -> None:
        before = threading.active_count()
        signals = make()
        self.listen(signals)
        signals.notify((Topic.WORK,))
        signals.close()
        signals.close()
        signals.notify((Topic.WORK,))
        assert threading.active_count() <= before, "a thread is left after closing"

    def test_it_says_what_it_is(self, make: Make) -> None:
        assert make().word, "`word` names the kind and the place"

    # -- processes --------------------------------------------------------------------------------------------------------

    def test_a_forked_child_has_its_own(self, make: Make, tmp_path: Path) -> None:
        """Signals that a child inherited are of no use to it, and using them does not harm the parent."""
        signals, other = make(), make()
        listener = self.listen(signals)
        self.tell(tmp_path, other)
        assert listener.wait(SOON)
        while listener.wait(QUIET):
            pass

        def child() -> None:
            for inherited in (signals, other):
                inherited.notify((Topic.WORK,))
                inherited.close()
            own = self.make_signals(tmp_path)
            hears = self.listen(own)
            self.tell(tmp_path, own)
            assert hears.wait(SOON)
            own.close()

        assert _in_child(child) == 0, (
            "a forked child could not make signals of its own, or was kept by those inherited"
        )
        assert listener.wait(SOON), "a signal of another process was not heard"
        while listener.wait(QUIET):
            pass
        self.tell(tmp_path, other)
        assert listener.wait(SOON), "the signals of the parent have suffered from a fork"


class BrokerConformance(SignalsConformance):
    """The rules for signals through a server that can be away. `make_signals` leads through something that the test can
    cut; what is cut stays so, for new connections too, until `mend`."""

    @abstractmethod
    def cut(self) -> None:
        """End every connection to the broker and refuse new ones."""

    @abstractmethod
    def black_hole(self) -> None:
        """Leave every connection as it is, and let no byte through any more."""

    @abstractmethod
    def mend(self) -> None:
        """Let everything through again."""

    def test_other_topics_are_not_heard(self, make: Make, tmp_path: Path) -> None:
        listener, other = self.listen(make(), Topic.CONTROL), make()
        self.tell(tmp_path, other, Topic.WORK, Topic.EVENTS)
        assert not listener.wait(QUIET), "a signal of another topic was heard"

    def test_a_cut_line_fails_nobody(self, make: Make) -> None:
        signals = make()
        listener = self.listen(signals)
        self.cut()
        _until(lambda: not signals.ready(0.0), "a cut connection is not detected")
        assert _slowest_notify(signals) < AT_ONCE, "notify made its caller wait while the broker was away"
        begun = time.monotonic()
        late = signals.listen((Topic.WORK,))
        assert time.monotonic() - begun < AT_ONCE, "listen made its caller wait while the broker was away"
        assert not late.wait(QUIET)
        assert not asyncio.run(listener.wait_async(QUIET)), (
            "waiting while the broker is away ends with its time"
        )

    def test_listeners_are_woken_when_the_line_is_back(self, make: Make, tmp_path: Path) -> None:
        signals, other = make(), make()
        listener = self.listen(signals)
        self.tell(tmp_path, other)
        assert listener.wait(SOON)
        self.cut()
        _until(lambda: not signals.ready(0.0), "a cut connection is not detected")
        self.mend()
        assert listener.wait(NOTICED), (
            "no listener was woken for signals that it may have missed while the connection was cut"
        )
        assert signals.ready(SOON)
        while listener.wait(QUIET):
            pass
        self.tell(tmp_path, other)
        assert listener.wait(NOTICED), "no signal is received on the new connection"

    def test_what_began_without_a_broker_works_when_it_is_there(self, make: Make, tmp_path: Path) -> None:
        self.cut()
        signals, other = make(), make()
        assert _slowest_notify(other) < AT_ONCE, "notify made its caller wait while the broker was away"
        listener = signals.listen((Topic.WORK,))
        assert not signals.ready(QUIET), "ready without a broker"
        self.mend()
        assert signals.ready(NOTICED), "no connection was opened when the broker was back"
        assert listener.wait(SOON), "a listener is woken when its connection is open"
        self.tell(tmp_path, other)
        assert listener.wait(NOTICED)

    def test_a_quiet_line_stands(self, make: Make, tmp_path: Path) -> None:
        signals = make()
        listener = self.listen(signals)
        assert not listener.wait(PATIENT), "a listener was woken without a signal: was the connection lost?"
        assert signals.ready(0.0)
        self.tell(tmp_path, make())
        assert listener.wait(SOON)

    def test_topics_are_heard_from_their_first_listener_on(self, make: Make, tmp_path: Path) -> None:
        signals, other = make(), make()
        listeners = {topic: self.listen(signals, topic) for topic in Topic}
        for topic, listener in listeners.items():
            self.tell(tmp_path, other, topic)
            assert listener.wait(SOON), f"{topic}, which was listened to later than others, was not heard"

    def test_closing_without_a_broker_takes_no_time(self, make: Make) -> None:
        signals = make()
        self.listen(signals)
        self.black_hole()
        signals.notify((Topic.WORK,))
        begun = time.monotonic()
        signals.close()
        assert time.monotonic() - begun < 3.0, "closing waits for a broker that does not respond"

    def test_a_black_hole_is_noticed(self, make: Make, tmp_path: Path) -> None:
        signals, other = make(), make()
        listener = self.listen(signals)
        self.tell(tmp_path, other)
        assert listener.wait(SOON)
        self.black_hole()
        assert _slowest_notify(other) < AT_ONCE, (
            "notify made its caller wait for a broker that does not respond"
        )
        _until(lambda: not signals.ready(0.0), "a connection that drops all traffic is not detected")
        self.mend()
        assert listener.wait(NOTICED), "no listener was woken for signals that it may have missed"


def _slowest_notify(signals: Signals) -> float:
    """Seconds that all but a few calls stay below: a pause of a busy machine is not the fault of `notify`."""
    taken: list[float] = []
    for _ in range(100):
        begun = time.perf_counter()
        signals.notify(Topic)
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[-5]


def _until(fact: Callable[[], bool], failure: str) -> None:
    deadline = time.monotonic() + NOTICED
    while not fact():
        assert time.monotonic() < deadline, f"{failure} within {NOTICED:g} s"
        time.sleep(0.02)


def _in_child(body: Callable[[], None]) -> int:
    """The exit code of a forked child; it is ended when it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # newer Pythons warn of threads, which is what is tested here
        child = os.fork()
    if not child:
        code = 1
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    hung = threading.Timer(3 * SOON, os.kill, (child, 9))
    hung.start()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        hung.cancel()
