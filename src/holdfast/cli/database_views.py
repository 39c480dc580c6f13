"""This exists so that what is known of a database file is shown like everything else: as a value with stable fields."""

from __future__ import annotations

from holdfast.app import make_store
from holdfast.cli.exits import Trouble
from holdfast.cli.output import columns_of
from holdfast.client.views import View
from holdfast.core.settings import Settings
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.sqlite.maintenance import Maintenance, SchemaStatus


class SchemaView(View):
    """Where the schema of the database stands."""

    place: str
    exists: bool
    applied: int
    known: int
    up_to_date: bool
    pending: list[str]
    journal: str
    bytes: int


class CheckView(View):
    """Whether the database is sound."""

    place: str
    sound: bool
    problems: list[str]


class BackupView(View):
    """A copy of the database."""

    place: str
    bytes: int


SCHEMA = columns_of("place exists applied known up_to_date pending journal bytes")
CHECK = columns_of("place sound problems")
BACKUP = columns_of("place bytes")


def maintenance_of(settings: Settings) -> Maintenance:
    """Care for the database of these settings. Raises Trouble where it is not a file."""
    store = make_store(settings)
    if not isinstance(store, SqliteStore):
        raise Trouble(f"The database is {store.scheme}, not a file of ours.", "Use its own tools.")
    return Maintenance(store.path.absolute())


def schema_view(status: SchemaStatus) -> SchemaView:
    """The view of a status."""
    return SchemaView(
        place=status.place,
        exists=status.exists,
        applied=status.applied,
        known=status.known,
        up_to_date=status.applied == status.known,
        pending=list(status.pending),
        journal=status.journal,
        bytes=status.bytes,
    )
