"""This exists so that all commands hang on one tree, which every error leaves as a line of what and one of what to do."""

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
_jobs = new_group("Queue, find, watch and steer jobs.")
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
"""What a command line that cannot be read raises; the public name of its class differs between versions of Typer."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"holdfast {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
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
        hint = f"Topics are: {', '.join(_TOPICS)}. For a command: holdfast COMMAND --help"
        raise CliError(f"There is no help on {topic!r}.", hint)
    else:
        typer.echo("holdfast --help lists the commands; holdfast COMMAND --help explains one.")
        typer.echo(f"Topics: {', '.join(f'holdfast help {one}' for one in _TOPICS)}")


_OUTPUT = """Data goes to standard output, words to standard error.
On a terminal a list is a table; piped, it is lines of tab-separated values without colour and without a head.
  --json      one document, the same as the REST API answers
  --ndjson    one JSON object a line
  --ids       ids (or names) only, one a line:  holdfast job list -q state:failed --ids | xargs holdfast job retry
  --fields    only these fields; a dot goes inside: id,state,progress.done
  --utc       times on the terminal in UTC; --json, --ndjson and piped lines are always in UTC
  --no-color  no colour; so does the variable NO_COLOR"""


def run(arguments: list[str] | None = None) -> int:
    """Run a command line; answers its exit code. Nothing but exit codes and words comes out of here."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = "--verbose" in arguments
    try:
        return int(app(arguments, prog_name="holdfast", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has had enough; Python would complain once more when it closes it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as error:
        if verbose and not isinstance(error, _ClickError):
            traceback.print_exc()
        return _tell(error)


def _tell(error: Exception) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(str(error), err=True)
        return ExitCode.USAGE
    cli_error = _usage(error) if isinstance(error, _ClickError) else cli_error_for(error)
    if cli_error is None:
        what = f"Something went wrong that nobody expected: {type(error).__name__}: {error}"
        cli_error = CliError(what, "See where: the same command with --verbose", ExitCode.FAILED)
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
