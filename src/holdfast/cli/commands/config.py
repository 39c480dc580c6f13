"""`holdfast config`: show and check the settings."""

# The decorators register the functions below.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import os
from typing import Annotated

import typer

from holdfast.cli.options import Common, command, new_group

_FORMS = ("app", "json", "ndjson", "ids", "fields", "no_color", "verbose")


def group() -> typer.Typer:
    """The commands under `holdfast config`."""
    config = new_group("Settings: show, check.")

    @command(config, "show", _FORMS)
    def show(
        common: Common,
        changed: Annotated[
            bool, typer.Option("--changed", help="Show only settings that differ from their default.")
        ] = False,
    ) -> None:
        """Show every setting with its value and meaning."""
        from holdfast.cli.backend.opening import load
        from holdfast.cli.commands.config_views import SETTINGS, setting_views
        from holdfast.cli.format.output import Writer

        views = setting_views(load(common.app).settings)
        Writer(common).many([view for view in views if view.changed or not changed], SETTINGS, key="name")

    @command(config, "check", _FORMS)
    def check(common: Common) -> None:
        """Check holdfast.toml and HOLDFAST_* as `up` does; exit code 2 with all problems when one is found."""
        from holdfast.cli.backend.opening import load
        from holdfast.cli.commands.config_check import check_settings
        from holdfast.cli.commands.config_views import SETTINGS, setting_views
        from holdfast.cli.format.output import Writer, say
        from holdfast.runtime.configure import service_variables

        settings = load(common.app).settings
        check_settings(settings)
        if services := service_variables(os.environ):
            say(f"Ignored variables of a network service: {', '.join(services)}")
        views = [view for view in setting_views(settings) if view.changed]
        say(f"Settings valid; {len(views)} {'differs' if len(views) == 1 else 'differ'} from the default.")
        Writer(common).many(views, SETTINGS, key="name")

    return config
