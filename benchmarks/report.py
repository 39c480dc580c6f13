"""Turns results into a JSON file, a table to read, and latest.md."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from benchmarks.harness import Results
from benchmarks.machine import Machine
from benchmarks.scenario import EVERY, Goal, Metric, Scenario
from benchmarks.summary import Summary

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Verdict:
    """One goal with its measured value; `met` is "aim", "must", "no", "–" when nothing is asked, or why there
    is no value."""

    words: str
    value: Summary | None
    met: str


def ratio(results: Results, metric: str, of: str, against: str) -> Summary | None:
    """How many times `against` the contestant `of` is, round by round; None when either has no rounds."""
    pairs = zip(results.rounds.get(of, []), results.rounds.get(against, []), strict=False)
    values = [mine[metric] / other[metric] for mine, other in pairs if other[metric]]
    return Summary.of(values) if values else None


def judge(scenario: Scenario, results: Results) -> list[Verdict]:
    """Compare the goals of a scenario with what was measured. For the reader only: nothing fails here."""
    return [_verdict(goal, _metric(scenario, goal.metric), results) for goal in scenario.goals]


def _verdict(goal: Goal, metric: Metric, results: Results) -> Verdict:
    if goal.against is None:
        words = f"{goal.of}: {metric.label}"
        values = _worst(metric, results) if goal.of == EVERY else _values(metric, results, goal.of)
        value = Summary.of(values) if values else None
    else:
        words = f"{goal.of} ÷ {goal.against}: {metric.label}"
        value = ratio(results, metric.name, goal.of, goal.against)
    if goal.must is not None:
        words += f" (must {_sign(metric)} {goal.must:,g}, aim {goal.aim:,g})"
    return Verdict(words, value, _met(goal, metric, value))


def _values(metric: Metric, results: Results, of: str) -> list[float]:
    return [measured[metric.name] for measured in results.rounds.get(of, [])]


def _worst(metric: Metric, results: Results) -> list[float]:
    """The worst contestant of each round; nothing when one of them was skipped, for it may be the worst."""
    if results.skipped:
        return []
    worst = min if metric.better == "more" else max
    everyone = (_values(metric, results, name) for name in results.rounds)
    return [worst(values) for values in zip(*everyone, strict=True)]


def _met(goal: Goal, metric: Metric, value: Summary | None) -> str:
    if value is None:
        return "not measured"
    if goal.must is None or goal.aim is None:
        return "–"
    direction = 1 if metric.better == "more" else -1
    if value.median * direction >= goal.aim * direction:
        return "aim"
    return "must" if value.median * direction >= goal.must * direction else "no"


def _sign(metric: Metric) -> str:
    return "≥" if metric.better == "more" else "≤"


def _metric(scenario: Scenario, name: str) -> Metric:
    return next(metric for metric in scenario.metrics if metric.name == name)


def markdown(scenario: Scenario, results: Results) -> str:
    """The section of one scenario: question, figures of each contestant, goals, and what was skipped."""
    runs = "one run" if results.runs == 1 else f"median of {results.runs} runs (lowest–highest)"
    lines = [
        f"## {scenario.name}",
        "",
        scenario.question,
        "",
        f"{scenario.size_means}: {results.size:,}; {runs}.",
        "",
    ]
    shown = [metric for metric in scenario.metrics if _columns(results, metric)]
    lines += _row("", *(metric.label for metric in shown))
    lines += _row("---", *("--:" for _ in shown))
    for contestant in scenario.contestants:
        if contestant.name in results.rounds:
            cells = (_cell(results.rounds[contestant.name], metric) for metric in shown)
            lines += _row(f"**{contestant.name}**: {contestant.about}", *cells)
    verdicts = judge(scenario, results)
    if verdicts:
        lines += ["", *_row("goal", "figure", "met"), *_row("---", "--:", "---")]
        for verdict in verdicts:
            figure = (
                "" if verdict.value is None else _spread(verdict.value, 2 if verdict.value.high < 1000 else 0)
            )
            lines += _row(verdict.words, figure, verdict.met)
    for name, reason in results.skipped.items():
        lines += ["", f"Skipped: **{name}**. {reason}"]
    if results.servers:
        lines += ["", f"Servers: {'; '.join(results.servers)}."]
    return "\n".join(lines) + "\n"


def _columns(results: Results, metric: Metric) -> bool:
    return any(metric.name in measured for rounds in results.rounds.values() for measured in rounds)


def _cell(rounds: list[dict[str, float]], metric: Metric) -> str:
    values = [measured[metric.name] for measured in rounds if metric.name in measured]
    return _spread(Summary.of(values), metric.digits) if values else ""


def _spread(summary: Summary, digits: int) -> str:
    middle, low, high = (f"{value:,.{digits}f}" for value in (summary.median, summary.low, summary.high))
    return middle if low == high else f"{middle} ({low}–{high})"


def _row(*cells: str) -> list[str]:
    return ["| " + " | ".join(cells) + " |"]


def write(scenario: Scenario, results: Results, machine: Machine, *, quick: bool) -> Path:
    """Write everything measured to a JSON file; a later run of the same day and kind replaces it."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    content = {
        "scenario": scenario.name,
        "question": scenario.question,
        "at": now.isoformat(timespec="seconds"),
        "quick": quick,
        "size": {"means": scenario.size_means, "value": results.size},
        "machine": asdict(machine),
        "servers": results.servers,
        "contestants": {
            contestant.name: {
                "about": contestant.about,
                "packages": list(contestant.environment.requirements) if contestant.environment else [],
                "rounds": results.rounds.get(contestant.name, []),
            }
            for contestant in scenario.contestants
        },
        "goals": [asdict(verdict) for verdict in judge(scenario, results)],
        "skipped": results.skipped,
        "summary": markdown(scenario, results),
    }
    path = RESULTS / f"{now:%Y-%m-%d}-{scenario.name}{'-quick' if quick else ''}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def write_latest(order: list[str]) -> Path:
    """Rewrite latest.md from the newest full result of each scenario, in the given order, and return its
    path."""
    parts = [
        "# Latest results\n",
        "Written by `python -m benchmarks`; `README.md` beside this folder says what the figures mean.\n",
    ]
    for name in order:
        newest = max(RESULTS.glob(f"????-??-??-{name}.json"), default=None)
        if newest is not None:
            content = cast(dict[str, Any], json.loads(newest.read_text()))
            parts += [
                content["summary"],
                f"Measured {content['at']} on {facts(Machine(**content['machine']))}.\n",
            ]
    path = RESULTS / "latest.md"
    path.write_text("\n".join(parts))
    return path


def facts(machine: Machine) -> str:
    """The machine in one line."""
    m = machine
    packages = ", ".join(f"{name} {number}" for name, number in m.packages.items())
    return (
        f"{m.cpus} × {m.cpu_model}, {m.memory_gb:g} GB, Linux {m.kernel}, Python {m.python}, SQLite {m.sqlite}, "
        f"{packages}; fsync of 4 KiB {m.fsync_4k_p50_ms:g} ms (p95 {m.fsync_4k_p95_ms:g}); load before "
        f"{m.load_before:g}"
    )
