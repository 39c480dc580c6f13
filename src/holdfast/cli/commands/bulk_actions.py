"""Actions on many jobs: by id, or on all that match a search, counted and confirmed first."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from holdfast.cli.backend.protocol import Backend
from holdfast.cli.exit_codes import CliError, ExitCode, cli_error_for
from holdfast.cli.format.columns import JOB, JOBS
from holdfast.cli.format.output import Writer, say
from holdfast.cli.format.table import columns_of
from holdfast.client.views import BulkView, JobView
from holdfast.core.commands import ALLOWED, Action
from holdfast.core.errors import Conflict, InvalidInput, NotFound
from holdfast.core.states import State

BULK = columns_of("action q dry_run matched fits by_state done refused")

PAST_TENSE = {
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.CANCEL: "cancelled",
    Action.RETRY: "retried",
    Action.DELETE: "deleted",
}


def check_choice(name: str, ids: Sequence[str], q: str | None, dry_run: bool) -> None:
    """Raise CliError unless either ids or a search is given, not both."""
    if bool(ids) == (q is not None):
        message = "Both ids and a search were given." if ids else "Neither ids nor a search were given."
        raise CliError(message, f"Use: holdfast job {name} ID…, or: holdfast job {name} -q 'state:…'")
    if dry_run and q is None:
        raise CliError(
            "--dry-run requires a search; ids were given.",
            f"Use: holdfast job {name} -q 'id:…' --dry-run",
        )


def act_on_ids(
    backend: Backend, writer: Writer, action: Action, ids: Sequence[str], *, reason: str | None
) -> int:
    """Apply the action to each job; a refused job does not stop the others."""
    done: list[JobView] = []
    exit_codes: list[ExitCode] = []
    for job_id in dict.fromkeys(ids):
        try:
            done.append(backend.act(job_id, action, reason))
        except (NotFound, Conflict, InvalidInput) as error:
            cli_error = cli_error_for(error)
            assert cli_error is not None
            exit_codes.append(cli_error.exit_code)
            say(f"holdfast: {job_id}: {cli_error.message}")
    if done:
        _write(writer, action, done, alone=len(done) == len(ids) == 1)
    if not exit_codes:
        return ExitCode.DONE
    if set(exit_codes) == {ExitCode.NOT_FOUND}:
        say(f"Searched in {backend.place}")
    return ExitCode.PARTLY if done else exit_codes[0]


def _write(writer: Writer, action: Action, done: Sequence[JobView], *, alone: bool) -> None:
    if writer.terminal and writer.plain and not writer.common.fields:
        for job in done:
            requested = action in (Action.PAUSE, Action.CANCEL) and job.state == State.PROCESSING
            writer.lines(
                [f"{job.id}  {f'{action} requested' if requested else PAST_TENSE[action]}  {job.type}"]
            )
    elif alone:
        writer.one(done[0], JOB)
    else:
        writer.many(done, JOBS)


def act_on_all(
    backend: Backend, writer: Writer, action: Action, q: str, *, dry_run: bool, yes: bool, reason: str | None
) -> int:
    """Count the jobs that match, ask for confirmation, act; returns the exit code."""
    counted = backend.act_on_all(action, q, dry_run=True, reason=None)
    say(count_text(counted))
    writer.found_nothing = not counted.matched
    if dry_run:
        writer.one(counted, BULK, key="q")
        return ExitCode.DONE
    if not counted.fits:
        writer.one(counted.model_copy(update={"dry_run": False}), BULK, key="q")
        return ExitCode.CONFLICT if counted.matched else ExitCode.DONE
    if not yes:
        _confirm(action, counted)
    found = backend.act_on_all(action, q, dry_run=False, reason=reason)
    changed = f", {found.refused:,} refused because they changed meanwhile" if found.refused else ""
    say(f"{found.done:,} {PAST_TENSE[action]}{changed}.")
    writer.one(found, BULK, key="q")
    return ExitCode.PARTLY if found.refused else ExitCode.DONE


def count_text(counted: BulkView) -> str:
    """How many jobs match, by state, and to how many of them the action applies."""
    states = ", ".join(f"{count:,} {state}" for state, count in counted.by_state.items()) or "none"
    allowed = ", ".join(state for state in State if state in ALLOWED[Action(counted.action)])
    note = "" if counted.fits == counted.matched else f" (allowed: {allowed})"
    return f"{counted.matched:,} match: {states}. {counted.fits:,} would be {PAST_TENSE[Action(counted.action)]}{note}."


def _confirm(action: Action, counted: BulkView) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CliError(
            "Nothing was changed: confirmation needs a terminal.",
            "Add --yes to confirm, or --dry-run to count only.",
        )
    if not typer.confirm(f"{action.capitalize()} {counted.fits:,} jobs?", err=True):
        raise CliError("Nothing was changed.", "")
