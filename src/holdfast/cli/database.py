"""This exists so that the database is brought up to date, looked after and copied from a terminal."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.exits import Exit
from holdfast.cli.options import Common, command, new_group

if TYPE_CHECKING:
    from holdfast.storage.sqlite.maintenance import Maintenance

_FORMS = ("app", "json", "fields", "no_color", "verbose")


def group() -> typer.Typer:
    """The commands under `holdfast db`."""
    db = new_group("The database: schema, soundness, copies.")

    @command(db, "status", _FORMS)
    def status(common: Common) -> int:
        """Show where the schema stands; exit code 1 when migrations are pending. Changes nothing."""
        from holdfast.cli.database_views import SCHEMA, schema_view
        from holdfast.cli.output import Writer

        view = schema_view(_maintenance(common).status())
        Writer(common).one(view, SCHEMA, key="place")
        return Exit.DONE if view.up_to_date else Exit.FAILED

    @command(db, "migrate", _FORMS)
    def migrate(common: Common) -> None:
        """Bring the schema up to date; makes the database where there is none. Every start of Holdfast does the same."""
        from holdfast.app import make_store
        from holdfast.cli.database_views import SCHEMA, schema_view
        from holdfast.cli.desk import load
        from holdfast.cli.output import Writer, say

        care = _maintenance(common)
        before = care.status()
        store = make_store(load(common.app).settings)
        store.open()
        store.close()
        for name in before.pending:
            say(f"Applied {name}.")
        if not before.pending:
            say("Nothing to do: the schema is up to date.")
        Writer(common).one(schema_view(care.status()), SCHEMA, key="place")

    @command(db, "check", _FORMS)
    def check(common: Common) -> int:
        """Read the whole database and tell what is damaged; exit code 1 when something is."""
        from holdfast.cli.database_views import CHECK, CheckView
        from holdfast.cli.output import Writer

        care = _maintenance(common)
        problems = care.check()
        Writer(common).one(
            CheckView(place=str(care.path), sound=not problems, problems=problems), CHECK, key="place"
        )
        return Exit.FAILED if problems else Exit.DONE

    @command(db, "backup", _FORMS)
    def backup(
        common: Common,
        target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; must not exist.")],
    ) -> None:
        """Copy the database, as it is at one moment, while Holdfast runs. The copy is a database that can be used."""
        from holdfast.cli.database_views import BACKUP, BackupView
        from holdfast.cli.output import Writer

        size = _maintenance(common).backup(target)
        Writer(common).one(BackupView(place=str(target), bytes=size), BACKUP, key="place")

    return db


def _maintenance(common: Common) -> Maintenance:
    from holdfast.cli.database_views import maintenance_of
    from holdfast.cli.desk import load

    return maintenance_of(load(common.app).settings)
