"""``python -m benchmarks [scenario …] [--quick] [--runs N] [--size N] [--list]``: the door of the benchmarks."""

from __future__ import annotations

import argparse
import signal
import sys
from fnmatch import fnmatch
from types import FrameType
from typing import cast

from benchmarks import harness, machine, report
from benchmarks.scenario import WORK
from benchmarks.scenarios import SCENARIOS


def main() -> int:
    """Run the chosen scenarios, all by default. Returns 2 for an unknown name; figures never decide the exit
    code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Holdfast beside its yardsticks."
    )
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="scenario",
        help="names from --list, or patterns like postgres-*; all when none is given",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, one round: proves that it runs, measures little"
    )
    parser.add_argument("--runs", type=int, help="rounds per scenario instead of the usual number")
    parser.add_argument(
        "--size", type=int, help="size of each chosen scenario instead of its own (--list says what it means)"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios and what they ask")
    arguments = parser.parse_args()
    named = {scenario.name: scenario for scenario in SCENARIOS}
    if arguments.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:<20} {scenario.question} [{scenario.size_means}: {scenario.size:,}]")
        return 0
    asked = cast(list[str], arguments.scenarios) or list(named)
    chosen = [name for name in named if any(fnmatch(name, pattern) for pattern in asked)]
    unknown = [pattern for pattern in asked if not any(fnmatch(name, pattern) for name in named)]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are: {', '.join(named)}", file=sys.stderr)
        return 2
    WORK.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, _stop)
    for name in chosen:
        small = arguments.quick or (arguments.size or named[name].size) < named[name].size
        facts = machine.describe(WORK)
        results = harness.run(
            named[name], quick=arguments.quick, runs=arguments.runs, size=arguments.size, tell=_tell
        )
        report.write(named[name], results, facts, quick=small)
        print(report.markdown(named[name], results))
        print(f"On {report.facts(facts)}.\n", flush=True)
    if not arguments.quick:
        print(f"All latest figures: {report.write_latest(list(named))}", file=sys.stderr)
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C, so that no worker of a measurement is left behind."""
    raise KeyboardInterrupt


def _tell(words: str) -> None:
    print(f"… {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
