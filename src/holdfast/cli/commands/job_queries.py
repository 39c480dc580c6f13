"""This exists so that jobs are found, read and watched from a terminal."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import ASKS, LISTS, Common, command

_ID = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]
_IDS = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of jobs.")]
_TIMEOUT = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Longest time, for example 90s or 10m; then exit code 124."),
]
_STATUS = Annotated[bool, typer.Option(help="ExitCode with 1 when a job failed, 7 when it was cancelled.")]

PAGE = 200
"""Most jobs that are asked for at once."""

LINES = 500


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group."""

    @command(group, "list", LISTS)
    def list_(
        common: Common,
        q: Annotated[
            str,
            typer.Option(
                "-q", "--query", metavar="QUERY", help="Search, for example 'state:failed type:report.*'."
            ),
        ] = "",
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most jobs to list.")] = 50,
        sort: Annotated[str, typer.Option(help="Field; with - before it: descending.")] = "-created",
        cursor: Annotated[
            str | None, typer.Option(help="Go on after next_cursor of the page before.")
        ] = None,
    ) -> None:
        """Find jobs."""
        from holdfast.cli.format.columns import JOBS
        from holdfast.cli.format.output import say
        from holdfast.cli.session import open_session
        from holdfast.client.views import JobPage, JobView

        with open_session(common) as (backend, writer):
            found: list[JobView] = []
            after, page = cursor, JobPage(items=[])
            while len(found) < limit:
                page = backend.search(q, sort=sort, limit=min(PAGE, limit - len(found)), cursor=after)
                found += page.items
                after = page.next_cursor
                if after is None:
                    break
            writer.many(found, JOBS, document=page.model_copy(update={"items": found}))
            if page.searched is not None:
                say(
                    f"Only the newest {page.searched:,} jobs were searched; add type: or created: to search in all."
                )
            elif after is not None and writer.terminal and writer.plain:
                say(f"There are more: --limit {limit * 2}, or --cursor {after}")

    @command(group, "show", ASKS)
    def show(
        common: Common,
        id: _ID,
        history: Annotated[bool, typer.Option("--history", help="What happened to it, instead.")] = False,
    ) -> None:
        """Show one job."""
        from holdfast.cli.format.columns import HISTORY, JOB
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            if history:
                writer.many(backend.history(id), HISTORY, key="seq")
            else:
                writer.one(backend.job(id), JOB)

    @command(group, "logs", LISTS)
    def logs(
        common: Common,
        id: _ID,
        follow: Annotated[
            bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
        ] = False,
        tail: Annotated[
            int | None, typer.Option("--tail", min=0, help="Only so many of the last lines.")
        ] = None,
        level: Annotated[
            str | None, typer.Option(help="Only lines of this level or above: debug, info, warning, error.")
        ] = None,
    ) -> int | None:
        """Show what a job has written to its console."""
        from holdfast.cli.commands.job_logs import show_logs
        from holdfast.cli.session import open_session

        with open_session(common) as (backend, writer):
            return show_logs(backend, writer, id, follow=follow, tail=tail, level=level)

    @command(group, "watch", LISTS)
    def watch(
        common: Common,
        id: _ID,
        timeout: _TIMEOUT = None,
        exit_status: _STATUS = True,
    ) -> int:
        """Show a job live until it has ended. Keys: p pause, r resume, c cancel, l console, q leave."""
        from holdfast.cli.commands.job_wait import deadline_of
        from holdfast.cli.commands.job_watch import watch_job
        from holdfast.cli.session import open_session

        until = deadline_of(timeout)
        with open_session(common) as (backend, writer):
            return watch_job(backend, writer, id, deadline=until, exit_status=exit_status)

    @command(group, "wait", LISTS)
    def wait(
        common: Common,
        ids: _IDS,
        any_one: Annotated[bool, typer.Option("--any", help="Until any one of them has ended.")] = False,
        timeout: _TIMEOUT = None,
        exit_status: _STATUS = True,
    ) -> int:
        """Wait until jobs have ended; the exit code tells how."""
        from holdfast.cli.commands.job_wait import deadline_of, wait_for
        from holdfast.cli.session import open_session

        until = deadline_of(timeout)
        with open_session(common) as (backend, writer):
            return wait_for(backend, writer, ids, deadline=until, any_one=any_one, exit_status=exit_status)
