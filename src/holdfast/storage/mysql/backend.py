"""The backend of `mysql://…` and `mariadb://…`."""

from __future__ import annotations

from typing import Final

from holdfast.storage.backends import StoreOptions
from holdfast.storage.mysql.address import read_address
from holdfast.storage.mysql.admin import MysqlCare
from holdfast.storage.mysql.store import MysqlStore


class MysqlKind:
    """MariaDB, or MySQL. How durable a commit is stands in the server's own settings, for all of its users alike."""

    label = "MariaDB or MySQL"

    def store(self, url: str, options: StoreOptions) -> MysqlStore:
        """The store in the database."""
        return MysqlStore(read_address(url), retention=options.retention)

    def care(self, url: str) -> MysqlCare:
        """Care for the database."""
        return MysqlCare(read_address(url))


KIND: Final = MysqlKind()
