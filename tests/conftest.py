"""Rules for the whole suite: nothing is skipped silently, and no setting of the caller's reaches a test.

With `--require-all` every skip is a failure (continuous integration asks for that). Without it, the skips are listed
with their reasons at the end of the run. Servers at unusual places are read from the file that `make services` writes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import settings

pytest_plugins = [
    "holdfast.testing.conformance.report"
]  # the report that a store author gets is made for our stores too

SERVICES = Path(__file__).parents[1] / ".venv" / "test-services"
# Settings of the suite itself; every other HOLDFAST_* belongs to the caller and is removed.
OF_THE_SUITE = "HOLDFAST_TEST_"
# With this one of the caller's, output that a user would lose reaches a test.
HIDES_LOST_OUTPUT = "PYTHONUNBUFFERED"
MARKED_BY_FOLDER = ("system", "browser")
NOT_RUN = pytest.StashKey[dict[str, str]]()

# A process calls the command line once. Tests call it hundreds of times, and typer makes all of its commands at each call.
typer.main.get_command = cache(typer.main.get_command)

# The machine may be slow and shared: how long one example takes is no fact about the code.
settings.register_profile("holdfast", deadline=None)
settings.load_profile("holdfast")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-all", action="store_true", help="fail every test that would be skipped")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = {}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # a shell that starts the suite in the background lets it, and all programs it starts, ignore Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("HOLDFAST_")]:
        if not name.startswith(OF_THE_SUITE):
            del os.environ[name]
    os.environ.pop(HIDES_LOST_OUTPUT, None)
    for line in SERVICES.read_text().splitlines() if SERVICES.exists() else ():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)
    config.pluginmanager.register(GatherFromWorkers(config), "holdfast-gather")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in tests/system or tests/browser carries that mark without saying so."""
    here = Path(__file__).parent
    for item in items:
        room = item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""
        if room in MARKED_BY_FOLDER:
            item.add_marker(room)


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple | list):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", "") or "expected failure")


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure."""
    reason = _why(report)
    report.outcome = "failed"
    report.longrepr = f"Not run, and --require-all asks for everything: {reason}"
    if hasattr(report, "wasxfail"):
        del report.wasxfail


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("--require-all"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        if collector.config.getoption("--require-all"):
            _refuse(report)
        else:
            collector.config.stash[NOT_RUN][report.nodeid] = _why(report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # this is one of several processes: hand the list to the one that prints
        output["holdfast_not_run"] = session.config.stash[NOT_RUN]


class GatherFromWorkers:
    """Brings the skips of all test processes together in the one that prints the summary."""

    def __init__(self, config: pytest.Config) -> None:
        self.not_run = config.stash[NOT_RUN]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.not_run[report.nodeid] = _why(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.not_run.update(getattr(node, "workeroutput", {}).get("holdfast_not_run", {}))

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.not_run.update({item.nodeid: "deselected by -m or -k" for item in items})


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    not_run = config.stash[NOT_RUN]
    if not not_run:
        return
    by_reason: dict[str, list[str]] = {}
    for nodeid, reason in not_run.items():
        by_reason.setdefault(reason, []).append(nodeid)
    terminalreporter.section(f"{len(not_run)} not run", sep="=", yellow=True)
    for reason, nodeids in sorted(by_reason.items()):
        terminalreporter.line(f"{reason} ({len(nodeids)}):")
        for nodeid in sorted(nodeids)[:20]:
            terminalreporter.line(f"  {nodeid}")
        if len(nodeids) > 20:
            terminalreporter.line(f"  … and {len(nodeids) - 20} more")
