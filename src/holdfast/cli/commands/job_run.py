"""`holdfast job run`: enqueue a job, and optionally wait for it or watch it."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from holdfast.cli.exit_codes import CliError
from holdfast.cli.options import LISTS, Common, command

MAX_INPUT = 16 * 1024 * 1024


def add_to(group: typer.Typer) -> None:
    """Add the command to the group."""

    @command(group, "run", LISTS)
    def run(  # pyright: ignore[reportUnusedFunction] - the decorator registers it
        common: Common,
        type: Annotated[str, typer.Argument(metavar="TYPE", help="Name of the job type.")],
        arg: Annotated[
            list[str],
            typer.Option(
                "--arg", "-a", metavar="KEY=VALUE", help="An argument; JSON if valid, otherwise text."
            ),
        ] = [],  # noqa: B006 - Typer copies it
        json_args: Annotated[
            str | None,
            typer.Option("--json-args", metavar="JSON|@FILE|-", help="All arguments as a JSON object."),
        ] = None,
        queue: Annotated[str | None, typer.Option(help="Queue; default: the queue of the type.")] = None,
        priority: Annotated[int | None, typer.Option(help="Higher runs first.")] = None,
        delay: Annotated[
            str | None,
            typer.Option("--in", metavar="DURATION", help="Start after this delay: 30s, 15m, 1h30m."),
        ] = None,
        at: Annotated[
            str | None,
            typer.Option(
                "--at",
                metavar="TIME",
                help="Start at this time: 2026-11-20T14:00Z; without zone: local time.",
            ),
        ] = None,
        owner: Annotated[str | None, typer.Option(help="Owner of the job.")] = None,
        tag: Annotated[list[str], typer.Option("--tag", help="A tag; can be repeated.")] = [],  # noqa: B006 - Typer copies it
        unique: Annotated[
            str | None,
            typer.Option(metavar="KEY", help="Allow only one unfinished job of the type with this key."),
        ] = None,
        retries: Annotated[int | None, typer.Option(help="Retries after the first attempt.")] = None,
        timeout: Annotated[
            str | None, typer.Option(metavar="DURATION", help="Maximum time of one attempt.")
        ] = None,
        keep: Annotated[
            str | None,
            typer.Option(metavar="DURATION", help='How long to keep the finished job, or "forever".'),
        ] = None,
        idempotency_key: Annotated[
            str | None,
            typer.Option(metavar="KEY", help="Repeating the command with this key creates no second job."),
        ] = None,
        wait: Annotated[
            bool, typer.Option("--wait", help="Wait until it has finished; the exit code reports the result.")
        ] = False,
        watch: Annotated[
            bool,
            typer.Option(
                "--watch", help="Show it live until it has finished; the exit code reports the result."
            ),
        ] = False,
        wait_timeout: Annotated[
            str | None, typer.Option(metavar="DURATION", help="Maximum time for --wait and --watch.")
        ] = None,
        exit_status: Annotated[
            bool,
            typer.Option(
                help="With --wait and --watch: exit with 1 when it failed, 7 when it was cancelled."
            ),
        ] = True,
    ) -> int | None:
        """Enqueue a job."""
        from holdfast.cli.commands.job_wait import deadline_of, wait_for
        from holdfast.cli.format.columns import JOB
        from holdfast.cli.format.output import say
        from holdfast.cli.session import open_session

        values: dict[str, Any] = {
            "queue": queue,
            "priority": priority,
            "delay": delay,
            "run_at": None if at is None else moment(at),
            "owner": owner,
            "tags": tag or None,
            "unique": unique,
            "retries": retries,
            "timeout": timeout,
            "keep": keep,
            "idempotency_key": idempotency_key,
        }
        options = {name: value for name, value in values.items() if value is not None}
        arguments = read_arguments(arg, json_args)
        until = deadline_of(wait_timeout)
        with open_session(common, creates=True) as (backend, writer):
            job, created = backend.enqueue(type, arguments, options)
            if not created:
                say(f"Nothing was enqueued: job {job.id} ({job.state}) already has this key.")
            if watch:
                from holdfast.cli.commands.job_watch import watch_job

                return watch_job(backend, writer, job.id, deadline=until, exit_status=exit_status)
            if wait:
                return wait_for(backend, writer, [job.id], deadline=until, exit_status=exit_status)
            if writer.terminal and writer.plain and not common.fields:
                writer.lines([f"{job.id}  {job.state}  {job.type} in {job.queue}"])
                say(f"Watch it: holdfast job watch {job.id}")
            else:
                writer.one(job, JOB)
            return None


def read_arguments(pairs: list[str], document: str | None) -> dict[str, Any]:
    """The arguments of a job: those of the document, overridden by the pairs. Raises CliError for invalid input."""
    arguments: dict[str, Any] = {}
    if document is not None:
        value = _parsed(_text(document), "--json-args")
        if not isinstance(value, dict):
            raise CliError(
                "--json-args is not a JSON object.", """Example: --json-args '{"path": "a.csv"}'"""
            )
        arguments.update(cast("dict[str, Any]", value))
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise CliError(f"--arg {pair!r} has no name and value.", "Use: --arg name=value")
        arguments[name] = _value(text)
    return arguments


def moment(text: str) -> datetime:
    """A time in ISO format; local time without a zone."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        hint = "Example: --at 2026-11-20T14:00 (local), or 2026-11-20T14:00Z"
        raise CliError(f"--at {text!r} is not a time.", hint) from None


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return text


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except RecursionError:
        raise CliError(f"{name} is nested too deeply.") from None
    except ValueError as error:
        raise CliError(f"{name} is not JSON: {error}") from None


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _text(document: str) -> str:
    try:
        if document == "-":
            return sys.stdin.read(MAX_INPUT)
        if document.startswith("@"):
            with Path(document[1:]).open(encoding="utf-8") as file:
                return file.read(MAX_INPUT)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise CliError(f"--json-args {document}: {reason}") from None
    return document
