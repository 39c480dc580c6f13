"""Opens the backend of a command: the server of `--url`, else the store of an app or of the settings."""

from __future__ import annotations

import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.backend.protocol import Backend
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.cli.options import Common

if TYPE_CHECKING:
    from holdfast.core.settings import Settings
    from holdfast.storage.backends import Care


def open_backend(common: Common, *, creates: bool) -> Backend:
    """The server of --url or HOLDFAST_URL, else the store of the app or of the settings. `creates`: whether the command
    may create the store; for other commands a missing store is an empty one."""
    if common.url:
        from holdfast.cli.backend.remote import RemoteBackend

        return RemoteBackend(common.url)
    from holdfast.cli.backend.local import LocalBackend

    app = load(common.app)
    if not creates:
        status = database_admin(app.settings).status()
        if not status.exists:
            from holdfast.cli.backend.empty import EmptyBackend

            return EmptyBackend(status.place)
    return LocalBackend(app)


def database_admin(settings: Settings) -> Care:
    """The administration of the database of these settings: status, check, backup."""
    from holdfast.runtime.configure import database_url
    from holdfast.storage.backends import kind_of

    url = database_url(settings)
    return kind_of(url).care(url)


def load(path: str | None) -> Any:
    """The app that `path` names; without a path, an app without job types, made from the settings. Raises CliError with the
    file and line when the app cannot be imported."""
    from holdfast.app import Holdfast
    from holdfast.core.errors import HoldfastError
    from holdfast.runtime.app_loader import load_app

    if not path:
        return Holdfast()
    # standard output is for data only, so what the app prints at its import goes to standard error
    with redirect_stdout(sys.stderr):
        try:
            return load_app(path)
        except HoldfastError:
            raise
        except Exception as error:
            message = f"{path} cannot be imported: {type(error).__name__}: {error}{_place(error)}"
            raise CliError(
                message, "See the full traceback: run the same command with --verbose", ExitCode.FAILED
            ) from error


def _place(error: Exception) -> str:
    """File and line of the error: the innermost frame that is not part of the import system."""
    if isinstance(error, SyntaxError):
        return ""  # its message already names the file and the line
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_file()]
    last = frames[-1] if frames else None
    return f" ({last.filename}, line {last.lineno})" if last else ""
