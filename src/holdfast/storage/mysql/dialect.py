"""Where MariaDB and MySQL differ in the SQL of the records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from holdfast.storage.records.dialect import EXCLUDED, Dialect, assignments


class MysqlDialect(Dialect):
    """Rows are locked, and an insert names no key: any key of the row may be there."""

    mark = "%s"
    row_lock = " FOR UPDATE"
    renamed: ClassVar[Mapping[str, str]] = {"schema": "args_schema"}  # a word of the server's

    def _otherwise(self, table: str, key: Sequence[str], changes: Mapping[str, str]) -> str:
        changed = assignments(changes or {self.column(key[0]): f"{table}.{self.column(key[0])}"})
        return "ON DUPLICATE KEY UPDATE " + re.sub(rf"{re.escape(EXCLUDED)}(\w+)", r"VALUES(\1)", changed)
