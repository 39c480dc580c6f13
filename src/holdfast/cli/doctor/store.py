"""This exists so that `holdfast doctor` looks at a store of whatever kind: schema, durability, clock, wake-ups, workers."""

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
from holdfast.storage.kinds import Care, kind_of
from holdfast.storage.topics import Topic

PATIENCE = 3.0
"""Seconds that a wake-up is waited for."""

SLOW = 0.5
"""Seconds that a wake-up may take before it is worth a note; a few milliseconds are usual."""


def store_checks(app: Holdfast) -> list[tuple[str, Check]]:
    """The checks of the store of an app. None of them makes a database that is not there."""
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
            ("workers", lambda: of_workers(app.overview.workers(), app.overview.stats())),
            ("scheduler", lambda: of_scheduler(app.overview.stats())),
            ("concerns", lambda: of_concerns(app.overview.stats())),
        ]
    return checks


def _can_be_opened(app: Holdfast) -> bool:
    try:
        status = database_admin(app.settings).status()
    except HoldfastError:
        return False  # a finding of its own says so
    return status.usable


def _database(url: str) -> Finding:
    begun = time.perf_counter()
    place = kind_of(url).care(url).status().place
    found = f"{kind_of(url).label} at {place} answers in {duration(time.perf_counter() - begun)}"
    return Finding(name="database", result="good", found=found)


def _schema(care: Care) -> Finding:
    status = care.status()
    if not status.exists:
        fix = "It is made at the first start, or by: holdfast db migrate"
        return Finding(
            name="schema", result="note", found=f"there is no database at {status.place} yet", fix=fix
        )
    found = f"{status.applied} of {status.known} migrations applied, {status.place}"
    if status.applied > status.known:
        fix = "A newer Holdfast has brought it up to date; upgrade this program."
        result = "note" if status.usable else "bad"
        return Finding(name="schema", result=result, found=found, fix=fix)
    if status.pending:
        return Finding(
            name="schema", result="bad", found=found, fix="Bring it up to date: holdfast db migrate"
        )
    return Finding(name="schema", result="good", found=found)


def _writing(app: Holdfast) -> Finding:
    seal = app.open().store.sealed()
    if seal is not None:
        fix = (
            ""
            if seal.moved
            else "Begin the copy again: holdfast db copy --to …; or give it up: holdfast db copy --abort"
        )
        return Finding(name="writing", result="bad", found=seal.words, fix=fix)
    return Finding(name="writing", result="good", found="open")


def _durability(app: Holdfast) -> Finding:
    facts = app.open().store.info()
    details = [f"{name} {facts[name]}" for name in ("journal", "fsync") if name in facts]
    found = ", ".join([str(facts["durability"]), *details, f"{int(facts['bytes']) / 1e6:.1f} MB"])
    if facts.get("journal", "wal") != "wal":
        fix = "Another program has changed the journal mode; stop it, then restart Holdfast."
        return Finding(name="durability", result="bad", found=found, fix=fix)
    if facts.get("fsync", "on") != "on":
        fix = "The server writes nothing for certain: a crash of its host may lose all. Set fsync = on in its settings."
        return Finding(name="durability", result="bad", found=found, fix=fix)
    if facts["durability"] != "full":
        fix = "What was acknowledged in the last moments may be lost in a power cut; HOLDFAST_DURABILITY=full keeps it."
        return Finding(name="durability", result="note", found=found, fix=fix)
    return Finding(name="durability", result="good", found=found)


def _clock(app: Holdfast) -> Finding:
    before = now_us()
    theirs = app.open().store.now()
    ahead = (theirs - (before + now_us()) / 2) / 1_000_000
    if abs(ahead) > MAX_SKEW:
        fix = "Times given here (--at) mean others there; set both clocks, for example by NTP."
        found = f"{duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the clock of this host"
        return Finding(name="database clock", result="bad", found=found, fix=fix)
    return Finding(name="database clock", result="good", found="agrees with ours")


def _signals(app: Holdfast) -> Finding:
    parts = app.open()
    fix = "Jobs start all the same, up to poll_interval later. "
    if isinstance(parts.signals, PollingSignals):
        begun = time.perf_counter()
        parts.store.last_event()
        return _wake_up(parts.signals, "a look", time.perf_counter() - begun, fix + "The database is slow.")
    if isinstance(parts.signals, FileSignals):
        fix += "See fs.inotify.max_user_instances and max_user_watches."
    else:
        fix += "See that the server answers from here, and what the log says of signals; or choose HOLDFAST_SIGNALS_URL."
    took = _time_to_hear(parts.signals, make_signals(app.settings, parts.store))
    if took is None:
        found = f"{parts.signals.word}: a wake-up did not arrive within {PATIENCE:g} s"
        return Finding(name="signals", result="bad", found=found, fix=fix)
    return _wake_up(parts.signals, "a wake-up", took, fix)


def _time_to_hear(signals: Signals, other: Signals) -> float | None:
    """Seconds from one process to another, which `other` stands for; None when nothing arrives."""
    listener = signals.listen((Topic.EVENTS,))
    try:
        if not signals.ready(PATIENCE):
            return None
        listener.wait(0.0)  # it was woken when the connection stood
        other.notify((Topic.EVENTS,))
        if not listener.wait(PATIENCE):  # the first one has to connect
            return None
        begun = time.perf_counter()
        other.notify((Topic.EVENTS,))
        return time.perf_counter() - begun if listener.wait(PATIENCE) else None
    finally:
        listener.close()
        other.close()


def _wake_up(signals: Signals, what: str, took: float, fix: str) -> Finding:
    found = f"{signals.word}: {what} took {took * 1000:.2f} ms"
    slow = took > SLOW
    return Finding(name="signals", result="note" if slow else "good", found=found, fix=fix if slow else "")
