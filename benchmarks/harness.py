"""Runs the rounds of a scenario, each in the same way: fresh process, warm-up, interleaved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from benchmarks.child import DATABASE_URL, DIRECTORY, SERVER_PID, Measurement, Setup
from benchmarks.envs import EnvironmentUnavailable
from benchmarks.processes import PROJECT
from benchmarks.scenario import WORK, Contestant, Scenario
from benchmarks.servers import Database, ServerUnavailable

_ERROR_LINES = 12


class MeasurementFailed(Exception):
    """A contestant ended with an error or took too long. The text holds the last lines it wrote."""


@dataclass
class Results:
    """What was measured: one list entry per round and contestant, in order. `skipped` says which did not run
    and why, `servers` describes those that were used."""

    size: int
    runs: int
    rounds: dict[str, list[Measurement]] = field(default_factory=dict[str, list[Measurement]])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    servers: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class _Prepared:
    """What a preparation has filled: a directory, and a database where the scenario asks for one."""

    directory: Path
    database: Database | None


def run(
    scenario: Scenario,
    *,
    quick: bool,
    runs: int | None = None,
    size: int | None = None,
    tell: Callable[[str], None],
) -> Results:
    """Measure all contestants that can run here. A contestant that fails is reported as skipped and not tried
    again.

    `quick` uses the small size and a single round: it proves that the benchmark works, its figures mean
    little. `size` replaces the scenario's own.
    """
    size = size or (scenario.quick_size if quick else scenario.size)
    results = Results(size=size, runs=1 if quick else runs or scenario.runs)
    present = [contestant for contestant in scenario.contestants if _can_run(contestant, results.skipped)]
    used = {id(contestant.server): contestant.server for contestant in present if contestant.server}
    results.servers.extend(server.describe() for server in used.values())
    if not present:
        return results

    def measure(contestant: Contestant, size: int, prepared: _Prepared, about: str) -> Measurement | None:
        if contestant.name in results.skipped:
            return None
        tell(f"{scenario.name}: {about}, {contestant.name}")
        try:
            return _measure(contestant, size, prepared, scenario.seconds)
        except MeasurementFailed as error:
            results.skipped[contestant.name] = f"failed:\n{error}"
            return None

    try:
        if not quick:
            with _prepared(scenario, scenario.quick_size, tell) as prepared:
                for contestant in present:
                    measure(contestant, scenario.quick_size, prepared, "warm-up")
        with _prepared(scenario, size, tell) as prepared:
            for number in range(results.runs):
                for contestant in present:
                    measured = measure(contestant, size, prepared, f"round {number + 1} of {results.runs}")
                    if measured is not None:
                        results.rounds.setdefault(contestant.name, []).append(measured)
    except MeasurementFailed as error:
        for contestant in present:
            results.skipped.setdefault(contestant.name, f"the preparation failed:\n{error}")
    return results


@contextmanager
def _prepared(scenario: Scenario, size: int, tell: Callable[[str], None]) -> Generator[_Prepared]:
    with ExitStack() as stack:
        prepared = stack.enter_context(_directory())
        server = scenario.prepare_on
        database = stack.enter_context(server.database()) if server else None
        if scenario.prepare is not None:
            tell(f"{scenario.name}: preparing {size:,}")
            setup = Setup(prepared, size, prepared)
            _run_child(sys.executable, scenario.prepare, setup, scenario.seconds, database)
        yield _Prepared(prepared, database)


def _can_run(contestant: Contestant, skipped: dict[str, str]) -> bool:
    reason = contestant.missing()
    if reason is None:
        try:
            if contestant.server is not None:
                contestant.server.ensure()
            if contestant.environment is not None:
                contestant.environment.ensure()
        except (ServerUnavailable, EnvironmentUnavailable) as error:
            reason = str(error)
    if reason is not None:
        skipped[contestant.name] = reason
    return reason is None


def _measure(contestant: Contestant, size: int, prepared: _Prepared, seconds: float) -> Measurement:
    python = str(contestant.environment.python) if contestant.environment else sys.executable
    with ExitStack() as stack:
        directory = stack.enter_context(_directory())
        setup = Setup(directory, size, prepared.directory, contestant.argument)
        database: Database | None = None
        if contestant.server is not None:
            filled = prepared.database if contestant.on_copy else None
            database = stack.enter_context(contestant.server.database(filled))
        return _run_child(python, contestant.target, setup, seconds, database)


@contextmanager
def _directory() -> Generator[Path]:
    WORK.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=WORK))
    try:
        yield directory
    finally:
        # a log that a dying process still writes is left for the next clean
        shutil.rmtree(directory, ignore_errors=True)


def _run_child(
    python: str, target: str, setup: Setup, seconds: float, database: Database | None
) -> Measurement:
    command = [
        *(python, "-m", "benchmarks.child", target),
        *(f"--directory={setup.directory}", f"--size={setup.size}"),
        *(f"--prepared={setup.prepared}", f"--argument={setup.argument}"),
    ]
    child = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=_environment(setup.directory, database),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        errors = _interrupt(child)
        message = f"took longer than {seconds:.0f} s\n{_last_lines(errors, setup.directory)}"
        raise MeasurementFailed(message) from error
    except BaseException:
        _interrupt(child)
        raise
    if child.returncode != 0:
        raise MeasurementFailed(_last_lines(errors, setup.directory))
    return cast(Measurement, json.loads(output.splitlines()[-1]))


def _interrupt(child: subprocess.Popen[str]) -> str:
    """Raise KeyboardInterrupt in the child, so that it stops the workers it has started; what it wrote to stderr."""
    child.send_signal(signal.SIGINT)
    return child.communicate()[1]


def _environment(directory: Path, database: Database | None) -> dict[str, str]:
    """The caller's environment without settings of ours, which would change what is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    own = {DIRECTORY: str(directory), "HOLDFAST_DATA_DIR": str(directory)}
    if database is not None:
        own |= {DATABASE_URL: database.url, SERVER_PID: str(database.server_pid)}
        own |= {"HOLDFAST_DATABASE_URL": database.url}
    return {**kept, **own}


def _last_lines(errors: str, directory: Path) -> str:
    logs = "".join(path.read_text(errors="replace") for path in sorted(directory.glob("*.log")))
    lines = [*logs.splitlines()[-_ERROR_LINES:], *errors.splitlines()[-_ERROR_LINES:]]
    # no place of this machine
    words = "\n".join(lines)
    for place in (sys.prefix, sys.base_prefix, PROJECT):
        words = words.replace(f"{place}/", "")
    return words or "it wrote nothing"
