"""What a store author reads at the end of a run: stores that are broken on purpose, in several processes as usual."""

from __future__ import annotations

import subprocess
import sys

import pytest

STORES = """
from holdfast.core.errors import StorageUnavailable
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.conformance import StoreConformance


class Backwards(SqliteStore):
    def claim(self, request):
        return super().claim(request)[::-1]


class Forgetful(SqliteStore):
    def settle(self, settlements):
        wrong = [s._replace(token=s.token + 1) for s in settlements]
        return super().settle(wrong)


class Shut(SqliteStore):
    def open(self):
        raise StorageUnavailable("no server at port 1")


class Kit(StoreConformance):
    kind = SqliteStore

    def make_store(self, folder, clock):
        return self.kind(folder / "x.db", durability="normal", clock=clock, lease_clock=clock)


class TestGood(Kit):
    pass


class TestBackwards(Kit):
    kind = Backwards


class TestForgetful(Kit):
    kind = Forgetful


class TestShut(Kit):
    kind = Shut
"""
CHOSEN = "priority_first_then_age or what_burns_nothing or only_a_failure or a_whole_batch_may_be_repeated"


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The summary, line by line."""
    folder = tmp_path_factory.mktemp("kit")
    (folder / "conftest.py").write_text('pytest_plugins = ["holdfast.testing.conformance.report"]\n')
    (folder / "test_stores.py").write_text(STORES)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        "-k",
        CHOSEN,
        str(folder),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    begin = next(n for n, line in enumerate(lines) if "store conformance" in line)
    end = next(n for n, line in enumerate(lines[begin + 1 :], begin + 1) if line.startswith("="))
    return lines[begin + 1 : end]


def of_store(summary: list[str], name: str) -> list[str]:
    """The lines about one store."""
    begin = next(n for n, line in enumerate(summary) if f"::{name}: " in line)
    end = next(
        (n for n, line in enumerate(summary[begin + 1 :], begin + 1) if "::Test" in line), len(summary)
    )
    return summary[begin:end]


def test_a_broken_promise_is_reported_by_verb_with_what_was_seen(summary: list[str]) -> None:
    first, not_run, part, rule, seen = of_store(summary, "TestBackwards")
    assert first.split(": ", 1)[1].split(" of ")[0] == "3"
    assert first.endswith("rules hold; broken: claim · 1")
    assert "not run" in not_run
    assert part == "  claim · which jobs, in what order, for whom, and what the worker is handed"
    assert rule == "    ✗ priority first then age across queues and types"
    assert seen.startswith("      seen: ")
    assert "==" in seen


def test_the_cases_of_a_rule_are_counted(summary: list[str]) -> None:
    broken = [line for line in of_store(summary, "TestForgetful") if "✗" in line]
    assert any("only a failure burns an attempt (6 of 6 cases: fail-2, " in line for line in broken)


def test_a_store_that_cannot_be_opened_is_reported_once(summary: list[str]) -> None:
    first, reason, not_run = of_store(summary, "TestShut")
    assert ": 0 of " in first
    assert reason == "  4 rules could not begin: holdfast.core.errors.StorageUnavailable: no server at port 1"
    assert "not run" in not_run


def test_a_good_store_has_no_complaint(summary: list[str]) -> None:
    first, not_run = of_store(summary, "TestGood")
    assert ": 4 of " in first
    assert "says nothing about the store as a whole" in not_run
