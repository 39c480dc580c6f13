"""`holdfast worker list` and `drain`: list worker processes, take them out of service."""

# The decorators register the functions below.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import LISTS, Common, command


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group."""

    @command(group, "list", LISTS)
    def list_(common: Common) -> None:
        """List the worker processes, including those lost in the last 24 hours."""
        from holdfast.cli.format.columns import WORKERS
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            writer.many(backend.workers(), WORKERS)

    @command(group, "drain", LISTS)
    def drain(
        common: Common,
        names: Annotated[
            list[str],
            typer.Argument(
                metavar="WORKER…", help="Ids or names of worker processes, or a host for all of its workers."
            ),
        ],
        wait: Annotated[bool, typer.Option("--wait", help="Wait until they have stopped.")] = False,
        timeout: Annotated[
            str | None,
            typer.Option(metavar="TIME", help="With --wait: maximum time to wait, for example 10m."),
        ] = None,
    ) -> int:
        """Drain workers: they finish their jobs, claim no more and are not replaced."""
        from holdfast.cli.commands.job_wait import deadline_of
        from holdfast.cli.commands.worker_drain import drain_all
        from holdfast.cli.exit_codes import CliError
        from holdfast.cli.session import open_session

        if timeout is not None and not wait:
            raise CliError("--timeout requires --wait.", "Add --wait.")
        with open_session(common) as (backend, writer):
            return drain_all(backend, writer, names, wait=wait, deadline=deadline_of(timeout))
