"""Programs as values: what a random job consists of, and how it is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """What a loop walks through. `kind`: "same" (same items in the same order), "after" (ascending keys), "key" (any order).

    `vanish`: done rows may be gone in a later attempt. `late`: one more row may be there in a later attempt. `cursor`: the
    rows are asked for with `ctx.cursor`."""

    kind: str
    form: str
    size: int
    vanish: bool = False
    late: bool = False
    cursor: bool = False

    def __str__(self) -> str:
        words = [word for word in ("vanish", "late", "cursor") if getattr(self, word)]
        return " ".join([f"{self.size} {self.form}", *words])


@dataclass(frozen=True, slots=True)
class Effect:
    id: int
    waits: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """`style`: "plain", "executor" (a thread without the context variables) or "thread" (one with them)."""

    id: int
    style: str = "plain"
    renamed: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    id: int


@dataclass(frozen=True, slots=True)
class Add:
    """Adds the item to a sum in `ctx.state`: the last thing of an item."""

    id: int


@dataclass(frozen=True, slots=True)
class ItemDone:
    id: int


@dataclass(frozen=True, slots=True)
class PausePoint:
    id: int


@dataclass(frozen=True, slots=True)
class Break:
    """`break` at the item of this number."""

    id: int
    at: int


@dataclass(frozen=True, slots=True)
class Raise:
    """An exception at the item of this number, which a `Try` around the loop catches."""

    id: int
    at: int


@dataclass(frozen=True, slots=True)
class Again:
    """The helper function with the loop calls itself, until its depth is used up."""

    id: int


@dataclass(frozen=True, slots=True)
class Loop:
    """`style`: "for", "async for" or "anext". `depth`: how often `Again` in its body calls it."""

    id: int
    name: str | None
    source: Source
    body: tuple[Node, ...]
    every: int | None = None
    style: str = "for"
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Map:
    id: int
    name: str | None
    size: int
    parallel: int
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Try:
    id: int
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Swallow:
    """`except BaseException: pass`, which catches an interruption too."""

    id: int
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A loop without `track`."""

    id: int
    times: int
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """`kind`: "gather", "group", or in a `def` job "threads" (with the context variables) or "bare" (without)."""

    id: int
    kind: str
    branches: tuple[tuple[Node, ...], ...]


Node = (
    Effect
    | Step
    | Checkpoint
    | Add
    | ItemDone
    | PausePoint
    | Break
    | Raise
    | Again
    | Loop
    | Map
    | Try
    | Swallow
    | Repeat
    | Parallel
)


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to one attempt at its point `at`, of those that are `among` "all", "sums" or "snapshots".

    `keep`: what a crash leaves of the snapshots that were reported and not stored: "none", "half" or "all". `deploy`: how
    the code is changed before the next attempt."""

    kind: str
    at: int
    among: str = "all"
    keep: str = "none"
    deploy: str | None = None

    def __str__(self) -> str:
        kept = f", keeps {self.keep} of what was not stored" if self.kind == "crash" else ""
        return f"{self.kind} at point {self.at} of {self.among}{kept}{f', deploy: {self.deploy}' if self.deploy else ''}"


@dataclass(frozen=True, slots=True)
class Case:
    """A program and what happens to it. `ticks`: at so many of four points the place is reported at intervals; 5: after
    each sum and nowhere else."""

    body: tuple[Node, ...]
    is_async: bool
    strikes: tuple[Strike, ...]
    ticks: int = 0
    tick_thread: bool = False
    seed: int = 0

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How Hypothesis prints it."""
        printer.text("\n" + str(self))

    def __str__(self) -> str:
        head = "async def job(ctx):" if self.is_async else "def job(ctx):"
        strikes = [f"# attempt {n}: {strike}" for n, strike in enumerate(self.strikes, start=1)]
        ticks = f"# seed {self.seed}, ticks at {self.ticks if self.ticks < 5 else 'sums, 0'} of 4 points"
        ticks += " (from another thread)" if self.tick_thread else ""
        return "\n".join(["", head, *text(self.body, 1), *strikes, ticks if self.ticks else "# no ticks"])


def children(node: Node) -> tuple[tuple[Node, ...], ...]:
    match node:
        case Loop() | Map() | Try() | Swallow() | Repeat():
            return (node.body,)
        case Parallel():
            return node.branches
        case _:
            return ()


def all_nodes(body: tuple[Node, ...]) -> Iterator[Node]:
    for node in body:
        yield node
        for inner in children(node):
            yield from all_nodes(inner)


def text(body: tuple[Node, ...], depth: int) -> list[str]:
    """The lines of a body as Python-like text."""
    lines: list[str] = []
    pad = "    " * depth
    for node in body:
        match node:
            case Loop():
                lines += [pad + _loop(node), *text(node.body, depth + 1)]
            case Map():
                head = f"ctx.map(function, {node.size} items, parallel={node.parallel}, name={node.name!r}):"
                lines += [f"{pad}{head}  # {node.id}", *text(node.body, depth + 1)]
            case Try():
                lines += [f"{pad}try:", *text(node.body, depth + 1), f"{pad}except Planned: pass"]
            case Swallow():
                lines += [f"{pad}try:", *text(node.body, depth + 1), f"{pad}except BaseException: pass"]
            case Repeat():
                lines += [f"{pad}for _ in range({node.times}):  # {node.id}", *text(node.body, depth + 1)]
            case Parallel():
                for number, branch in enumerate(node.branches):
                    lines += [f"{pad}{node.kind} {node.id}, branch {number}:", *text(branch, depth + 1)]
            case Step():
                name = f"s{node.id}{'new' if node.renamed else ''}"
                lines += [f"{pad}ctx.step({name!r}){'' if node.style == 'plain' else f'  # in {node.style}'}"]
            case Break():
                lines += [f"{pad}if item is no. {node.at}: break"]
            case Raise():
                lines += [f"{pad}if item is no. {node.at}: raise Planned"]
            case Add():
                lines += [f"{pad}ctx.state['a{node.id}'] += item"]
            case _:
                values = ", ".join(str(getattr(node, field.name)) for field in fields(node))
                lines += [f"{pad}{type(node).__name__.lower()}({values})"]
    return lines or [f"{pad}pass"]


def _loop(node: Loop) -> str:
    source = node.source
    options = [f"<{source}>"]
    if source.kind != "same":
        options.append(f"{source.kind}=id")
    if node.name is not None:
        options.append(f"name={node.name!r}")
    if node.every is not None:
        options.append(f"every={node.every}")
    recursive = f", calls itself {node.depth} times" if node.depth else ""
    return f"{node.style} item in ctx.track({', '.join(options)}):  # {node.id}{recursive}"
