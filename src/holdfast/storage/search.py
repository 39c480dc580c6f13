"""Compiles a search to SQL, with a few hooks for each dialect.

A condition is true, false or NULL for a row, and NULL counts as false: `AND` and `OR` keep that by themselves, and every
negation is written `IS NOT TRUE`. Values are always bound, never part of the text.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAlias

from holdfast.core.query import (
    FINGERPRINT,
    And,
    ArgPath,
    Duration,
    Glob,
    JobState,
    Node,
    Not,
    Number,
    Or,
    Pattern,
    Phrase,
    Present,
    StateIs,
    Text,
    Time,
    Word,
)
from holdfast.core.states import Request, State
from holdfast.storage.cursors import DURATION, time_of

Value: TypeAlias = Any
Path: TypeAlias = Sequence[str | int]
Operator: TypeAlias = Literal["=", "<", "<=", ">", ">=", ".."]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LAST_CHARACTER = "\U0010ffff"


class Sql(NamedTuple):
    """A piece of SQL with the values for its placeholders, in order."""

    text: str
    values: tuple[Value, ...] = ()


NEVER = Sql("FALSE")

COLUMNS = {
    "type": "jobs.type",
    "queue": "jobs.queue",
    "owner": "jobs.owner",
    "id": "jobs.id",
    "reason": "jobs.reason",
    "error": "jobs.error_type",
    "key": "jobs.unique_key",
    "paused-by": (
        f"CASE WHEN jobs.state = '{State.PAUSED}' THEN jobs.actor "
        f"WHEN jobs.requested = '{Request.PAUSE}' THEN jobs.requested_by END"
    ),
    "cancelled-by": (
        f"CASE WHEN jobs.state = '{State.CANCELLED}' THEN jobs.actor "
        f"WHEN jobs.requested = '{Request.CANCEL}' THEN jobs.requested_by END"
    ),
    "created": "jobs.created_at",
    "finished": "jobs.finished_at",
    "run": "jobs.run_at",
    "started": "jobs.started_at",
    "duration": DURATION,
    "attempt": "jobs.attempt",
    "priority": "jobs.priority",
}
"""The fields that are one value of a job, each as an expression that is NULL for a job without it."""


def waited(history: str) -> str:
    """From the last time the job became claimable, which its history keeps, to the start of the attempt.

    `history`: the table or view that is indexed by job for rows with `kind < 2`."""
    return (
        f"({time_of('jobs.started_at')} - (SELECT {time_of('past.at')} FROM {history} AS past WHERE past.job = jobs.seq "
        f"AND past.kind < 2 AND past.kind = 0 AND past.state = '{State.ENQUEUED}' AND past.at <= jobs.started_at "
        "ORDER BY past.at DESC LIMIT 1))"
    )


UNKEPT = frozenset({"schedule", "batch", "parent", "version", FINGERPRINT})
"""Fields that no job has a value of as yet."""


def microseconds(instant: datetime) -> int:
    """The instant as the store keeps it, exactly."""
    return (instant - EPOCH) // TICK


def after_prefix(prefix: str) -> str | None:
    """The least text, by code points, above all that begin with `prefix`; None when there is none."""
    kept = prefix.rstrip(LAST_CHARACTER)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


def on_lanes(root: Node | None) -> bool:
    """Whether a search asks for nothing but states, queues and types, which the index of lanes answers by itself."""
    items = root.items if isinstance(root, And) else () if root is None else (root,)
    return all(is_of_lane(item) for item in items)


def is_of_lane(item: Node) -> bool:
    """Whether a term picks lanes, each of one state, queue and type."""
    match item:
        case JobState():
            return True
        case Text(field="queue" | "type"):
            return True
        case Glob(field="queue" | "type"):
            return item.pattern.kind == "prefix"
        case _:
            return False


def any_case(letter: str) -> list[str]:
    """The letter in either case, as far as both are single letters."""
    forms = {letter, letter.lower(), letter.upper(), letter.lower().upper(), letter.upper().lower()}
    return sorted(form for form in forms if len(form) == 1)


class Compiler(ABC):
    """Writes nodes as conditions on `jobs`; a dialect fills the hooks. Stateless."""

    mark = "?"
    """The placeholder of the driver."""
    progress: str
    """The progress in percent, NULL when it is not known."""
    waited = waited("events")

    def compile(self, node: Node) -> Sql:
        """The condition that a row of `jobs` fulfils exactly when it matches; safe to be joined by AND."""
        match node:
            case And():
                return self._joined(" AND ", (self.compile(item) for item in node.items))
            case Or():
                return self._joined(" OR ", (self.compile(item) for item in node.items))
            case Not():
                text, values = self.compile(node.item)
                return Sql(f"(({text}) IS NOT TRUE)", values)
            case JobState():
                return self._joined(" OR ", (self._state(state) for state in node.any_of))
            case Text(field="error"):
                whole = self._holds(node.field, lambda column: self._in(column, node.values))
                return self._joined(" OR ", (whole, *(self._error_class((value,)) for value in node.values)))
            case Glob(field="error"):
                whole = self._fits(Sql(COLUMNS["error"]), node.pattern)
                if not node.pattern.parts[0]:
                    return whole
                return self._joined(" OR ", (whole, self._error_class(node.pattern.parts)))
            case Text():
                return self._holds(node.field, lambda column: self._in(column, node.values))
            case Glob():
                return self._holds(node.field, lambda column: self._fits(Sql(column), node.pattern))
            case Phrase():
                return self.alike("jobs.error_message", node.text)
            case Present():
                return self._holds(node.field, lambda column: Sql(f"{column} IS NOT NULL"))
            case Number():
                least, most = self.number(node.value), None if node.high is None else self.number(node.high)
                return self._holds(
                    node.field, lambda column: self._compare(Sql(column), node.op, least, most)
                )
            case Duration():
                low, high = _ticks(node.seconds), None if node.high is None else _ticks(node.high)
                return self._holds(node.field, lambda column: self._compare(Sql(column), node.op, low, high))
            case Time():
                return self._holds(node.field, lambda column: self._between(column, node))
            case ArgPath():
                return self._argument(node)
            case Word():
                return self._word(node.text)

    # -- what a dialect says ------------------------------------------------------------------------------------------

    @abstractmethod
    def fits(self, expression: Sql, pattern: Pattern) -> Sql:
        """Whether a text fits a pattern that is more than a prefix; case counts."""

    @abstractmethod
    def alike(self, column: str, text: str, *, start: bool = False) -> Sql:
        """Whether a text contains, or with `start` begins with, `text`, letter case apart."""

    @abstractmethod
    def argument(self, path: Path, kind: Literal["number", "text"]) -> Sql:
        """The argument as number or text; NULL when there is none or it is of another type."""

    @abstractmethod
    def argument_written(self, path: Path) -> Sql:
        """A text as it is, everything else as JSON writes it; NULL when there is none."""

    @abstractmethod
    def argument_is(self, path: Path, literal: Literal["null", "true", "false"] | None) -> Sql:
        """Whether the argument is this literal; None asks whether there is one at all."""

    def number(self, value: int | float) -> Value:
        """A number as it is compared with one of the job."""
        return value

    # -- leaves ---------------------------------------------------------------------------------------------------------

    def _joined(self, operator: str, parts: Iterable[Sql]) -> Sql:
        several = list(parts)
        if len(several) == 1:
            return several[0]
        text = operator.join(part.text for part in several)
        return Sql(f"({text})", tuple(value for part in several for value in part.values))

    def _state(self, state: StateIs) -> Sql:
        carries = {"state": state.state, "reason": state.reason, "requested": state.requested}
        asked = {name: str(value) for name, value in carries.items() if value is not None}
        tests = [Sql(f"jobs.{name} = {self.mark}", (value,)) for name, value in asked.items()]
        return self._joined(" AND ", tests)

    def _holds(self, field: str, test: Callable[[str], Sql]) -> Sql:
        """`test` on the value of the field, or on any of them where it is a set."""
        match field:
            case "tag":
                text, values = test("job_tags.tag")
                return Sql(
                    f"EXISTS (SELECT 1 FROM job_tags WHERE job_tags.job = jobs.seq AND {text})", values
                )
            case "worker":
                names = (test("jobs.worker"), test("workers.name"), test("workers.host"))
                known = self._joined(" OR ", names[1:])
                inner = f"EXISTS (SELECT 1 FROM workers WHERE workers.id = jobs.worker AND {known.text})"
                return self._joined(" OR ", (names[0], Sql(inner, known.values)))
            case "progress":
                return test(self.progress)
            case "wait":
                return test(self.waited)
            case _ if field in UNKEPT:
                return NEVER
            case _:
                return test(COLUMNS[field])

    def _in(self, column: str, values: tuple[str, ...]) -> Sql:
        if len(values) == 1:
            return Sql(f"{column} = {self.mark}", values)
        return Sql(f"{column} IN ({', '.join([self.mark] * len(values))})", values)

    def _error_class(self, parts: Sequence[str]) -> Sql:
        """Whether the class of the error, stored with its module, fits without it."""
        return self.fits(Sql(COLUMNS["error"]), Pattern(("", f".{parts[0]}", *parts[1:])))

    def _fits(self, expression: Sql, pattern: Pattern) -> Sql:
        if pattern.kind != "prefix":
            return self.fits(expression, pattern)
        text, values = expression
        above = after_prefix(pattern.literal)
        low = Sql(f"{text} >= {self.mark}", (*values, pattern.literal))
        return (
            low
            if above is None
            else self._joined(" AND ", (low, Sql(f"{text} < {self.mark}", (*values, above))))
        )

    def _between(self, column: str, time: Time) -> Sql:
        bounds = ((">=", time.low), ("<", time.high))
        tests = (
            Sql(f"{column} {op} {self.mark}", (microseconds(at),)) for op, at in bounds if at is not None
        )
        return self._joined(" AND ", tests)

    def _compare(self, expression: Sql, op: Operator, value: Value, high: Value | None) -> Sql:
        text, values = expression
        if op == "..":
            assert high is not None  # the parser gives every range two ends
            return Sql(f"({text} BETWEEN {self.mark} AND {self.mark})", (*values, value, high))
        return Sql(f"{text} {op} {self.mark}", (*values, value))

    def _argument(self, node: ArgPath) -> Sql:
        path, value = node.path, node.value
        if isinstance(value, Pattern):
            return self._fits(self.argument(path, "text"), value)
        if node.op == "present":
            return self.argument_is(path, None)
        if value is None or isinstance(value, bool):
            return self.argument_is(path, "null" if value is None else "true" if value else "false")
        if node.op == "~":
            return self._compare(self.argument_written(path), "=", value, None)
        assert node.op != "glob"  # its value is a pattern
        if isinstance(value, str):
            return self._compare(self.argument(path, "text"), node.op, value, node.high)
        high = None if node.high is None else self.number(node.high)
        return self._compare(self.argument(path, "number"), node.op, self.number(value), high)

    def _word(self, text: str) -> Sql:
        tests = [self.alike("jobs.id", text, start=True), self.alike("jobs.type", text)]
        # a quotation mark within an argument has a backslash
        written = json.dumps(text, ensure_ascii=False)[1:-1]
        tests += [self.alike("jobs.args", form) for form in dict.fromkeys((text, written))]
        tests += [
            self._holds("tag", lambda column: self.alike(column, text)),
            self.alike("jobs.error_message", text),
        ]
        return self._joined(" OR ", tests)


def _ticks(seconds: float) -> int:
    return round(seconds * 1_000_000)
