"""`holdfast queue`: list, pause and resume queues."""

# The decorators register the functions below.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import LISTS, Common, command, new_group

_NAMES = Annotated[list[str], typer.Argument(metavar="NAME…", help="Names of queues.")]


def group() -> typer.Typer:
    """The commands under `holdfast queue`."""
    queues = new_group("Queues: look, pause, resume.")

    @command(queues, "list", LISTS)
    def list_(common: Common) -> None:
        """List the queues that a job, a type or a pause names."""
        from holdfast.cli.format.columns import QUEUES
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            writer.many(backend.queues(), QUEUES, key="name")

    @command(queues, "pause", LISTS)
    def pause(
        common: Common,
        names: _NAMES,
        reason: Annotated[str | None, typer.Option(help="Why; shown beside the queue.")] = None,
    ) -> None:
        """Let no worker take jobs from queues. Running jobs go on; jobs may still be added."""
        from holdfast.cli.format.columns import QUEUES
        from holdfast.cli.session import open_session

        with open_session(common, creates=True) as (backend, writer):
            writer.many([backend.pause_queue(name, reason) for name in names], QUEUES, key="name")

    @command(queues, "resume", LISTS)
    def resume(common: Common, names: _NAMES) -> None:
        """Open paused queues."""
        from holdfast.cli.format.columns import QUEUES
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            writer.many([backend.resume_queue(name) for name in names], QUEUES, key="name")

    return queues
