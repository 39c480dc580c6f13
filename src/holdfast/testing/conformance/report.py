"""Summarises a run of the kit: how many rules a store keeps, and which promise is broken, by verb.

A pytest plug-in, also for runs in several processes (pytest-xdist). A store author names it in `conftest.py`:

    pytest_plugins = ["holdfast.testing.conformance.report"]
"""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final, NamedTuple, cast

import pytest

KIT: Final = "holdfast.testing.conformance.rules."
PROPERTY: Final = "holdfast-rule"
MAX_MESSAGE: Final = 160


class Rule(NamedTuple):
    """The result of one rule of the kit for one store; plain values, because it is sent between processes."""

    store: str
    part: str
    about: str
    name: str
    promise: str
    rules: int
    case: str


@dataclass
class Kept:
    """What became of the cases of one rule."""

    rule: Rule
    held: set[str] = field(default_factory=set[str])
    broken: dict[str, str] = field(default_factory=dict[str, str])
    not_begun: dict[str, str] = field(default_factory=dict[str, str])


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Summary(), "holdfast-store-conformance")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    rule = rule_of(item)
    if rule is not None:
        report.user_properties.append((PROPERTY, list(rule)))
    return report


def rule_of(item: pytest.Item) -> Rule | None:
    """The rule that a test checks; None for a test that is not of the kit."""
    if not isinstance(item, pytest.Function) or item.cls is None:
        return None
    function = cast(FunctionType, item.obj)
    if not function.__module__.startswith(KIT):
        return None
    part = function.__module__.removeprefix(KIT)
    about = _first_sentence(sys.modules[function.__module__].__doc__)
    return Rule(
        store=item.nodeid.rpartition("::")[0],
        part=part,
        about=about.removeprefix("Rules of ").removeprefix(f"`{part}`: ").removesuffix("."),
        name=function.__name__.removeprefix("test_").replace("_", " "),
        promise=_first_sentence(function.__doc__),
        rules=sum(1 for _ in _rules(cast(type[object], item.cls))),
        case=item.callspec.id if hasattr(item, "callspec") else "",
    )


def _rules(store: type[object]) -> Iterator[str]:
    for name, member in inspect.getmembers(store, inspect.isfunction):
        if name.startswith("test_") and member.__module__.startswith(KIT):
            yield name


def _first_sentence(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


class Summary:
    """Collects the results of the tests, and prints them at the end."""

    def __init__(self) -> None:
        self._stores: dict[str, dict[str, Kept]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name != PROPERTY:
                continue
            rule = Rule._make(cast(list[Any], value))
            kept = self._stores.setdefault(rule.store, {}).setdefault(rule.name, Kept(rule))
            if report.failed and report.when == "setup":
                kept.not_begun[rule.case] = _message(report)
            elif report.failed:
                kept.broken[rule.case] = _message(report)
            elif report.passed and report.when == "call":
                kept.held.add(rule.case)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._stores:
            return
        terminalreporter.section("store conformance")
        for store, rules in sorted(self._stores.items()):
            good = not any(kept.broken or kept.not_begun for kept in rules.values())
            first, *more = lines(store, list(rules.values()))
            terminalreporter.line(first, green=good, red=not good, bold=True)
            for line in more:
                terminalreporter.line(line)


def lines(store: str, rules: list[Kept]) -> Iterator[str]:
    """What is said of one store."""
    total = rules[0].rule.rules
    broken = [kept for kept in rules if kept.broken]
    held = [kept for kept in rules if kept.held and not kept.broken and not kept.not_begun]
    count = f"all {total}" if len(held) == total else f"{len(held)} of {total}"
    headline = f"{store}: {count} rules hold"
    parts = Counter(kept.rule.part for kept in broken)
    if broken:
        headline += f"; broken: {', '.join(f'{part} · {count}' for part, count in sorted(parts.items()))}"
    yield headline
    yield from _not_begun(rules)
    silent = total - len({kept.rule.name for kept in rules if kept.held or kept.broken or kept.not_begun})
    if silent:
        yield f"  {silent} rules were not run: this says nothing about the store as a whole"
    for part in sorted(parts):
        of_part = [kept for kept in broken if kept.rule.part == part]
        yield f"  {part} · {of_part[0].rule.about}"
        for kept in of_part:
            yield from _broken(kept)


def _not_begun(rules: list[Kept]) -> Iterator[str]:
    """A store that cannot be opened fails all rules for one reason, which is reported once."""
    reasons = Counter(message for kept in rules for message in set(kept.not_begun.values()))
    for reason, count in reasons.most_common():
        yield f"  {count} rules could not begin: {reason}"


def _broken(kept: Kept) -> Iterator[str]:
    cases = len(kept.held) + len(kept.broken)
    named = ", ".join(sorted(kept.broken)[:5]) + (", …" if len(kept.broken) > 5 else "")
    yield f"    ✗ {kept.rule.name}" + (
        f" ({len(kept.broken)} of {cases} cases: {named})" if cases > 1 else ""
    )
    if kept.rule.promise:
        yield f"      promised: {kept.rule.promise}"
    yield f"      seen: {next(iter(kept.broken.values()))}"


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash is not None else report.longreprtext
    first = next(iter(text.strip().splitlines()), "no message")
    return first if len(first) <= MAX_MESSAGE else f"{first[: MAX_MESSAGE - 1]}…"
