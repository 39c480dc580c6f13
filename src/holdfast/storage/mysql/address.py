"""This exists so that `mysql://user:password@host:port/database` is read in one place, and shown without its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from holdfast.core.errors import ConfigurationError, Problem

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
    parts = urlsplit(url)
    try:
        port = parts.port or PORT
    except ValueError:
        raise _refused("the port is no number") from None
    database = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in SCHEMES or not database or "/" in database:
        raise _refused("names no database")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := options.keys() - OPTIONS:
        known = ", ".join(sorted(OPTIONS))
        raise _refused(f"has an unknown option {sorted(unknown)[0][:40]!r}; there is {known}")
    return Address(
        host=parts.hostname or "127.0.0.1",
        port=port,
        database=database,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        socket=options.get("socket"),
        ssl_ca=options.get("ssl_ca"),
    )


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError([Problem(("database_url",), f"{why}; use {SHAPE}")])
