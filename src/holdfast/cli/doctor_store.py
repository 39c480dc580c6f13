"""This exists so that `holdfast doctor` looks at the store: file, schema, durability, wake-ups, workers."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import apsw

from holdfast.app import Holdfast, make_signals
from holdfast.cli.database_views import maintenance_of
from holdfast.cli.doctor import Check, Finding, of_workers
from holdfast.storage.protocol import Topic
from holdfast.storage.sqlite.connection import NETWORK_FILE_SYSTEMS, check_library
from holdfast.storage.sqlite.maintenance import Maintenance

SLOW = 0.5
"""Seconds that a wake-up may take before it is worth a note; a few milliseconds are usual."""


def store_checks(app: Holdfast) -> list[tuple[str, Check]]:
    """The checks of the store of an app. None of them makes a database that is not there."""
    care = maintenance_of(app.settings)
    checks: list[tuple[str, Check]] = [
        ("sqlite", _library),
        ("file system", lambda: _file_system(care)),
        ("schema", lambda: _schema(care)),
    ]
    if care.path.exists() and not care.status().pending:
        checks += [
            ("durability", lambda: _durability(app)),
            ("signals", lambda: _signals(app)),
            ("workers", lambda: of_workers(app.overview.workers(), datetime.now(UTC))),
        ]
    return checks


def _library() -> Finding:
    check_library()
    return Finding(name="sqlite", result="good", found=f"SQLite {apsw.sqlite_lib_version()}")


def _file_system(care: Maintenance) -> Finding:
    kind = care.file_system()
    if kind in NETWORK_FILE_SYSTEMS:
        fix = "SQLite's locks do not hold there. Choose a local folder: HOLDFAST_DATA_DIR"
        found = f"{care.path.parent} is on {kind}, a network file system"
        return Finding(name="file system", result="bad", found=found, fix=fix)
    if kind in ("tmpfs", "ramfs"):
        fix = "Everything in it is gone after a reboot. Choose a folder on a disk: HOLDFAST_DATA_DIR"
        return Finding(
            name="file system", result="note", found=f"{care.path.parent} is on {kind}, in memory", fix=fix
        )
    return Finding(name="file system", result="good", found=kind or "not known on this system")


def _schema(care: Maintenance) -> Finding:
    status = care.status()
    if not status.exists:
        fix = "It is made at the first start, or by: holdfast db migrate"
        return Finding(
            name="schema", result="note", found=f"there is no database at {status.place} yet", fix=fix
        )
    found = f"{status.applied} of {status.known} migrations applied, {status.place}"
    if status.applied > status.known:
        fix = "It was written by a newer Holdfast; upgrade this program."
        return Finding(name="schema", result="bad", found=found, fix=fix)
    if status.pending:
        return Finding(
            name="schema", result="bad", found=found, fix="Bring it up to date: holdfast db migrate"
        )
    return Finding(name="schema", result="good", found=found)


def _durability(app: Holdfast) -> Finding:
    facts = app.open().store.facts()
    found = f"{facts['durability']}, journal {facts['journal']}, {int(facts['bytes']) / 1e6:.1f} MB"
    if facts["journal"] != "wal":
        fix = "Another program has changed the journal mode; stop it, then restart Holdfast."
        return Finding(name="durability", result="bad", found=found, fix=fix)
    if facts["durability"] != "full":
        fix = "What was acknowledged in the last moments may be lost in a power cut; HOLDFAST_DURABILITY=full keeps it."
        return Finding(name="durability", result="note", found=found, fix=fix)
    return Finding(name="durability", result="good", found=found)


def _signals(app: Holdfast) -> Finding:
    signals = app.open().signals
    fix = "Jobs start all the same, up to poll_interval later. See fs.inotify.max_user_instances and max_user_watches."
    listener = signals.listen((Topic.EVENTS,))
    try:
        other = make_signals(app.settings)  # as another process would
        begun = time.perf_counter()
        other.notify((Topic.EVENTS,))
        heard = listener.wait(2.0)
        took = time.perf_counter() - begun
    finally:
        listener.close()
    if not heard:
        return Finding(name="signals", result="bad", found="a wake-up did not arrive within 2 s", fix=fix)
    found = f"a wake-up took {took * 1000:.2f} ms"
    return Finding(
        name="signals", result="good" if took < SLOW else "note", found=found, fix="" if took < SLOW else fix
    )
