"""This exists so that the database is brought up to date, looked after and copied from a terminal."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.exit_codes import ExitCode
from holdfast.cli.options import Common, command, new_group

if TYPE_CHECKING:
    from holdfast.storage.kinds import Care

_FORMS = ("app", "json", "fields", "no_color", "verbose")


def group() -> typer.Typer:
    """The commands under `holdfast db`."""
    db = new_group("The database: schema, soundness, copies.")

    @command(db, "status", _FORMS)
    def status(common: Common) -> int:
        """Show where the schema stands; exit code 1 when migrations are pending. Changes nothing."""
        from holdfast.cli.commands.database_views import SCHEMA, schema_view
        from holdfast.cli.format.output import Writer

        view = schema_view(_care(common).status())
        Writer(common).one(view, SCHEMA, key="place")
        return ExitCode.DONE if view.up_to_date else ExitCode.FAILED

    @command(db, "migrate", _FORMS)
    def migrate(common: Common) -> None:
        """Bring the schema up to date; makes the database where there is none. Every start of Holdfast does the same."""
        from holdfast.app import make_store
        from holdfast.cli.backend.opening import load
        from holdfast.cli.commands.database_views import SCHEMA, schema_view
        from holdfast.cli.format.output import Writer, say

        care = _care(common)
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
        from holdfast.cli.commands.database_views import CHECK, CheckView
        from holdfast.cli.format.output import Writer

        care = _care(common)
        problems = care.check()
        Writer(common).one(
            CheckView(place=care.place, sound=not problems, problems=problems), CHECK, key="place"
        )
        return ExitCode.FAILED if problems else ExitCode.DONE

    @command(db, "backup", _FORMS)
    def backup(
        common: Common,
        target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; must not exist.")],
    ) -> None:
        """Copy the database, as it is at one moment, while Holdfast runs. The copy is a database that can be used."""
        from holdfast.cli.commands.database_views import BACKUP, BackupView
        from holdfast.cli.format.output import Writer

        size = _care(common).backup(target)
        Writer(common).one(BackupView(place=str(target), bytes=size), BACKUP, key="place")

    @command(db, "copy", _FORMS)
    def copy(
        common: Common,
        target: Annotated[
            str, typer.Option("--to", metavar="URL", help="The new database; must be empty.")
        ] = "",
        source: Annotated[
            str,
            typer.Option("--from", metavar="URL", help="The database to move; else that of the settings."),
        ] = "",
        wait: Annotated[
            str | None,
            typer.Option(
                metavar="TIME",
                help="How long running jobs may take to end first. Else they continue in the target where they are.",
            ),
        ] = None,
        give_back: Annotated[
            bool,
            typer.Option("--give-back", help="With --wait: jobs that still run then continue in the target."),
        ] = False,
        abort: Annotated[
            bool,
            typer.Option("--abort", help="Give up a copy that has not ended, and open its source again."),
        ] = False,
    ) -> None:
        """Move everything to another database, of whatever kind: drain the workers, close the source, copy, compare."""
        from holdfast.cli.backend.opening import load
        from holdfast.cli.commands import database_copy
        from holdfast.cli.commands.job_wait import deadline_of
        from holdfast.cli.exit_codes import CliError
        from holdfast.cli.format.output import Writer, say
        from holdfast.runtime.configure import database_url

        if bool(target) == abort:
            raise CliError("Where to?", "holdfast db copy --to postgresql://…; or give up a copy: --abort")
        settings = load(common.app).settings
        source = source or database_url(settings)
        if abort:
            database_copy.abort(settings, source)
            return
        writer = Writer(common)
        view = database_copy.copy(
            settings, source, target, deadline=deadline_of(wait or "0s"), give_back=give_back or wait is None
        )
        writer.one(view, database_copy.COPY, key="target")
        say(database_copy.next_step(target))

    return db


def _care(common: Common) -> Care:
    from holdfast.cli.backend.opening import database_admin, load

    return database_admin(load(common.app).settings)
