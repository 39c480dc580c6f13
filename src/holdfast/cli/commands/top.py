"""`holdfast top`: a live view of the whole system."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import ASKS, Common, command


def add_to(app: typer.Typer) -> None:
    """Add the command to the tree."""

    @command(app, "top", ASKS)
    def top(  # pyright: ignore[reportUnusedFunction] - the decorator registers it
        common: Common,
        once: Annotated[bool, typer.Option("--once", help="Show one frame and exit.")] = False,
    ) -> int:
        """Show the whole system live: counts, rates, queues, running jobs, workers. q quits."""
        from holdfast.cli.commands.top_view import show
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            return show(backend, writer, once=once)
