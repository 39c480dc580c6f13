"""The store on MariaDB or MySQL: many hosts, one database, the same promises."""

from holdfast.storage.mysql.store import MysqlStore

__all__ = ["MysqlStore"]
