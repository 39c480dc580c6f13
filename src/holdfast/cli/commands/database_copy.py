"""Moves a store to another database: drain workers, lock the source, copy, compare."""

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
from holdfast.core.dump import Part
from holdfast.core.settings import Settings
from holdfast.core.urls import masked, split_url
from holdfast.runtime.clock import new_id
from holdfast.storage.backends import kind_of
from holdfast.storage.copying import Move, Total, give_up

PROGRESS_INTERVAL = 5.0
"""Seconds between two messages about the progress of a part."""

COPY = columns_of("source target jobs saved logs history queues types buckets given_back checksums seconds")


class CopyView(View):
    """A complete copy: the number of rows of each part, equal in both stores, and their SHA-256."""

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
    """Move the store at `source_url` to `target_url`. Without `give_back`, raises CliError (TIMEOUT) before anything is
    copied when jobs still run at `deadline`."""
    begun = time.monotonic()
    names = place_of(source_url), place_of(target_url)
    if names[0] == names[1]:
        raise CliError(
            f"Source and target are the same database: {names[0]}.", "Use another target: --to URL"
        )
    target = make_store(_at(settings, target_url))
    with closing(Holdfast(settings=_at(settings, source_url))) as app, closing(target):
        source = app.open().store
        target.open()
        move = Move(source, target, names, new_id())
        if move.begun:
            say("Resuming the copy that was started before.")
        else:
            _drain(LocalBackend(app), deadline, give_back=give_back)
        given_back = move.seal()
        say(f"{names[0]} is now read-only; {exact(given_back)} running jobs were requeued.")
        move.copy(_Progress())
        say("Comparing source and target.")
        totals = move.verify()
        move.finish()
    return _view(names, totals, given_back, time.monotonic() - begun)


def abort(settings: Settings, source_url: str) -> None:
    """Abort an unfinished copy and make its source writable again."""
    source = make_store(_at(settings, source_url))
    with closing(source):
        source.open()
        give_up(source)
    say(f"{place_of(source_url)} is writable again. The target is incomplete; delete that database.")


def next_step(target_url: str) -> str:
    """What to do after a copy; ends with the URL of the target, complete except for a password."""
    shown = url_to_paste(target_url)
    complete = shown == target_url or target_url.startswith("sqlite:")
    message = (
        "Moved. Start the workers with" if complete else "Moved. Add the password, and start the workers with"
    )
    return f"{message} HOLDFAST_DATABASE_URL={shlex.quote(shown)}"


def url_to_paste(url: str) -> str:
    """The URL without its password; it names the same database from any folder."""
    if url.startswith("sqlite:"):
        return f"sqlite:///{place_of(url)}"
    try:
        return split_url(url).without_password()
    except ValueError:  # a third-party store has URLs of its own form
        return masked(url)


def place_of(url: str) -> str:
    """The database for messages, without its password."""
    return kind_of(url).care(url).place


def _at(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"database_url": url})


def _drain(backend: LocalBackend, deadline: float | None, *, give_back: bool) -> None:
    """Drain the workers of the source. With `give_back`, workers that still run at the deadline are ignored."""
    workers = [backend.drain_worker(worker.id) for worker in backend.workers() if worker.state != "lost"]
    if not workers:
        return
    busy = sum(worker.busy for worker in workers)
    if give_back and (deadline is None or time.monotonic() >= deadline):
        say(
            f"Draining {len(workers)} workers; their {busy} jobs continue in the target from their saved states."
        )
        return
    say(f"Draining {len(workers)} workers, which finish their {busy} jobs.")
    if wait_until_ended(backend, workers, deadline) == ExitCode.TIMEOUT and not give_back:
        hint = "Wait longer (--wait 1h), or let their jobs continue in the target from their saved states: --give-back"
        raise CliError("Timed out: workers are still draining; nothing was copied.", hint, ExitCode.TIMEOUT)


class _Progress:
    """Reports the progress of a long copy."""

    def __init__(self) -> None:
        self._reported_at = time.monotonic()

    def __call__(self, part: Part, done: int) -> None:
        if time.monotonic() - self._reported_at > PROGRESS_INTERVAL:
            self._reported_at = time.monotonic()
            say(f"Copying {part}: {exact(done)} rows done.")


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
