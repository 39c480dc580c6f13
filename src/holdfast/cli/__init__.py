"""The command line: how Holdfast is started and controlled from a terminal."""

from __future__ import annotations

from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Run the command `holdfast` and return its exit code."""
    if arguments is None:
        # first, so that no file opened later gets the number of a closed standard stream
        from holdfast.hosting.init import run_below_init
        from holdfast.runtime.output import open_standard_files

        open_standard_files()
        run_below_init()
    try:
        from holdfast.cli.program import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130  # during the imports, when `ExitCode.INTERRUPTED` may not be defined yet


def __getattr__(name: str) -> Any:
    if name == "app":  # the tree of commands, for documentation and tests; built on first access
        from holdfast.cli.program import app

        return app
    raise AttributeError(name)
