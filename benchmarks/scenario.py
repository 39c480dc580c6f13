"""What a scenario is made of, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.envs import Environment
from benchmarks.servers import Server

WORK = Path(__file__).resolve().parent / ".work"
"""Where the stores of a run live: beside the project, so on the same kind of disk as a real store (never a
tmpfs)."""


def _always_available() -> str | None:
    return None


@dataclass(frozen=True)
class Contestant:
    """One thing that is measured: a function ("module:function" taking a Setup) run by one interpreter.

    `about` names the configuration. `missing` returns why it cannot run here, or None; a missing one is
    reported as skipped. With a `server` it gets an empty database there, or a copy of the one that the
    scenario's preparation has filled (`on_copy`).
    """

    name: str
    about: str
    target: str
    environment: Environment | None = None
    argument: str = ""
    server: Server | None = None
    on_copy: bool = False
    missing: Callable[[], str | None] = _always_available


@dataclass(frozen=True)
class Metric:
    """One column; `label` names it with its unit. `digits` are those after the point in tables; files keep
    all. `better` decides how goals are read."""

    name: str
    label: str
    better: Literal["more", "less"]
    digits: int = 0


EVERY = "every row, the worst"
"""As `of` of a goal: all contestants have to meet it."""


@dataclass(frozen=True)
class Goal:
    """A figure we want: of one contestant, absolute, or as a ratio to another one in the same round.

    `of` EVERY takes the worst contestant of each round.

    `must` and `aim` are compared with the median and printed; nothing fails because of them.
    """

    metric: str
    of: str
    against: str | None = None
    must: float | None = None
    aim: float | None = None


@dataclass(frozen=True)
class Scenario:
    """A named question with its contestants, measured in rounds (A B C, A B C, …) after one short unrecorded
    round.

    `size` is passed to each contestant (`size_means` says what it means); `quick_size` replaces it with
    --quick and in the unrecorded round. `seconds` is the limit of one measurement. `prepare` is a function
    that fills a directory which all rounds look at: for a store that takes longer to fill than to measure;
    with `prepare_on` it fills a database of that server too.
    """

    name: str
    question: str
    size_means: str
    size: int
    quick_size: int
    contestants: tuple[Contestant, ...]
    metrics: tuple[Metric, ...]
    goals: tuple[Goal, ...]
    seconds: float = 300
    runs: int = 3
    prepare: str | None = None
    prepare_on: Server | None = None
