"""Gives a parsed search its meaning: nodes with typed values and absolute instants."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from math import isfinite

from holdfast.core.query.canonical import NUMBER, check_exact, number_range, quote
from holdfast.core.query.errors import QueryError
from holdfast.core.query.fields import FIELDS, STATES, Field, Kind, nearest
from holdfast.core.query.nodes import (
    FINGERPRINT,
    ArgOp,
    ArgPath,
    Compare,
    Duration,
    Glob,
    JobState,
    Node,
    Not,
    Number,
    Pattern,
    Phrase,
    Present,
    Scalar,
    StateIs,
    Text,
    Time,
    Word,
    all_of,
    any_of,
)
from holdfast.core.query.syntax import FreeWord, Group, Negation, Term, Tree, Value
from holdfast.core.query.times import (
    Moment,
    ago,
    before,
    between,
    explain,
    is_span,
    limits,
    read_moment,
    read_span,
    unit_of,
)

_MAX_INT = 2**63
_ID_END = re.compile(r"[0-9a-f]{12}", re.IGNORECASE)


@dataclass(slots=True)
class Resolver:
    """Resolves terms for one clock, zone and user. `sentences`: how times were interpreted, in order; `spoken`: the short
    description of a term, by where it ends."""

    now: datetime
    zone: tzinfo
    me: str | None
    sentences: list[str] = field(default_factory=list[str])
    spoken: dict[int, str] = field(default_factory=dict[int, str])

    def node(self, tree: Tree, *, negated: bool = False) -> Node:
        """The node of a tree. Raises QueryError with the span of what cannot be meant."""
        match tree:
            case Group(operator="AND"):
                return all_of([self.node(item) for item in tree.items])
            case Group():
                return any_of([self.node(item) for item in tree.items])
            case Negation():
                return Not(self.node(tree.item, negated=True))
            case FreeWord():
                return _word(tree.value)
            case Term():
                return self._term(tree, negated)

    def _term(self, term: Term, negated: bool) -> Node:
        kind = term.field.kind
        if kind is Kind.ARGS:
            return any_of([_argument(term, value) for value in term.values])
        op = _operator(term)
        states: dict[StateIs, None] = {}
        texts: dict[str, None] = {}
        others: list[Node] = []
        for value in term.values:
            special = _special(term, value)
            if special is not None:
                others.append(special)
            elif kind is Kind.STATE:
                states[_state(value)] = None
            elif kind is Kind.TEXT or kind is Kind.ERROR:
                other = _text(term.field, value)
                if other is None:
                    texts[self._exact(term.field, value)] = None
                    if term.field.name == "id" and _ID_END.fullmatch(value.text):
                        others.append(_id_end(value.text))
                else:
                    others.append(other)
            elif kind is Kind.TIME:
                others.append(self._time(term, value, op, negated))
            elif term.field.since:
                others.append(self._age(term, value, op, negated))
            elif kind is Kind.DURATION:
                high = _span(term.high) if term.high else None
                others.append(Duration(term.field.name, op, _in_order(term, _span(value), high), high))
            else:
                high = _number(term.field, term.high) if term.high else None
                low = _in_order(term, _number(term.field, value), high)
                others.append(Number(term.field.name, op, low, high))
        exact: list[Node] = []
        if states:
            exact.append(JobState(tuple(states)))
        if texts:
            exact.append(Text(term.field.name, tuple(texts)))
        return any_of(exact + others)

    def _exact(self, field: Field, value: Value) -> str:
        name = self._meant(field, value)
        check_exact(field, name, value.start, value.end)
        return name

    def _meant(self, field: Field, value: Value) -> str:
        if field.name != "owner" or value.quoted or value.text != "me":
            return value.text
        if self.me is None:
            message = '"me" needs a signed-in user; for an owner with that name write it in quotes: "me"'
            raise QueryError(message, value.start, value.end, '"me"')
        return self.me

    def _time(self, term: Term, value: Value, op: Compare, negated: bool) -> Time:
        first = self._moment(value)
        last = self._moment(term.high) if term.high else None
        try:
            bounds = limits(op, first, last)
        except ValueError as error:
            written = None if last else f">{value.text}"
            raise QueryError(str(error), value.start, term.end if last else value.end, written) from None
        spans = [read_span(end.text) for end in (value, term.high) if end and is_span(end.text)]
        text = ""
        if op == ".." and len(spans) == 2:
            text = ago(*spans)
        elif op != ".." and spans:
            text = ago(spans[0], None) if op in (">", ">=") else ago(None, spans[0])
        if term.field.name == "run" and op in (">", ">=", ".."):
            text = ""  # what is due may lie ahead
        self._explain(term, term.field.label, text, explain(op, first, bounds, self.zone), negated)
        return Time(term.field.name, *bounds)

    def _age(self, term: Term, value: Value, op: Compare, negated: bool) -> Time:
        """The range of times from which so long a span runs until now: the longer it is, the earlier they are."""
        least = _span(value)
        most = _span(term.high) if term.high else None
        _in_order(term, least, most)
        if op == "=":
            most = least + unit_of(value.text)
        older = least if op in ("<", "<=") else most
        younger = None if op in ("<", "<=") else least
        low, high = before(self.now, older), before(self.now, younger)
        began = FIELDS[term.field.since]
        shown = between(low, high, self.zone)
        self._explain(term, began.label, ago(older, younger), shown, negated)
        return Time(began.name, low, high)

    def _explain(self, term: Term, label: str, text: str, exact: str, negated: bool) -> None:
        sentence = f"{label} {text} ({exact})" if text else f"{label} {exact}"
        if negated:
            sentence = f"Not {sentence[0].lower()}{sentence[1:]}"
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        if text and len(term.values) == 1:
            self.spoken[term.end] = f"{'not ' if negated else ''}{label.lower()} {text}"

    def _moment(self, value: Value) -> Moment:
        try:
            return read_moment(value.text, self.now, self.zone)
        except ValueError as error:
            raise QueryError(str(error), value.start, value.end) from None


def _operator(term: Term) -> Compare:
    """The comparison of a term that is no argument."""
    start = term.values[0].start - len(term.op)
    if term.high is not None:
        if term.op != "=":
            raise QueryError("A range takes no other comparison", start, term.values[0].start)
        return ".."
    if term.op == "=":
        return "="
    if term.op == "~" or not term.field.kind.ordered:
        message = f"{term.field.name} cannot be compared by {term.op}; a value that begins so goes in quotes"
        raise QueryError(message, start, term.values[0].start)
    _one_value(term)
    return term.op


def _one_value(term: Term) -> None:
    if len(term.values) > 1:
        raise QueryError(f"{term.op} compares with one value", term.values[1].start, term.values[-1].end)


def _special(term: Term, value: Value) -> Node | None:
    """`*` is present, `null` is absent; a state is never absent."""
    if value.quoted or (value.text != "null" and value.text.strip("*")):
        return None
    if term.op != "=" or term.high or term.field.kind is Kind.STATE:
        raise QueryError(f"{value.text} cannot be meant here", value.start, value.end)
    present = Present(term.field.since or term.field.name)
    return Not(present) if value.text == "null" else present


def _state(value: Value) -> StateIs:
    word = value.text.lower()
    if word not in STATES:
        near = nearest(word, STATES)
        hint = "" if near else f"; the states are {', '.join(STATES)}"
        raise QueryError(f"There is no state {value.text[:40]}{hint}", value.start, value.end, near)
    return STATES[word]


def _text(field: Field, value: Value) -> Node | None:
    """The node of a value that is no exact text, None for an exact text."""
    if field.kind is Kind.ERROR:
        if value.quoted:
            if not value.text.strip():
                raise QueryError("The text of the message is missing", value.start, value.end)
            return Phrase(field.name, value.text)
        if value.text.startswith("#"):
            mark = value.text[1:].removesuffix("*").lower()
            if not mark.isascii() or not mark.isalnum():
                raise QueryError("A group is written as # with letters and digits", value.start, value.end)
            return Glob(FINGERPRINT, Pattern((mark, "")))
    return Glob(field.name, _pattern(value.text)) if not value.quoted and "*" in value.text else None


def _pattern(text: str) -> Pattern:
    parts = text.split("*")
    middle = [part for part in parts[1:-1] if part]
    return Pattern((parts[0], *middle, parts[-1]))


def _number(field: Field, value: Value) -> int | float:
    text = value.text.removesuffix("%") if field.kind is Kind.PERCENT else value.text
    number = _json_number(text, value)
    if number is None or (field.kind is Kind.INTEGER and isinstance(number, float)):
        wanted = "a whole number" if field.kind is Kind.INTEGER else "a number of percent"
        raise QueryError(f"{field.name} takes {wanted}", value.start, value.end)
    return number


def _json_number(text: str, value: Value) -> int | float | None:
    """The number that `text` writes, None when it is none. QueryError for one that no store can compare."""
    if not NUMBER.fullmatch(text):
        return None
    number = float(text) if any(mark in text for mark in ".eE") else int(text)
    fits = -_MAX_INT <= number < _MAX_INT if isinstance(number, int) else isfinite(number)
    if not fits:
        raise QueryError("This number is too large to compare", value.start, value.end)
    return number


def _span(value: Value) -> float:
    try:
        return read_span(value.text)
    except ValueError as error:
        raise QueryError(str(error), value.start, value.end) from None


def _in_order(term: Term, low: int | float, high: int | float | None) -> int | float:
    if high is not None and low > high:
        raise QueryError("This range ends before it begins", term.values[0].start, term.end)
    return low


def _id_end(text: str) -> Node:
    """The end of an id, by which pages show it."""
    return Glob("id", Pattern(("", text.lower())))


def _word(value: Value) -> Node:
    if not value.text.strip():
        raise QueryError("Something to search for is missing here", value.start, value.end)
    if not value.quoted and "*" in value.text:
        message = (
            "Free text matches anywhere; use a star in a field, or quote it to search for a literal star"
        )
        raise QueryError(message, value.start, value.end, None if "," in value.text else f"type:{value.text}")
    if _ID_END.fullmatch(value.text):
        return any_of([Word(value.text), _id_end(value.text)])
    return Word(value.text)


def _argument(term: Term, value: Value) -> ArgPath:
    path, op = term.path, term.op
    starred = not value.quoted and "*" in value.text
    if op != "=" and starred:
        message = f"{op} takes no star; in quotes it is plain text"
        raise QueryError(message, value.start, value.end, quote(value.text))
    if op == "~":
        return ArgPath(path, "~", value.text)
    if op != "=":
        _one_value(term)
    meant = _typed(value)
    if isinstance(meant, tuple):
        if op != "=":
            raise QueryError("A range takes no other comparison", value.start - len(op), value.start)
        return ArgPath(path, "..", _in_order(term, *meant), meant[1])
    if starred:
        glob = bool(value.text.strip("*"))
        return ArgPath(path, "glob", _pattern(value.text)) if glob else ArgPath(path, "present")
    if op != "=" and (meant is None or isinstance(meant, bool)):
        raise QueryError(f"{op} compares numbers or texts", value.start, value.end, quote(value.text))
    compare: ArgOp = op
    return ArgPath(path, compare, meant)


def _typed(value: Value) -> Scalar | tuple[int | float, int | float]:
    """The value as JSON has it: text in quotes; bare also null, true, false, a number or a range of them."""
    if value.quoted:
        return value.text
    match value.text:
        case "null":
            return None
        case "true":
            return True
        case "false":
            return False
        case text:
            ends = number_range(text)
            if ends:
                low, high = (_json_number(end, value) for end in ends)
                assert low is not None  # number_range has seen to it
                assert high is not None
                return low, high
            number = _json_number(text, value)
            return text if number is None else number
