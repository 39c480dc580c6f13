"""This exists so that the workers there are can be listed and drained beside the command that starts one."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import LISTS, Common, command


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group."""

    @command(group, "list", LISTS)
    def list_(common: Common) -> None:
        """List the worker processes, the lost ones of the last 24 hours too."""
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
                metavar="WORKER…", help="Ids or names of worker processes, or a host: all of its."
            ),
        ],
        wait: Annotated[bool, typer.Option("--wait", help="Return when they have ended.")] = False,
        timeout: Annotated[
            str | None, typer.Option(metavar="TIME", help="With --wait: at most so long, for example 10m.")
        ] = None,
    ) -> int:
        """Let workers end with the jobs that they have: they claim nothing more, and nobody starts others in their place."""
        from holdfast.cli.commands.job_wait import deadline_of
        from holdfast.cli.commands.worker_drain import drain_all
        from holdfast.cli.exit_codes import CliError
        from holdfast.cli.session import open_session

        if timeout is not None and not wait:
            raise CliError("--timeout says how long to wait.", "Give --wait too.")
        with open_session(common) as (backend, writer):
            return drain_all(backend, writer, names, wait=wait, deadline=deadline_of(timeout))
