"""This exists so that an installation tells of itself: its settings, its health, its interface."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from holdfast.cli.exits import Exit
from holdfast.cli.options import ASKS, Common, command, new_group

_FORMS = ("app", "json", "ndjson", "ids", "fields", "no_color", "verbose")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the tree."""
    config = new_group("Settings: show, check.")
    app.add_typer(config, name="config")

    @command(config, "show", _FORMS)
    def show(
        common: Common,
        changed: Annotated[
            bool, typer.Option("--changed", help="Only those that differ from their default.")
        ] = False,
    ) -> None:
        """Show every setting, its value and its meaning."""
        from holdfast.cli.config_views import SETTINGS, setting_views
        from holdfast.cli.opening import load
        from holdfast.cli.output import Writer

        views = setting_views(load(common.app).settings)
        Writer(common).many([view for view in views if view.changed or not changed], SETTINGS, key="name")

    @command(config, "check", _FORMS)
    def check(common: Common) -> None:
        """Check holdfast.toml and HOLDFAST_* as `up` would; exit code 2 with every problem when something is wrong."""
        from holdfast.cli.config_check import check_settings
        from holdfast.cli.config_views import SETTINGS, setting_views
        from holdfast.cli.opening import load
        from holdfast.cli.output import Writer, say
        from holdfast.runtime.configure import service_variables

        settings = load(common.app).settings
        check_settings(settings)
        if services := service_variables(os.environ):
            say(f"Ignored, as they describe a network service: {', '.join(services)}")
        views = [view for view in setting_views(settings) if view.changed]
        say(
            f"The settings are fine; {len(views)} of them {'differs' if len(views) == 1 else 'differ'} from the default."
        )
        Writer(common).many(views, SETTINGS, key="name")

    @command(app, "doctor", ASKS)
    def doctor(common: Common) -> int:
        """Look for what is wrong with this installation, or with a server (--url), and say what to do."""
        from holdfast.cli.doctor import examine
        from holdfast.cli.findings import FINDINGS
        from holdfast.cli.output import Writer, say

        writer = Writer(common)
        findings = examine(common)
        writer.many(findings, FINDINGS, key="name")
        bad = [finding for finding in findings if finding.result == "bad"]
        for finding in findings:
            if finding.fix:
                say(f"{finding.name}: {finding.fix}")
        notes = [finding for finding in findings if finding.result == "note"]
        if bad:
            say(f"{len(bad)} of {len(findings)} checks failed.")
        else:
            say(f"Nothing is broken; worth a look: {len(notes)}." if notes else "All is well.")
        return Exit.FAILED if bad else Exit.DONE

    @command(app, "openapi", ASKS)
    def openapi(common: Common) -> None:
        """Write the OpenAPI document of the REST API; without --url that of this program, and no database is touched."""
        from holdfast.cli.output import Writer

        writer = Writer(common)
        writer.json(_described(common))


def _described(common: Common) -> dict[str, Any]:
    if common.url:
        from holdfast.cli.remote import RemoteDesk

        desk = RemoteDesk(common.url)
        try:
            return desk.openapi()
        finally:
            desk.close()
    from holdfast.cli.opening import load
    from holdfast.cli.web_process import described

    return described(load(common.app))
