"""Verbs of the leases by which one process leads a role."""

from __future__ import annotations

from typing import Protocol

from holdfast.core.records import LeaderRecord


class LeaseWrites(Protocol):
    """Acquire and release."""

    def acquire_lease(self, role: str, holder: str, *, lease: float) -> int | None:
        """Lead a role for so many seconds: acquire a lease that is free, or renew one's own; one guarded statement, by the
        store's lease clock. Returns the term, None when another one leads.

        A new holder begins a new term, one above the last; terms begin with 1 and never go back, also after
        `release_lease`. A renewal keeps the term, even when the lease had run out, as long as no other has acquired it.
        Repeating a call is harmless."""
        ...

    def release_lease(self, role: str, holder: str) -> bool:
        """Release a lease, so that the next holder need not wait for its end. Returns whether it was held."""
        ...


class LeaseReads(Protocol):
    """Who leads."""

    def leaders(self) -> list[LeaderRecord]:
        """The holders of all roles, by role; only those whose lease is valid."""
        ...

    def led_until(self, role: str) -> int | None:
        """When the newest lease of a role ends or has ended; None when it was never acquired."""
        ...
