"""`holdfast openapi`: write the OpenAPI document of the REST API."""

from __future__ import annotations

from typing import Any

import typer

from holdfast.cli.options import ASKS, Common, command


def add_to(app: typer.Typer) -> None:
    """Add the command to the tree."""

    @command(app, "openapi", ASKS)
    def openapi(common: Common) -> None:  # pyright: ignore[reportUnusedFunction] - the decorator registers it
        """Write the OpenAPI document of the REST API; without --url, that of this version, without opening a database."""
        from holdfast.cli.format.output import Writer

        writer = Writer(common)
        writer.json(_described(common))


def _described(common: Common) -> dict[str, Any]:
    if common.url:
        from holdfast.cli.backend.remote import RemoteBackend

        backend = RemoteBackend(common.url)
        try:
            return backend.openapi()
        finally:
            backend.close()
    from holdfast.cli.backend.opening import load
    from holdfast.cli.web_process import described

    return described(load(common.app))
