"""How the code of a program is changed while its job is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.programs.nodes import Break, Effect, Loop, Map, Node, Raise, Source, Step, all_nodes, children

NEW = 900
"""Ids of nodes that a deploy adds begin here."""


def deployed(body: tuple[Node, ...], kind: str) -> tuple[Node, ...]:
    """The changed program; the same where the change does not fit it."""
    return DEPLOYS[kind](body)


def is_sure(kind: str) -> bool:
    """Whether what was done stays done: nothing around it was changed."""
    return kind in ("append", "rename step", "remove named")


def _new_loop(id: int) -> Loop:
    return Loop(id, None, Source("same", "list", 3), (Effect(id + 1),))


def _append(body: tuple[Node, ...]) -> tuple[Node, ...]:
    return body if _has(body, NEW) else (*body, _new_loop(NEW))


def _insert(body: tuple[Node, ...]) -> tuple[Node, ...]:
    return (_new_loop(NEW + 10), *body) if _recognizable(body) and not _has(body, NEW + 10) else body


def _rename_step(body: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(replace(node, renamed=True) if isinstance(node, Step) else node for node in body)


def _remove_named(body: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(node for node in body if not (isinstance(node, Loop) and node.name is not None))


def _remove_unnamed(body: tuple[Node, ...]) -> tuple[Node, ...]:
    if not _recognizable(body):
        return body
    first = next((node for node in body if isinstance(node, Loop) and node.name is None), None)
    return tuple(node for node in body if node is not first)


def _swap(body: tuple[Node, ...]) -> tuple[Node, ...]:
    """The first two loops without a name change places."""
    places = [n for n, node in enumerate(body) if isinstance(node, Loop) and node.name is None]
    if len(places) < 2 or not _recognizable(body):
        return body
    changed = list(body)
    changed[places[0]], changed[places[1]] = body[places[1]], body[places[0]]
    return tuple(changed)


def _rename_loop(body: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(
        replace(node, name=f"{node.name}new") if isinstance(node, Loop) and node.name is not None else node
        for node in body
    )


def _other_kind(body: tuple[Node, ...]) -> tuple[Node, ...]:
    """The loops walk through their source in another way."""
    kinds = {"same": ("after", "numbers"), "after": ("key", "numbers"), "key": ("after", "texts")}
    changed: list[Node] = []
    for node in body:
        if isinstance(node, Loop) and not any(
            isinstance(inner, Break | Raise) for inner in all_nodes((node,))
        ):
            kind, form = kinds[node.source.kind]
            node = replace(node, source=Source(kind, form, node.source.size))
        changed.append(node)
    return tuple(changed)


def _has(body: tuple[Node, ...], id: int) -> bool:
    return any(node.id == id for node in body)


def _recognizable(body: tuple[Node, ...]) -> bool:
    """Whether loops without a name can be told apart by their items, without walking through them."""
    return all(
        node.source.kind == "same" and node.source.form in ("list", "range")
        for node in _in_one_scope(body)
        if isinstance(node, Loop) and node.name is None
    )


def _in_one_scope(body: tuple[Node, ...]) -> Iterator[Node]:
    """The nodes that are not in an item of a loop of this body."""
    for node in body:
        yield node
        if not isinstance(node, Loop | Map):
            for inner in children(node):
                yield from _in_one_scope(inner)


DEPLOYS: dict[str, Callable[[tuple[Node, ...]], tuple[Node, ...]]] = {
    "append": _append,
    "insert": _insert,
    "rename step": _rename_step,
    "remove named": _remove_named,
    "remove unnamed": _remove_unnamed,
    "swap": _swap,
    "rename loop": _rename_loop,
    "other kind": _other_kind,
}
