"""The read-only lock of a database: a row of `meta`."""

from __future__ import annotations

import json
from typing import cast

import apsw

from holdfast.core.dump import Seal
from holdfast.core.errors import StorageUnavailable

_SEALED = "SELECT value FROM meta WHERE name = 'sealed'"
_SEAL = "INSERT INTO meta (name, value) VALUES ('sealed', ?1) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_UNSEAL = "DELETE FROM meta WHERE name = 'sealed'"


def seal_on(db: apsw.Connection) -> Seal | None:
    """The seal, as this connection sees it."""
    found = next(db.execute(_SEALED), None)
    return None if found is None else Seal(*json.loads(cast(str, found[0])))


def refuse_sealed(db: apsw.Connection) -> None:
    """Raise StorageUnavailable when the store is sealed. Called inside the writing transaction, during which no other
    process can seal it."""
    seal = seal_on(db)
    if seal is not None:
        raise StorageUnavailable(seal.words)


def write_seal(db: apsw.Connection, seal: Seal | None) -> None:
    """Set the seal, or remove it."""
    if seal is None:
        db.execute(_UNSEAL)
    else:
        db.execute(_SEAL, (json.dumps(seal, ensure_ascii=False),))
