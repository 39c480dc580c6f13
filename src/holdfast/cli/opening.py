"""This exists so that a command finds whom it asks: the server of `--url`, else the store of an app or of the settings."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

from holdfast.cli.desk import Desk
from holdfast.cli.options import Common


def open_desk(common: Common) -> Desk:
    """The server of --url or HOLDFAST_URL, else the store of the app or of the settings."""
    if common.url:
        from holdfast.cli.remote import RemoteDesk

        return RemoteDesk(common.url)
    from holdfast.cli.local import LocalDesk

    return LocalDesk(load(common.app))


def load(path: str | None) -> Any:
    """The app that `path` names; without one, an app without job types that is made from the settings."""
    from holdfast.app import Holdfast
    from holdfast.runtime.plugins import load_app

    if not path:
        return Holdfast()
    with redirect_stdout(sys.stderr):  # what a program prints while it is loaded is no answer of ours
        return load_app(path)
