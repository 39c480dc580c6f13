"""Reads `mysql://user:password@host:port/database`, and shows it without its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.urls import split_url

SCHEMES: Final = ("mysql", "mariadb")
SHAPE: Final = "mysql://user:password@host:3306/database"
PORT: Final = 3306
OPTIONS: Final = frozenset({"socket", "ssl_ca"})


@dataclass(frozen=True, slots=True)
class Address:
    """Which database, and as whom. `socket`: the path of a local server's socket. `ssl_ca`: the file of the authority that
    the server's certificate must come from; with it the connection is encrypted and the server's name is checked."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(default="", repr=False)
    socket: str | None = None
    ssl_ca: str | None = None

    @property
    def shown(self) -> str:
        """Where it is, in words that may stand in a log."""
        place = self.socket or f"{self.host}:{self.port}"
        return f"{self.user}@{place}/{self.database}"


def read_address(url: str) -> Address:
    """The address that a URL names. Raises ConfigurationError, whose words show no part of the URL but names of options."""
    try:
        parts = split_url(url)
    except ValueError as error:
        raise _refused(str(error)) from None
    host, port = _host_and_port(parts.hosts)
    database = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in SCHEMES or not database or "/" in database:
        raise _refused("names no database")
    options = {
        unquote(name): unquote(value) for name, _, value in (pair.partition("=") for pair in parts.query)
    }
    if unknown := options.keys() - OPTIONS:
        known = ", ".join(sorted(OPTIONS))
        raise _refused(f"has an unknown option {sorted(unknown)[0][:40]!r}; there is {known}")
    return Address(
        host=host,
        port=port,
        database=database,
        user=unquote(parts.user or "root"),
        password=unquote(parts.password or ""),
        socket=options.get("socket"),
        ssl_ca=options.get("ssl_ca"),
    )


def _host_and_port(place: str) -> tuple[str, int]:
    host, port = place, ""
    if not place.endswith("]") and ":" in place:
        host, _, port = place.rpartition(":")
    number = int(port) if port else PORT
    if "," in place or number > 65_535:
        raise _refused("names no single host and port")
    return unquote(host.strip("[]")) or "127.0.0.1", number


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError([Problem(("database_url",), f"{why}; use {SHAPE}")])
