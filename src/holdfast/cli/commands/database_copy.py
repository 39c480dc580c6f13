"""This exists so that a store is moved to another database from a terminal: drained, copied, compared, then left."""

from __future__ import annotations

import shlex
import time
from contextlib import closing

from holdfast.app import Holdfast, make_store
from holdfast.cli.backend.local import LocalBackend
from holdfast.cli.commands.worker_drain import wait_until_ended
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.cli.format.job_text import exact
from holdfast.cli.format.output import say
from holdfast.cli.format.table import columns_of
from holdfast.client.views import View
from holdfast.core.settings import Settings
from holdfast.core.urls import masked, split_url
from holdfast.core.whole import Part
from holdfast.runtime.clock import new_id
from holdfast.storage.copying import Move, Total, give_up
from holdfast.storage.kinds import kind_of

PROGRESS_INTERVAL = 5.0
"""Seconds between two words about a part that takes long."""

COPY = columns_of("source target jobs saved logs history queues types buckets given_back checksums seconds")


class CopyView(View):
    """A copy that has ended: how many rows of each part are equal in both stores, and their SHA-256."""

    source: str
    target: str
    jobs: int
    saved: int
    logs: int
    history: int
    queues: int
    types: int
    buckets: int
    given_back: int
    checksums: dict[str, str]
    seconds: float


def copy(
    settings: Settings, source_url: str, target_url: str, *, deadline: float | None, give_back: bool
) -> CopyView:
    """Move the store at `source_url` to `target_url`. Raises CliError (TIMEOUT) when jobs still run at `deadline` and shall
    not be given back; then nothing is copied yet."""
    begun = time.monotonic()
    names = place_of(source_url), place_of(target_url)
    if names[0] == names[1]:
        raise CliError(f"Source and target are the same: {names[0]}.", "Name another database: --to URL")
    target = make_store(_at(settings, target_url))
    with closing(Holdfast(settings=_at(settings, source_url))) as app, closing(target):
        source = app.open().store
        target.open()
        move = Move(source, target, names, new_id())
        if move.begun:
            say("A copy was begun before; it goes on.")
        else:
            _drain(LocalBackend(app), deadline, give_back=give_back)
        given_back = move.seal()
        say(f"{names[0]} is closed for writing; {exact(given_back)} running jobs are given back.")
        move.copy(_Telling())
        say("Comparing what has arrived.")
        totals = move.verify()
        move.finish()
    return _view(names, totals, given_back, time.monotonic() - begun)


def abort(settings: Settings, source_url: str) -> None:
    """Give up a copy that has not ended, and open its source again."""
    source = make_store(_at(settings, source_url))
    with closing(source):
        source.open()
        give_up(source)
    say(
        f"{place_of(source_url)} is open again. What has arrived in the target is of no use; remove that database."
    )


def next_step(target_url: str) -> str:
    """What to do after a copy; it ends with the URL of the target, to be pasted: all of it but a password."""
    shown = url_to_paste(target_url)
    complete = shown == target_url or target_url.startswith("sqlite:")
    what = (
        "Moved. Start the workers with" if complete else "Moved. Add the password, and start the workers with"
    )
    return f"{what} HOLDFAST_DATABASE_URL={shlex.quote(shown)}"


def url_to_paste(url: str) -> str:
    """The URL without its password, which leads to the same database from any folder."""
    if url.startswith("sqlite:"):
        return f"sqlite:///{place_of(url)}"
    try:
        return split_url(url).without_password()
    except ValueError:  # a kind of store that was added reads its own URLs
        return masked(url)


def place_of(url: str) -> str:
    """A database in words, without its password."""
    return kind_of(url).care(url).place


def _at(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"database_url": url})


def _drain(backend: LocalBackend, deadline: float | None, *, give_back: bool) -> None:
    """Let the workers of the source end. With `give_back` those that still run at the deadline are left behind."""
    workers = [backend.drain_worker(worker.id) for worker in backend.workers() if worker.state != "lost"]
    if not workers:
        return
    busy = sum(worker.busy for worker in workers)
    if give_back and (deadline is None or time.monotonic() >= deadline):
        say(
            f"{len(workers)} workers are told to end; their {busy} jobs continue in the target from where they are saved."
        )
        return
    say(f"Draining {len(workers)} workers, which end with their {busy} jobs.")
    if wait_until_ended(backend, workers, deadline) == ExitCode.TIMEOUT and not give_back:
        hint = "Wait longer (--wait 1h), or let their jobs run again, from their saved states, in the target: --give-back"
        raise CliError(
            "Workers have not ended; nothing is copied yet, and they go on draining.", hint, ExitCode.TIMEOUT
        )


class _Telling:
    """Says how far a long copy has come."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, part: Part, done: int) -> None:
        if time.monotonic() - self._told_at > PROGRESS_INTERVAL:
            self._told_at = time.monotonic()
            say(f"Copying {part}: {exact(done)} rows are there.")


def _view(names: tuple[str, str], totals: dict[Part, Total], given_back: int, seconds: float) -> CopyView:
    rows = {part.value: total.rows for part, total in totals.items()}
    return CopyView(
        source=names[0],
        target=names[1],
        **rows,
        given_back=given_back,
        checksums={part.value: total.checksum for part, total in totals.items()},
        seconds=round(seconds, 2),
    )
