"""URLs of databases and brokers: their parts, and how they are shown without a password."""

from __future__ import annotations

import re
from dataclasses import dataclass

HIDDEN = "•••"

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_ADDRESS = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?")
_SECRET = re.compile(r"(?:password|passwd|pwd|secret|token)$", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"((?:password|passwd|pwd|secret|token)\s*=\s*)('(?:[^'\\]|\\.)*'?|[^&\s]*)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of `scheme://user:password@host:port,host:port/path?query`, each as it was written."""

    scheme: str
    user: str
    password: str | None
    hosts: str
    path: str
    """With the slash that begins it; "" when there is none."""

    query: tuple[str, ...]
    """The `name=value` pairs."""

    def parameter(self, name: str) -> str | None:
        """The decoded value of a parameter, the last one when it is repeated."""
        values = [pair.partition("=")[2] for pair in self.query if pair.partition("=")[0] == name]
        return decoded(values[-1]) if values else None

    def without(self, *names: str) -> Url:
        """The same URL without these parameters."""
        kept = tuple(pair for pair in self.query if pair.partition("=")[0] not in names)
        return Url(self.scheme, self.user, self.password, self.hosts, self.path, kept)

    def without_password(self) -> str:
        """Its text without the password, and without parameters that hold one; all else as it was written."""
        kept = [pair for pair in self.query if not _SECRET.search(decoded(pair.partition("=")[0]))]
        user = f"{self.user}@" if self.user else ""
        return f"{self.scheme}://{user}{self.hosts}{self.path}{_joined(kept)}"

    def __str__(self) -> str:
        password = "" if self.password is None else f":{self.password}"
        user = f"{self.user}{password}@" if self.user or password else ""
        return f"{self.scheme}://{user}{self.hosts}{self.path}{_joined(self.query)}"

    __repr__ = without_password


def sqlite_path(url: str) -> str | None:
    """The path that a URL of the embedded database names, unchanged; None for any other URL."""
    scheme, _, rest = url.partition("://")
    return rest[1:] if scheme == "sqlite" and rest.startswith("/") and rest != "/" else None


def split_url(url: str) -> Url:
    """The parts of a URL, found as libpq finds them: user and password end at the first @, the host at the first /, the
    query begins at the first ? after that, and # is a letter like any other.

    Raises ValueError, whose text shows nothing of the URL, where a password that is not encoded may have been cut apart:
    its rest would be connected to, logged and shown as a host, port or path.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        raise ValueError("has no ://")
    credentials = re.match(r"([^:@/]*)(?::([^@/]*))?@", rest)
    user, password = credentials.groups() if credentials else ("", None)
    place, _, query = (rest[credentials.end() :] if credentials else rest).partition("?")
    hosts, slash, path = place.partition("/")
    if "@" in place:
        raise ValueError("has an @ that does not end user and password; write @ in them as %40, / as %2F")
    for address in hosts.split(","):
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise ValueError("has a host that cannot be read; an IPv6 address must be written in [ ]")
        if found[1] and not (found[1].isascii() and found[1].isdigit()):
            raise ValueError("has a port that is no number")
    return Url(scheme, user, password, hosts, slash + path, tuple(pair for pair in query.split("&") if pair))


def masked(text: str) -> str:
    """A URL, or what was meant to be one, with everything hidden that may be a password or a token."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "", text
    # the last @: one that belongs to the password may not have been encoded
    credentials, at, place = rest.rpartition("@")
    if at:
        user, colon, _ = credentials.partition(":")
        # brokers take a lone token in place of a user
        hidden = (
            f"{user}:{HIDDEN}"
            if colon
            else user
            if mark and not scheme.startswith(("nats", "redis"))
            else HIDDEN
        )
        rest = f"{hidden}@{place}"
    return _ASSIGNED.sub(rf"\1{HIDDEN}", f"{scheme}{mark}{rest}")


def decoded(text: str) -> str:
    """The text with its percent-encoded bytes read as UTF-8."""
    return _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode()).decode(
        errors="replace"
    )


def _joined(pairs: tuple[str, ...] | list[str]) -> str:
    return f"?{'&'.join(pairs)}" if pairs else ""
