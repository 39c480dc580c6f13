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
    queues = new_group("Queues: list, pause, resume.")

    @command(queues, "list", LISTS)
    def list_(common: Common) -> None:
        """List the queues that have jobs, job types or a pause."""
        from holdfast.cli.format.columns import QUEUES
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            writer.many(backend.queues(), QUEUES, key="name")

    @command(queues, "pause", LISTS)
    def pause(
        common: Common,
        names: _NAMES,
        reason: Annotated[str | None, typer.Option(help="Reason, shown with the queue.")] = None,
    ) -> None:
        """Pause queues: workers claim no jobs from them. Running jobs continue; jobs can still be enqueued."""
        from holdfast.cli.format.columns import QUEUES
        from holdfast.cli.session import open_session

        with open_session(common, creates=True) as (backend, writer):
            writer.many([backend.pause_queue(name, reason) for name in names], QUEUES, key="name")

    @command(queues, "resume", LISTS)
    def resume(common: Common, names: _NAMES) -> None:
        """Resume paused queues."""
        from holdfast.cli.format.columns import QUEUES
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            writer.many([backend.resume_queue(name) for name in names], QUEUES, key="name")

    return queues
