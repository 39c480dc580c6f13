"""How Holdfast is started and driven from a terminal."""

from __future__ import annotations

from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """The command `holdfast`; answers its exit code."""
    from holdfast.cli.program import run

    return run(arguments)


def __getattr__(name: str) -> Any:
    if name == "app":  # the tree of commands, for whoever wants to walk it; built only when asked for
        from holdfast.cli.program import app

        return app
    raise AttributeError(name)
