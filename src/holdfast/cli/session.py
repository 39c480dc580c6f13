"""The backend and the writer of one command, opened and closed together."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from holdfast.cli.backend.opening import open_backend
from holdfast.cli.backend.protocol import Backend
from holdfast.cli.exit_codes import CliError, cli_error_for
from holdfast.cli.format.output import Writer, say
from holdfast.cli.options import Common
from holdfast.core.errors import NotFound, UnknownJobType


@contextmanager
def open_session(common: Common, *, creates: bool = False) -> Generator[tuple[Backend, Writer]]:
    """The backend and the writer of one command. When nothing is found, a message names the store or server that was
    searched. `creates`: the command may create a store that does not exist yet."""
    writer = Writer(
        common
    )  # first, so that options that cannot be combined are rejected before anything is opened
    backend = open_backend(common, creates=creates)
    try:
        yield backend, writer
        if writer.found_nothing:
            say(f"Nothing found in {backend.place}")
    except (NotFound, UnknownJobType) as error:
        cli_error = cli_error_for(error)
        assert cli_error is not None
        where = f"Searched in {backend.place}"
        hint = f"{cli_error.hint}. {where}" if cli_error.hint else where
        raise CliError(cli_error.message, hint, cli_error.exit_code) from error
    finally:
        backend.close()
