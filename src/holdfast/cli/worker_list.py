"""This exists so that the workers there are can be listed beside the command that starts one."""

from __future__ import annotations

import typer

from holdfast.cli.options import LISTS, Common, command


def add_to(group: typer.Typer) -> None:
    """Add the command to the group."""

    @command(group, "list", LISTS)
    def list_(common: Common) -> None:  # pyright: ignore[reportUnusedFunction]
        """List the worker processes, the lost ones of the last 24 hours too."""
        from holdfast.cli.answers import WORKERS, answering

        with answering(common) as (desk, writer):
            writer.many(desk.workers(), WORKERS)
