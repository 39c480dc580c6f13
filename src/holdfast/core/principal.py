"""Who acts on the system, as it is recorded with every write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """The person or program that acts.

    `name` is stored with each write as its actor, and is what `owner:me` means in a search; None when it is unknown.
    `origin` is stored with the jobs that it enqueues: the interface it uses, such as "api" or "cli"; None for a program
    that uses the library.
    """

    name: str | None = None
    origin: str | None = None


ANONYMOUS = Principal()
