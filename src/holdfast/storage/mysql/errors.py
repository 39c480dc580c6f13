"""Translates errors of the server and the driver: what happened, and what to do."""

from __future__ import annotations

from typing import Final

import pymysql

from holdfast.core.errors import HoldfastError, StorageRefused, StorageUnavailable
from holdfast.storage.errors import Contended

DUPLICATE: Final = 1062

_IN_THE_WAY: Final = {
    1205: "another transaction has held a lock for too long",
    1213: "a deadlock with another transaction",
    1020: "another transaction has changed the same row",
    3572: "another transaction has locked the same row",
    4030: "the server has ended a transaction that stood still",
}
_REFUSED: Final = {
    1044: "The user may not use this database: GRANT ALL ON database.* TO user",
    1045: "The server does not know this user, or the password is wrong: see HOLDFAST_DATABASE_URL",
    1049: "There is no such database: CREATE DATABASE name",
    1130: "The server lets no user in from this host: CREATE USER user@host",
    1142: "The user lacks a right on our tables: GRANT ALL ON database.* TO user",
    1143: "The user lacks a right on our tables: GRANT ALL ON database.* TO user",
    1146: "One of our tables is gone: restore it from a backup, or start with an empty database",
    1227: "The user lacks a right: GRANT ALL ON database.* TO user",
    1370: "The user lacks a right: GRANT ALL ON database.* TO user",
    1698: "The server does not let this user in by a password: see HOLDFAST_DATABASE_URL, and how the user was created",
    1820: "The password of the user must be changed first: ALTER USER",
    1862: "The password of the user has expired: ALTER USER",
    3118: "The account of the user is locked: ALTER USER user ACCOUNT UNLOCK",
    4151: "The account of the user is locked: ALTER USER user ACCOUNT UNLOCK",
    1665: "Its binary log is written by statement, which READ COMMITTED forbids: SET GLOBAL binlog_format = 'ROW'",
}
_UNAVAILABLE: Final = {
    1021: "its disk is full",
    1030: "its storage engine reports an error; see the server's log",
    1037: "it is out of memory",
    1040: "it has no connection left: raise max_connections, or start fewer processes",
    1053: "it is shutting down",
    1114: "a table is full: its disk, or a limit on the tablespace",
    1129: "it has blocked this host after many failed connections: mysqladmin flush-hosts",
    1153: "a value is larger than its max_allowed_packet; 16M serves everything that Holdfast stores",
    1203: "this user has too many connections",
    1290: "it is read-only: a replica, or one that is being replaced",
    1317: "the statement was interrupted",
    1792: "it is read-only: a replica, or one that is being replaced",
    1836: "it is read-only: a replica, or one that is being replaced",
    1927: "the connection was killed",
    1969: "the statement took too long",
    2002: "it cannot be reached",
    2003: "it cannot be reached",
    2006: "the connection is gone",
    2013: "the connection was lost",
    2014: "the connection was interrupted",
    2055: "the connection was lost",
    3024: "the statement took too long",
    4031: "the connection was closed for being idle",
}
_GONE: Final = frozenset({1053, 1927, 2006, 2013, 2014, 2055, 4030, 4031})
_NOTHING: Final = "Nothing of this call was acknowledged; it is safe to repeat."


def code_of(error: BaseException) -> int:
    """The number of an error of the driver, 0 where it has none (a connection that is closed on our side)."""
    first: object = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def is_gone(error: BaseException) -> bool:
    """Whether the connection is of no more use, so that another one may do what this one could not."""
    return isinstance(error, pymysql.err.InterfaceError | OSError) or code_of(error) in _GONE


def in_our_words(error: BaseException, place: str) -> HoldfastError | None:
    """The error that is raised for one of the driver's; None for one that speaks of a single operation (a bad value)."""
    code = code_of(error)
    if code in _IN_THE_WAY:
        return Contended(f"The database {place} gave way: {_IN_THE_WAY[code]}. {_NOTHING}")
    if code in _REFUSED:
        return StorageRefused(f"The database {place} cannot be used. {_REFUSED[code]}.")
    if code in _UNAVAILABLE:
        return StorageUnavailable(f"The database {place} does not answer: {_UNAVAILABLE[code]}. {_NOTHING}")
    if is_gone(error):
        return StorageUnavailable(f"The database {place} does not answer: the connection is lost. {_NOTHING}")
    return None
