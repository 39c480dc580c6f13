"""Keeps the connections of a parent process untouched in its forked children.

A forked child has one thread. Python frees there what the other threads had kept for themselves, and to free a connection
is to close it: on locks that a vanished thread may hold for ever, and on files that the parent is using.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

import apsw

_lock = threading.Lock()
_open: WeakSet[apsw.Connection] = WeakSet()
_held: list[apsw.Connection] = []
_inherited: list[apsw.Connection] = []


def guard(connection: apsw.Connection) -> apsw.Connection:
    """From now on, a fork leaves this connection alone."""
    with _lock:
        _open.add(connection)
    return connection


def _before() -> None:
    _lock.acquire()  # held across the fork, so that the child does not inherit it from a thread that is not there
    _held.extend(_open)


def _in_parent() -> None:
    _held.clear()
    _lock.release()


def _in_child() -> None:
    _inherited.extend(_held)
    _held.clear()
    _open.clear()
    _lock.release()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
