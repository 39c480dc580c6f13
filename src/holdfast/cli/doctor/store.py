"""The checks of `holdfast doctor` that every store shares: schema, durability, clock, signals, workers."""

from __future__ import annotations

import time

from holdfast.app import Holdfast, make_signals
from holdfast.cli.backend.opening import database_admin
from holdfast.cli.doctor.findings import MAX_SKEW, Check, Finding, of_concerns, of_scheduler, of_workers
from holdfast.cli.format.job_text import duration
from holdfast.core.errors import HoldfastError
from holdfast.runtime.clock import now_us
from holdfast.runtime.configure import database_url
from holdfast.runtime.signals import Signals
from holdfast.runtime.signals.files import FileSignals
from holdfast.runtime.signals.polling import PollingSignals
from holdfast.storage.backends import Care, kind_of
from holdfast.storage.topics import Topic

SIGNAL_TIMEOUT = 3.0
"""Seconds to wait for a wake-up."""

SLOW = 0.5
"""Seconds above which a slow wake-up is reported; a few milliseconds are usual."""


def store_checks(app: Holdfast) -> list[tuple[str, Check]]:
    """The checks of the store of an app. None of them creates a missing database."""
    url = database_url(app.settings)
    if url.startswith("sqlite:"):
        from holdfast.cli.doctor.sqlite import sqlite_checks

        checks = sqlite_checks(url)
    else:
        checks: list[tuple[str, Check]] = [("database", lambda: _database(url))]
    checks.append(("schema", lambda: _schema(database_admin(app.settings))))
    if _can_be_opened(app):
        checks += [
            ("writing", lambda: _writing(app)),
            ("durability", lambda: _durability(app)),
            ("database clock", lambda: _clock(app)),
            ("signals", lambda: _signals(app)),
            ("workers", lambda: of_workers(app.client.workers.all(), app.client.figures.stats())),
            ("scheduler", lambda: of_scheduler(app.client.figures.stats())),
            ("concerns", lambda: of_concerns(app.client.figures.stats())),
        ]
    return checks


def _can_be_opened(app: Holdfast) -> bool:
    try:
        status = database_admin(app.settings).status()
    except HoldfastError:
        return False  # reported by the checks above
    return status.usable


def _database(url: str) -> Finding:
    begun = time.perf_counter()
    place = kind_of(url).care(url).status().place
    found = f"{kind_of(url).label} at {place} responds in {duration(time.perf_counter() - begun)}"
    return Finding(name="database", result="good", found=found)


def _schema(admin: Care) -> Finding:
    status = admin.status()
    if not status.exists:
        fix = "Created at the first start, or by: holdfast db migrate"
        return Finding(name="schema", result="note", found=f"no database at {status.place} yet", fix=fix)
    found = f"{status.applied} of {status.known} migrations applied, {status.place}"
    if status.applied > status.known:
        fix = "Upgrade this program; a newer version of Holdfast has migrated the schema."
        result = "note" if status.usable else "bad"
        return Finding(name="schema", result=result, found=found, fix=fix)
    if status.pending:
        return Finding(
            name="schema", result="bad", found=found, fix="Apply the pending migrations: holdfast db migrate"
        )
    return Finding(name="schema", result="good", found=found)


def _writing(app: Holdfast) -> Finding:
    lock = app.open().store.sealed()
    if lock is not None:
        fix = (
            ""
            if lock.moved
            else "Repeat the copy: holdfast db copy --to …; or abort it: holdfast db copy --abort"
        )
        return Finding(name="writing", result="bad", found=lock.words, fix=fix)
    return Finding(name="writing", result="good", found="open")


def _durability(app: Holdfast) -> Finding:
    facts = app.open().store.info()
    details = [f"{name} {facts[name]}" for name in ("journal", "fsync") if name in facts]
    found = ", ".join([str(facts["durability"]), *details, f"{int(facts['bytes']) / 1e6:.1f} MB"])
    if facts.get("journal", "wal") != "wal":
        fix = "Stop the program that changed the journal mode, then restart Holdfast."
        return Finding(name="durability", result="bad", found=found, fix=fix)
    if facts.get("fsync", "on") != "on":
        fix = (
            "Set fsync = on in the settings of the server. Without it, a crash of its host may lose all data."
        )
        return Finding(name="durability", result="bad", found=found, fix=fix)
    if facts["durability"] != "full":
        fix = "Set HOLDFAST_DURABILITY=full; otherwise a power cut may lose the latest acknowledged writes."
        return Finding(name="durability", result="note", found=found, fix=fix)
    return Finding(name="durability", result="good", found=found)


def _clock(app: Holdfast) -> Finding:
    before = now_us()
    theirs = app.open().store.now()
    ahead = (theirs - (before + now_us()) / 2) / 1_000_000
    if abs(ahead) > MAX_SKEW:
        fix = "Synchronize the clocks, for example by NTP; until then, times of --at mean other times in the database."
        found = f"{duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the local clock"
        return Finding(name="database clock", result="bad", found=found, fix=fix)
    return Finding(name="database clock", result="good", found="agrees with the local clock")


def _signals(app: Holdfast) -> Finding:
    parts = app.open()
    fix = "Jobs start, but up to poll_interval later. "
    if isinstance(parts.signals, PollingSignals):
        begun = time.perf_counter()
        parts.store.last_event()
        return _wake_up(
            parts.signals, "a query", time.perf_counter() - begun, fix + "Check the speed of the database."
        )
    if isinstance(parts.signals, FileSignals):
        fix += "Check fs.inotify.max_user_instances and max_user_watches."
    else:
        fix += "Check that the server is reachable from this host, and see the log for signals; or set HOLDFAST_SIGNALS_URL."
    took = _signal_latency(parts.signals, make_signals(app.settings, parts.store))
    if took is None:
        found = f"{parts.signals.word}: no wake-up within {SIGNAL_TIMEOUT:g} s"
        return Finding(name="signals", result="bad", found=found, fix=fix)
    return _wake_up(parts.signals, "a wake-up", took, fix)


def _signal_latency(signals: Signals, other: Signals) -> float | None:
    """Seconds that a wake-up takes from `other`, as from another process; None when none arrives."""
    listener = signals.listen((Topic.EVENTS,))
    try:
        if not signals.ready(SIGNAL_TIMEOUT):
            return None
        listener.wait(0.0)  # the connection itself was a wake-up
        other.notify((Topic.EVENTS,))
        if not listener.wait(SIGNAL_TIMEOUT):  # the first one includes the time to connect
            return None
        begun = time.perf_counter()
        other.notify((Topic.EVENTS,))
        return time.perf_counter() - begun if listener.wait(SIGNAL_TIMEOUT) else None
    finally:
        listener.close()
        other.close()


def _wake_up(signals: Signals, what: str, took: float, fix: str) -> Finding:
    found = f"{signals.word}: {what} took {took * 1000:.2f} ms"
    slow = took > SLOW
    return Finding(name="signals", result="note" if slow else "good", found=found, fix=fix if slow else "")
