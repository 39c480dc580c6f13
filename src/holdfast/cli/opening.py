"""This exists so that a command finds whom it asks: the server of `--url`, else the store of an app or of the settings."""

from __future__ import annotations

import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from holdfast.cli.desk import Desk
from holdfast.cli.exits import Exit, Trouble
from holdfast.cli.options import Common


def open_desk(common: Common, *, makes: bool) -> Desk:
    """The server of --url or HOLDFAST_URL, else the store of the app or of the settings. `makes`: whether the command may
    make the store; for any other one a store that is not there is an empty one."""
    if common.url:
        from holdfast.cli.remote import RemoteDesk

        return RemoteDesk(common.url)
    from holdfast.cli.database_views import care_of
    from holdfast.cli.local import LocalDesk

    app = load(common.app)
    if not makes:
        status = care_of(app.settings).status()
        if not status.exists:
            from holdfast.cli.empty import EmptyDesk

            return EmptyDesk(status.place)
    return LocalDesk(app)


def load(path: str | None) -> Any:
    """The app that `path` names; without one, an app without job types that is made from the settings. Raises Trouble with
    the place in the program when it cannot be imported."""
    from holdfast.app import Holdfast
    from holdfast.core.errors import HoldfastError
    from holdfast.runtime.app_loader import load_app

    if not path:
        return Holdfast()
    with redirect_stdout(sys.stderr):  # what a program prints while it is loaded is no answer of ours
        try:
            return load_app(path)
        except HoldfastError:
            raise
        except Exception as error:
            what = f"{path} cannot be imported: {type(error).__name__}: {error}{_place(error)}"
            raise Trouble(
                what, "See the whole trace: the same command with --verbose", Exit.FAILED
            ) from error


def _place(error: Exception) -> str:
    """Where in a file of the program it happened: the innermost frame that is not of the import system."""
    if isinstance(error, SyntaxError):
        return ""  # its words name the file and the line already
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_file()]
    last = frames[-1] if frames else None
    return f" ({last.filename}, line {last.lineno})" if last else ""
