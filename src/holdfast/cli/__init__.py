"""How Holdfast is started and driven from a terminal."""

from __future__ import annotations

from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """The command `holdfast`; answers its exit code."""
    if arguments is None:
        # first of all: what is opened from here on must not get the number of a closed standard file
        from holdfast.hosting.init import run_below_init
        from holdfast.runtime.output import open_standard_files

        open_standard_files()
        run_below_init()
    try:
        from holdfast.cli.program import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130  # while we were still loading; `ExitCode.INTERRUPTED` may not be there yet


def __getattr__(name: str) -> Any:
    if name == "app":  # the tree of commands, for whoever wants to walk it; built only when asked for
        from holdfast.cli.program import app

        return app
    raise AttributeError(name)
