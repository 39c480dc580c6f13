"""One measurement in one fresh process, so that no contestant inherits another's caches or threads.

Called by the harness as ``python -m benchmarks.child module:function --directory D --size N --prepared P``,
with the interpreter of the contestant's own environment, so this file and what it imports use the standard
library only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

Measurement = dict[str, float]
"""Metric name to value. The unit of each metric is written in the scenario that shows it."""


DATABASE_URL = "BENCHMARK_DATABASE_URL"
"""Environment variable with the URL of the measurement's own database, for contestants on a server."""

SERVER_PID = "BENCHMARK_SERVER_PID"
"""Environment variable with the first process of that server, "0" where it is not ours to watch."""

DIRECTORY = "BENCHMARK_DIRECTORY"
"""Environment variable in which the harness names the directory of the measurement, for queues that open
their store when they are imported and for the workers that a measurement starts."""


@dataclass(frozen=True)
class Setup:
    """What a measuring function is given: an empty directory of its own and how much to do (jobs, seconds,
    tries).

    `prepared` is what the scenario's preparation has filled, once for all rounds; it is only looked at, never
    changed. `argument` tells contestants apart that share a function.
    """

    directory: Path
    size: int
    prepared: Path
    argument: str = ""


def main() -> None:
    """Run the named function and print its measurement as the last line of stdout, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--argument", default="")
    given = parser.parse_args()
    module, _, function = cast(str, given.target).partition(":")
    measure = cast(Callable[[Setup], Measurement], getattr(import_module(module), function))
    setup = Setup(given.directory, given.size, given.prepared, given.argument)
    print(json.dumps(measure(setup)), flush=True)


if __name__ == "__main__":
    main()
