"""Imports go down only: the table of rooms and floors, enforced on every import statement anywhere."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.guards.tree import PACKAGE, modules, name_of, parsed, shown

FLOOR = {
    "version": 0,
    "core": 1,
    "storage": 2,
    "context": 2,
    "runtime": 3,
    "client": 4,
    "worker": 5,
    "scheduler": 5,
    "app": 6,
    "hosting": 7,
    "public": 7,
    "web": 8,
    "integrations": 8,
    "cli": 9,
}

BELOW_APP = {"version", "core", "storage", "context", "runtime", "client", "worker", "scheduler"}

# What every store has in common.
ANY_STORE = {f"storage.{name}" for name in ("protocol", "verbs", "writes", "gateway", "errors", "topics")}

# A name with a dot allows that module of a room and no other. `public` is `holdfast/__init__.py`: what users import.
MAY_IMPORT: dict[str, set[str]] = {
    "version": set(),
    "core": set(),
    "storage": {"core"},
    "context": {"core"},
    "runtime": {"core", "storage.protocol", "storage.topics"},
    # The gateway is the door to any store: it knows the protocol and no dialect. `context` is here for one name only:
    # the annotation by which a job asks for its JobContext.
    "client": {"core", "context", *ANY_STORE, "storage.joining", "runtime"},
    "worker": {"core", "context", *ANY_STORE, "runtime", "client"},
    "scheduler": {"core", "context", *ANY_STORE, "runtime", "client"},
    "app": BELOW_APP,
    # How an app becomes running processes: the other half of the composition root.
    "hosting": BELOW_APP | {"app"},
    "public": BELOW_APP | {"app"},
    "web": {"version", "core", "runtime", "client"},
    "integrations": {"public"},
    "cli": BELOW_APP | {"app", "hosting", "public", "web"},
}

# Rooms in which two modules still import each other, be it under TYPE_CHECKING; the set only shrinks.
WITH_CIRCLES = {"context", "worker"}

# `core` says what a job means: what reaches outside the process, or returns something else each time, does not belong there.
NOT_IN_CORE = {
    *(
        "asyncio",
        "concurrent",
        "contextvars",
        "http",
        "logging",
        "multiprocessing",
        "queue",
        "sched",
        "threading",
    ),
    *("glob", "importlib", "io", "os", "pathlib", "platform", "resource", "shutil", "sqlite3", "tempfile"),
    *("select", "selectors", "signal", "socket", "ssl", "subprocess", "urllib"),
    *("random", "secrets", "time", "uuid"),
}
CORE_LIBRARIES = {"pydantic"}
NOT_CALLED_IN_CORE = {"now", "utcnow", "today", "open", "print", "input", "uuid1", "uuid4", "urandom"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Each imported module of a file with its line, from anywhere in it."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            # `from holdfast.storage import protocol` names a module too, so the longest that exists is meant.
            for alias in node.names:
                longer = f"{base}.{alias.name}"
                yield node.lineno, longer if is_module(longer) else base


def is_module(name: str) -> bool:
    if name.split(".")[0] != "holdfast":
        return False
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def room_of(module: str) -> str:
    parts = module.split(".")
    if len(parts) == 1:
        return "public"
    return "cli" if parts[1] == "__main__" else parts[1]


def allowed(room: str, module: str) -> bool:
    other = room_of(module)
    if other == room or other in MAY_IMPORT[room]:
        return True
    single = [f"holdfast.{name}" for name in MAY_IMPORT[room] if "." in name]
    return any(module == name or module.startswith(name + ".") for name in single)


def test_the_table_itself_goes_down_only() -> None:
    assert FLOOR.keys() == MAY_IMPORT.keys()
    for room, others in MAY_IMPORT.items():
        for other in others:
            assert FLOOR[other.partition(".")[0]] < FLOOR[room], f"{other} is not below {room}"


def test_every_module_belongs_to_a_room_of_the_table() -> None:
    strangers = {room_of(name_of(path)) for path in modules()} - FLOOR.keys() - {"testing"}
    assert not strangers


def test_imports_go_down_only() -> None:
    wrong: list[str] = []
    looked_at = 0
    for path in modules():
        room = room_of(name_of(path))
        if room == "testing":
            continue
        for line, module in imports(path):
            if module.split(".")[0] == "holdfast":
                looked_at += 1
                if not allowed(room, module):
                    wrong.append(f"{shown(path, line)}: {room} imports {module}")
    assert looked_at > 50
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "room", sorted(FLOOR.keys() - WITH_CIRCLES - {"public", "version", "app", "integrations"})
)
def test_modules_of_a_room_do_not_import_each_other_in_a_circle(room: str) -> None:
    """A circle is one module in two files, also where an import is for the type checker only."""
    inside = {name_of(path): {module for _, module in imports(path)} for path in modules(PACKAGE / room)}
    sorter = TopologicalSorter({name: found & inside.keys() - {name} for name, found in inside.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_nothing_imports_integrations_or_the_test_kit() -> None:
    wrong = [
        f"{shown(path, line)}: imports {module}"
        for path in modules()
        for line, module in imports(path)
        for room in ("integrations", "testing")
        if module.startswith(f"holdfast.{room}") and room_of(name_of(path)) != room
    ]
    assert not wrong, "\n".join(wrong)


def test_core_reaches_nothing_outside() -> None:
    wrong: list[str] = []
    for path in modules(PACKAGE / "core"):
        for line, module in imports(path):
            top = module.split(".")[0]
            known = top == "holdfast" or top in CORE_LIBRARIES or top in sys.stdlib_module_names
            if top in NOT_IN_CORE or not known:
                wrong.append(f"{shown(path, line)}: imports {module}")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name in NOT_CALLED_IN_CORE:
                    wrong.append(f"{shown(path, node.lineno)}: calls {name}()")
            elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
                wrong.append(f"{shown(path, node.lineno)}: is asynchronous")
    assert not wrong, "\n".join(wrong)


def test_context_needs_the_standard_library_only() -> None:
    wrong = [
        f"{shown(path, line)}: imports {module}"
        for path in modules(PACKAGE / "context")
        for line, module in imports(path)
        if module.split(".")[0] not in {"holdfast", *sys.stdlib_module_names}
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("room", "module", "fine"),
    [
        ("core", "holdfast.storage.protocol", False),
        ("client", "holdfast.storage.protocol", True),
        ("client", "holdfast.storage.sqlite.store", False),
        ("web", "holdfast.storage.protocol", False),
        ("web", "holdfast.worker.runner", False),
        ("worker", "holdfast.scheduler.leader", False),
        ("integrations", "holdfast", True),
        ("integrations", "holdfast.client.client", False),
        ("cli", "holdfast.web.app", True),
    ],
)
def test_the_table_means_what_it_says(room: str, module: str, fine: bool) -> None:
    assert allowed(room, module) is fine


def test_imports_are_seen_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.guards.tree.SRC", tmp_path)
    path = tmp_path / "holdfast" / "core" / "sample.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from holdfast.web import live\n"
        "def late():\n    import holdfast.worker.runner\n"
        "from ..storage import protocol\n"
    )
    assert {module for _, module in imports(path)} >= {
        "holdfast.web.live",
        "holdfast.worker.runner",
        "holdfast.storage.protocol",
    }
