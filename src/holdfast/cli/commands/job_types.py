"""`holdfast type`: list and show job types."""

# The decorators register the functions below.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import ASKS, LISTS, Common, command, new_group


def group() -> typer.Typer:
    """The commands under `holdfast type`."""
    types = new_group("Job types: list, show.")

    @command(types, "list", LISTS)
    def list_(common: Common) -> None:
        """List the job types that workers have published."""
        from holdfast.cli.format.columns import TYPES
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            writer.many(backend.types(), TYPES, key="name")

    @command(types, "show", ASKS)
    def show(
        common: Common, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the job type.")]
    ) -> None:
        """Show one job type, with the JSON Schema of its arguments."""
        from holdfast.cli.format.columns import TYPE
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            writer.one(backend.type(name), TYPE, key="name")

    return types
