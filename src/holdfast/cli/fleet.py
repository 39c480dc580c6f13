"""This exists so that queues and job types are looked at, and queues paused, from a terminal."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import ASKS, LISTS, Common, command, new_group

_NAMES = Annotated[list[str], typer.Argument(metavar="NAME…", help="Names of queues.")]


def add_to(app: typer.Typer) -> None:
    """Add the groups to the tree."""
    app.add_typer(_queues(), name="queue")
    app.add_typer(_types(), name="type")


def _queues() -> typer.Typer:
    group = new_group("Queues: look, pause, resume.")

    @command(group, "list", LISTS)
    def list_(common: Common) -> None:
        """List the queues that a job, a type or a pause names."""
        from holdfast.cli.answers import QUEUES, answering

        with answering(common) as (desk, writer):
            writer.many(desk.queues(), QUEUES, key="name")

    @command(group, "pause", LISTS)
    def pause(
        common: Common,
        names: _NAMES,
        reason: Annotated[str | None, typer.Option(help="Why; shown beside the queue.")] = None,
    ) -> None:
        """Let no worker take jobs from queues. Running jobs go on; jobs may still be added."""
        from holdfast.cli.answers import QUEUES, answering

        with answering(common, makes=True) as (desk, writer):
            writer.many([desk.pause_queue(name, reason) for name in names], QUEUES, key="name")

    @command(group, "resume", LISTS)
    def resume(common: Common, names: _NAMES) -> None:
        """Open paused queues."""
        from holdfast.cli.answers import QUEUES, answering

        with answering(common) as (desk, writer):
            writer.many([desk.resume_queue(name) for name in names], QUEUES, key="name")

    return group


def _types() -> typer.Typer:
    group = new_group("Job types: what can be queued.")

    @command(group, "list", LISTS)
    def list_(common: Common) -> None:
        """List the job types that workers have published."""
        from holdfast.cli.answers import TYPES, answering

        with answering(common) as (desk, writer):
            writer.many(desk.types(), TYPES, key="name")

    @command(group, "show", ASKS)
    def show(
        common: Common, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the job type.")]
    ) -> None:
        """Show one job type, with the JSON Schema of its arguments."""
        from holdfast.cli.answers import TYPE, answering

        with answering(common) as (desk, writer):
            writer.one(desk.type(name), TYPE, key="name")

    return group
