"""The meaning of a search as a closed set of values, which a compiler can match exhaustively.

Instants are aware datetimes in UTC and ranges of time are half-open. `field` is always a name of the table in
`fields`, or FINGERPRINT. A leaf is true or false, never unknown: a job without the value does not match it,
and so matches its `Not`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from holdfast.core.states import Request, State

Compare: TypeAlias = Literal["=", "<", "<=", ">", ">=", ".."]
"""How a value is compared; `..` means from `value` to `high`, both included."""

ArgOp: TypeAlias = Literal["=", "<", "<=", ">", ">=", "..", "~", "glob", "present"]
"""As Compare, and: `~` equal as text, whatever the type (`value` is a str); `glob` (a Pattern); `present`."""

Scalar: TypeAlias = str | int | float | bool | None

FINGERPRINT = "fingerprint"
"""The field of `error:#a1b2`: the key of an error group."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text with stars, cut at them: `a*b` is ("a", "b"), `a*` is ("a", "").

    Each star matches any text, including none; the parts are plain text and case-sensitive. There are at
    least two of them, and at least one is not empty.
    """

    parts: tuple[str, ...]

    @property
    def kind(self) -> Literal["prefix", "suffix", "contains", "general"]:
        """How it is matched: one literal at the start, the end or anywhere; `general` needs all parts."""
        match self.parts:
            case (_, ""):
                return "prefix"
            case ("", _):
                return "suffix"
            case ("", _, ""):
                return "contains"
            case _:
                return "general"

    @property
    def literal(self) -> str:
        """The longest part: for every kind but `general` the only one."""
        return max(self.parts, key=len)


@dataclass(frozen=True, slots=True)
class StateIs:
    """One state; with `reason` or `requested` only the jobs in it that carry that reason or request."""

    state: State
    reason: str | None = None
    requested: Request | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """In any of these states."""

    any_of: tuple[StateIs, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """The field is exactly one of `values` (`tag` and `parent` are sets: they hold at least one of them)."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Glob:
    """The field (for sets: a member of it) fits the pattern."""

    field: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Phrase:
    """The field contains `text` literally, ignoring case."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Present:
    """The field has a value (for sets: at least one)."""

    field: str


@dataclass(frozen=True, slots=True)
class Number:
    """Attempt, priority, or progress in percent. `high` only with `..`."""

    field: str
    op: Compare
    value: int | float
    high: int | float | None = None


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time in seconds. `high` only with `..`."""

    field: str
    op: Compare
    seconds: float
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Time:
    """low ≤ field < high; None leaves that side open, never both.

    Bounds have microseconds; a store with coarser instants rounds both up.
    """

    field: str
    low: datetime | None
    high: datetime | None


@dataclass(frozen=True, slots=True)
class ArgPath:
    """The value at `path` in the arguments, compared by type: 42 is neither "42" nor true.

    With `=`, 42 equals 42.0, and None is JSON's null. `<` and its like compare numbers with numbers, texts
    with texts (by code point). `present` is true for null too. A str in the path is a key, an int a position
    in an array.
    """

    path: tuple[str | int, ...]
    op: ArgOp
    value: Scalar | Pattern = None
    high: int | float | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """Free text: the start of the id, or anywhere in type, tags, arguments and error message, ignoring case."""

    text: str


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more items, none of them an And."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of two or more items, none of them an Or."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Everything that does not match the item."""

    item: Node


Leaf: TypeAlias = JobState | Text | Glob | Phrase | Present | Number | Duration | Time | ArgPath | Word
Node: TypeAlias = And | Or | Not | Leaf


def all_of(nodes: Iterable[Node]) -> Node:
    """The one node, or an And of them, flat."""
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.items if isinstance(node, And) else (node,))
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(nodes: Iterable[Node]) -> Node:
    """The one node, or an Or of them, flat."""
    flat: list[Node] = []
    for node in nodes:
        flat.extend(node.items if isinstance(node, Or) else (node,))
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def without_states(root: Node | None) -> Node | None:
    """The search without what it says at its top about states alone: what counts by state are made of."""
    items = root.items if isinstance(root, And) else () if root is None else (root,)
    kept = [item for item in items if not _only_states(item)]
    return all_of(kept) if kept else None


def _only_states(node: Node) -> bool:
    match node:
        case JobState():
            return True
        case Not():
            return _only_states(node.item)
        case And() | Or():
            return all(_only_states(item) for item in node.items)
        case _:
            return False
