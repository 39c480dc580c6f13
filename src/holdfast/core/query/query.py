"""A search as one value: its meaning, its text, and the text with a term added or removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from holdfast.core.query.canonical import write
from holdfast.core.query.errors import QueryError
from holdfast.core.query.fields import FIELDS, STATES, WORDS_INDEXED, Kind
from holdfast.core.query.nodes import (
    And,
    ArgPath,
    Glob,
    JobState,
    Node,
    Not,
    Or,
    Phrase,
    Present,
    Text,
    Time,
    Word,
)
from holdfast.core.query.resolve import Resolver
from holdfast.core.query.syntax import Group, Negation, Term, Tree, group, read


@dataclass(frozen=True, slots=True)
class Chip:
    """A part that must match, as written, with its span in the source of the query. `words`: what it means, where the
    operator alone may mislead (`created in the last 2 hours`); else ""."""

    text: str
    start: int
    end: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search. Two are equal when their meaning and canonical text are.

    `root` is None when everything matches. `text` is the canonical text: it keeps what is relative (`2h`,
    `me`), and read with the same clock, zone and user it means the same. `source` is the text as it came.
    `explain` says in sentences how times were interpreted. `unindexed` names the terms that no index serves,
    each once; see `narrowed`.
    """

    root: Node | None
    text: str
    explain: tuple[str, ...] = ()
    unindexed: tuple[str, ...] = ()
    source: str = field(default="", compare=False)
    tree: Tree | None = field(default=None, compare=False, repr=False)
    spoken: Mapping[int, str] = field(default_factory=dict[int, str], compare=False, repr=False)
    """The description of a term, by where it ends in the source."""

    @property
    def narrowed(self) -> bool:
        """Whether an index leads to the matching jobs, so that unindexed terms are tried on few only."""
        return self.root is not None and _indexed(self.root)

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the states in the one top-level state term; () where there is no such term, or more than one."""
        items = self.root.items if isinstance(self.root, And) else (self.root,)
        named = [item for item in items if isinstance(item, JobState)]
        if len(named) != 1:
            return ()
        return tuple(next(word for word, one in STATES.items() if one == state) for state in named[0].any_of)

    def terms(self) -> tuple[Chip, ...]:
        """The parts that must all match, in order."""
        return tuple(
            Chip(self.source[part.start : part.end], part.start, part.end, self._words(part))
            for part in _parts(self.tree)
        )

    def _words(self, part: Tree) -> str:
        return "" if isinstance(part, Group) or _field(part) is None else self.spoken.get(part.end, "")

    def without(self, term: Chip | str) -> str:
        """The canonical text without that part (at any place among the parts that must match)."""
        gone = write(read(term if isinstance(term, str) else term.text))
        return _join(part for part in _parts(self.tree) if write(part) != gone)

    def without_field(self, name: str) -> str:
        """The canonical text without the parts that are a term of this field, negated ones included."""
        return _join(part for part in _parts(self.tree) if _field(part) != name)

    def with_term(self, text: str, *, replacing: str | None = None) -> str:
        """The canonical text with one more part (once), without those of the field `replacing`: for a switch.

        Raises QueryError when `text` itself cannot be read; the whole may still be beyond the limits of a
        search.
        """
        kept = [part for part in _parts(self.tree) if replacing is None or _field(part) != replacing]
        present = {write(part) for part in kept}
        return _join([*kept, *(part for part in _parts(read(text)) if write(part) not in present)])


def parse(text: str, *, now: datetime, zone: tzinfo = UTC, me: str | None = None) -> Query:
    """The search that `text` writes. Raises QueryError, with the place, for a text that cannot be understood.

    `now` must be aware; relative times are counted from it, and times without an offset are those of `zone`.
    `me` is whom `owner:me` means.
    """
    if now.tzinfo is None:
        raise ValueError("now must be an aware datetime")
    tree = read(text)
    if tree is None:
        if text:  # what was meant to narrow a search must never find every job
            raise QueryError(
                "There are only spaces here; to search for all jobs, leave it empty", 0, len(text), ""
            )
        return Query(None, "", source=text)
    resolver = Resolver(now, zone, me)
    root = resolver.node(tree)
    unindexed = tuple(dict.fromkeys(_scanned(root)))
    return Query(root, write(tree), tuple(resolver.sentences), unindexed, text, tree, resolver.spoken)


def _parts(tree: Tree | None) -> tuple[Tree, ...]:
    match tree:
        case None:
            return ()
        case Group(operator="AND"):
            return tree.items
        case _:
            return (tree,)


def _join(parts: Iterator[Tree] | list[Tree]) -> str:
    kept = list(parts)
    return write(group("AND", kept)) if kept else ""


def _field(part: Tree) -> str | None:
    match part:
        case Term():
            return part.field.name
        case Negation(item=Term() as term):
            return term.field.name
        case _:
            return None


def _indexed(node: Node) -> bool:
    match node:
        case And():
            return any(_indexed(item) for item in node.items)
        case Or():
            return all(_indexed(item) for item in node.items)
        case JobState():
            return FIELDS["state"].indexed
        case Text() | Time():
            return FIELDS[node.field].indexed
        case Glob():
            return node.pattern.kind == "prefix" and node.field in FIELDS and FIELDS[node.field].indexed
        case Word() | Phrase():
            return WORDS_INDEXED
        case _:
            return False


def _scanned(node: Node) -> Iterator[str]:
    match node:
        case And() | Or():
            for item in node.items:
                yield from _scanned(item)
        case Not():
            yield from _names(node.item)
        case _ if not _indexed(node):
            yield from _names(node)
        case _:
            return


def _names(node: Node) -> Iterator[str]:
    match node:
        case And() | Or():
            for item in node.items:
                yield from _names(item)
        case Not():
            yield from _names(node.item)
        case JobState():
            yield "state"
        case Word():
            yield "words"
        case ArgPath():
            yield Kind.ARGS.value
        case Glob() if node.field not in FIELDS:
            yield Kind.ERROR.value
        case Present() | _:
            yield node.field
