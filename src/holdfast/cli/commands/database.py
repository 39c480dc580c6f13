"""`holdfast db`: migrate, check, back up and copy the database."""

# The decorators register the functions below.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.exit_codes import ExitCode
from holdfast.cli.options import Common, command, new_group

if TYPE_CHECKING:
    from holdfast.storage.backends import Care

_FORMS = ("app", "json", "fields", "no_color", "verbose")


def group() -> typer.Typer:
    """The commands under `holdfast db`."""
    db = new_group("Database: migrate, check, back up, copy.")

    @command(db, "status", _FORMS)
    def status(common: Common) -> int:
        """Show applied and pending migrations; exit code 1 when some are pending. Changes nothing."""
        from holdfast.cli.commands.database_views import SCHEMA, schema_view
        from holdfast.cli.format.output import Writer

        view = schema_view(_admin(common).status())
        Writer(common).one(view, SCHEMA, key="place")
        return ExitCode.DONE if view.up_to_date else ExitCode.FAILED

    @command(db, "migrate", _FORMS)
    def migrate(common: Common) -> None:
        """Apply pending migrations; creates a missing database. Every start of Holdfast does the same."""
        from holdfast.app import make_store
        from holdfast.cli.backend.opening import load
        from holdfast.cli.commands.database_views import SCHEMA, schema_view
        from holdfast.cli.format.output import Writer, say

        admin = _admin(common)
        before = admin.status()
        store = make_store(load(common.app).settings)
        store.open()
        store.close()
        for name in before.pending:
            say(f"Applied {name}.")
        if not before.pending:
            say("Schema up to date.")
        Writer(common).one(schema_view(admin.status()), SCHEMA, key="place")

    @command(db, "check", _FORMS)
    def check(common: Common) -> int:
        """Check the whole database for damage; exit code 1 when some is found."""
        from holdfast.cli.commands.database_views import CHECK, CheckView
        from holdfast.cli.format.output import Writer

        admin = _admin(common)
        problems = admin.check()
        Writer(common).one(
            CheckView(place=admin.place, sound=not problems, problems=problems), CHECK, key="place"
        )
        return ExitCode.FAILED if problems else ExitCode.DONE

    @command(db, "backup", _FORMS)
    def backup(
        common: Common,
        target: Annotated[Path, typer.Argument(metavar="FILE", help="Target file; must not exist.")],
    ) -> None:
        """Write a consistent copy of the database while Holdfast runs. The copy is a usable database."""
        from holdfast.cli.commands.database_views import BACKUP, BackupView
        from holdfast.cli.format.output import Writer

        size = _admin(common).backup(target)
        Writer(common).one(BackupView(place=str(target), bytes=size), BACKUP, key="place")

    @command(db, "copy", _FORMS)
    def copy(
        common: Common,
        target: Annotated[
            str, typer.Option("--to", metavar="URL", help="Target database; must be empty.")
        ] = "",
        source: Annotated[
            str,
            typer.Option("--from", metavar="URL", help="Source database; default: that of the settings."),
        ] = "",
        wait: Annotated[
            str | None,
            typer.Option(
                metavar="TIME",
                help="Time for running jobs to finish first. By default they continue in the target from their saved state.",
            ),
        ] = None,
        give_back: Annotated[
            bool,
            typer.Option(
                "--give-back", help="With --wait: jobs still running after it continue in the target."
            ),
        ] = False,
        abort: Annotated[
            bool,
            typer.Option("--abort", help="Abort an unfinished copy and make its source writable again."),
        ] = False,
    ) -> None:
        """Move everything to another database of any supported type: drain workers, lock the source, copy, compare."""
        from holdfast.cli.backend.opening import load
        from holdfast.cli.commands import database_copy
        from holdfast.cli.commands.job_wait import deadline_of
        from holdfast.cli.exit_codes import CliError
        from holdfast.cli.format.output import Writer, say
        from holdfast.runtime.configure import database_url

        if bool(target) == abort:
            raise CliError(
                "Either --to or --abort is required.",
                "Use: holdfast db copy --to postgresql://…; or: holdfast db copy --abort",
            )
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


def _admin(common: Common) -> Care:
    from holdfast.cli.backend.opening import database_admin, load

    return database_admin(load(common.app).settings)
