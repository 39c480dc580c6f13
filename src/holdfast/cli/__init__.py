"""How Holdfast is started and driven from a terminal."""

from __future__ import annotations

from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """The command `holdfast`; answers its exit code."""
    try:
        from holdfast.cli.program import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130  # while we were still loading; `Exit.INTERRUPTED` may not be there yet


def __getattr__(name: str) -> Any:
    if name == "app":  # the tree of commands, for whoever wants to walk it; built only when asked for
        from holdfast.cli.program import app

        return app
    raise AttributeError(name)
