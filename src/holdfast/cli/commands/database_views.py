"""The database as output: schema, check, backup."""

from __future__ import annotations

from holdfast.cli.format.table import columns_of
from holdfast.client.views import View
from holdfast.storage.backends import SchemaStatus


class SchemaView(View):
    """The migrations of the database, applied and pending."""

    place: str
    exists: bool
    applied: int
    known: int
    up_to_date: bool
    pending: list[str]
    bytes: int


class CheckView(View):
    """Whether the database is intact."""

    place: str
    sound: bool
    problems: list[str]


class BackupView(View):
    """A copy of the database."""

    place: str
    bytes: int


SCHEMA = columns_of("place exists applied known up_to_date pending bytes")
CHECK = columns_of("place sound problems")
BACKUP = columns_of("place bytes")


def schema_view(status: SchemaStatus) -> SchemaView:
    """The view of a status."""
    return SchemaView(
        place=status.place,
        exists=status.exists,
        applied=status.applied,
        known=status.known,
        up_to_date=status.usable,
        pending=list(status.pending),
        bytes=status.bytes,
    )
