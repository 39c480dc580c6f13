"""The tree of all commands; turns every error into a message, a hint and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from holdfast.cli.commands import (
    config,
    database,
    doctor,
    job_actions,
    job_queries,
    job_run,
    job_types,
    openapi,
    queues,
    serve,
    top,
)
from holdfast.cli.exit_codes import MEANINGS, CliError, ExitCode, cli_error_for
from holdfast.cli.options import new_group
from holdfast.version import VERSION

_TOPICS = ("exit-codes", "output")

app = new_group("Background jobs that hold their place: durable, pausable, resumable, watched live.")

serve.add_to(app)
_jobs = new_group("Enqueue, find, watch and control jobs.")
job_run.add_to(_jobs)
job_queries.add_to(_jobs)
job_actions.add_to(_jobs)
app.add_typer(_jobs, name="job")
app.add_typer(queues.group(), name="queue")
app.add_typer(job_types.group(), name="type")
app.add_typer(database.group(), name="db")
app.add_typer(config.group(), name="config")
doctor.add_to(app)
openapi.add_to(app)
top.add_to(app)

_ClickError: type[Exception] = typer.BadParameter.__mro__[2]
"""Raised for an invalid command line; the public name of its class differs between versions of Typer."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"holdfast {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Background jobs that hold their place: durable, pausable, resumable, watched live."""


@app.command("help")
def show_help(topic: Annotated[str, typer.Argument(metavar="TOPIC", help=" or ".join(_TOPICS))] = "") -> None:
    """Explain a topic: exit-codes, output."""
    if topic == "exit-codes":
        for exit, meaning in MEANINGS.items():
            typer.echo(f"{exit:>4}  {meaning}")
    elif topic == "output":
        typer.echo(_OUTPUT)
    elif topic:
        hint = f"Topics: {', '.join(_TOPICS)}. Help on a command: holdfast COMMAND --help"
        raise CliError(f"Unknown help topic {topic!r}.", hint)
    else:
        typer.echo("List the commands: holdfast --help. Explain one: holdfast COMMAND --help")
        typer.echo(f"Topics: {', '.join(f'holdfast help {one}' for one in _TOPICS)}")


_OUTPUT = """Data goes to standard output, messages to standard error.
On a terminal, lists are tables. In a pipe, they are tab-separated lines without colour or header.
  --json      one JSON document, as the REST API returns it
  --ndjson    one JSON object per line
  --ids       only ids (or names), one per line:  holdfast job list -q state:failed --ids | xargs holdfast job retry
  --fields    only these fields; a dot selects a nested field: id,state,progress.done
  --utc       show times on the terminal in UTC; --json, --ndjson and piped lines always use UTC
  --no-color  disable colour, as the variable NO_COLOR does"""


def run(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code. Errors become messages; none is raised."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = "--verbose" in arguments
    try:
        return int(app(arguments, prog_name="holdfast", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # the reader of the output closed the pipe; without this, Python reports it again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as error:
        if verbose and not isinstance(error, _ClickError):
            traceback.print_exc()
        return _report(error)


def _report(error: Exception) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(str(error), err=True)
        return ExitCode.USAGE
    cli_error = _usage(error) if isinstance(error, _ClickError) else cli_error_for(error)
    if cli_error is None:
        message = f"Unexpected error: {type(error).__name__}: {error}"
        cli_error = CliError(
            message, "Show the traceback: run the same command with --verbose", ExitCode.FAILED
        )
    for line in cli_error.message.splitlines():
        typer.echo(f"holdfast: {_printable(line)}", err=True)
    if cli_error.hint:
        typer.echo(f"  {_printable(cli_error.hint)}", err=True)
    return cli_error.exit_code


def _usage(error: Exception) -> CliError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "holdfast"
    message = getattr(error, "format_message", error.__str__)()
    return CliError(message, f"See: {command} --help")


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
