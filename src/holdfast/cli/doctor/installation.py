"""Runs the checks of `holdfast doctor`, and those of the installation itself."""

from __future__ import annotations

import platform
import shutil
import socket
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from holdfast.cli.backend.opening import load
from holdfast.cli.doctor.findings import Check, Finding
from holdfast.cli.exit_codes import CliError, cli_error_for
from holdfast.cli.format.job_text import exact
from holdfast.cli.options import Common
from holdfast.core.errors import HoldfastError
from holdfast.core.settings import Settings
from holdfast.runtime.configure import database_url
from holdfast.version import VERSION

MIN_FREE = 200 * 1024 * 1024


def examine(common: Common) -> list[Finding]:
    """The findings of every check, of this installation or of the server of --url. A check that raises is a finding."""
    if common.url:
        from holdfast.cli.backend.remote import RemoteBackend
        from holdfast.cli.doctor.server import server_checks

        with closing(RemoteBackend(common.url)) as backend:
            return [
                finding for name, check in server_checks(backend) for finding in _findings_of(name, check)
            ]
    try:
        app = load(common.app)
        settings = app.settings
    except HoldfastError as error:
        return [_version(), _failed("settings", error)]
    from holdfast.cli.doctor.store import store_checks

    with closing(app):
        checks: list[tuple[str, Check]] = [
            ("version", _version),
            ("settings", lambda: Finding(name="settings", result="good", found="all valid")),
            ("clock", _clock),
            *_of_folder(settings),
            ("port", lambda: _port(settings)),
            *store_checks(app),
        ]
        return [finding for name, check in checks for finding in _findings_of(name, check)]


def _findings_of(name: str, check: Check) -> list[Finding]:
    try:
        found = check()
    except (HoldfastError, CliError, OSError) as error:
        return [_failed(name, error)]
    return found if isinstance(found, list) else [found]


def _failed(name: str, error: Exception) -> Finding:
    cli_error = cli_error_for(error) or CliError(str(error))
    return Finding(name=name, result="bad", found=cli_error.message, fix=cli_error.hint)


def _version() -> Finding:
    python = f"Python {platform.python_version()} ({sys.executable})"
    return Finding(name="version", result="good", found=f"Holdfast {VERSION}, {python}")


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now.year < 2025:
        fix = "Set the clock, for example by NTP."
        return Finding(name="clock", result="bad", found=f"{now:%Y-%m-%d %H:%M:%S} UTC", fix=fix)
    return Finding(
        name="clock", result="good", found=f"{now:%Y-%m-%d %H:%M:%S} UTC, zone {now.astimezone().tzname()}"
    )


def _of_folder(settings: Settings) -> list[tuple[str, Check]]:
    """The check of the data folder; none for a database on a server, which needs no folder."""
    embedded = database_url(settings).startswith("sqlite:")
    return [("folder", lambda: _folder(Path(settings.data_dir)))] if embedded else []


def _folder(folder: Path) -> Finding:
    where = folder.resolve()
    there = next(path for path in (where, *where.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".holdfast-doctor-"):
            free = shutil.disk_usage(there).free
    except OSError as error:
        fix = "Make the folder writable for this user, or choose another: HOLDFAST_DATA_DIR"
        return Finding(
            name="folder", result="bad", found=f"{where} is not writable: {error.strerror}", fix=fix
        )
    found = f"{where} is writable, {exact(free // 1024**2)} MiB free"
    if free < MIN_FREE:
        fix = "Free space on this disk, or choose another: HOLDFAST_DATA_DIR"
        return Finding(name="folder", result="bad", found=found, fix=fix)
    return Finding(name="folder", result="good", found=found)


def _port(settings: Settings) -> Finding:
    where = f"{settings.host}, port {settings.port}"
    if settings.port == 0:
        return Finding(name="port", result="good", found="any free port")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host.strip("[]"), settings.port), family=family).close()
    except OSError as error:
        if _is_ours(settings):
            return Finding(name="port", result="good", found=f"{where}: in use by Holdfast")
        fix = "Choose another port: HOLDFAST_PORT=8601, or 0 for any free port."
        return Finding(name="port", result="bad", found=f"{where}: {error.strerror}", fix=fix)
    return Finding(name="port", result="note", found=f"{where}: free, no web server is running")


def _is_ours(settings: Settings) -> bool:
    import httpx

    host = f"[{settings.host.strip('[]')}]" if ":" in settings.host else settings.host
    try:
        response = httpx.get(f"http://{host}:{settings.port}/health/live", timeout=2.0, trust_env=False)
        return response.json().get("status") == "live"
    except (httpx.HTTPError, ValueError, AttributeError):
        return False
