"""`holdfast job list|show|logs|watch|wait`: find, read and follow jobs."""

# The decorators register the functions below.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import ASKS, LISTS, Common, command

_ID = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]
_IDS = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of jobs.")]
_TIMEOUT = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION", help="Maximum time to wait, for example 90s or 10m; then exit code 124."
    ),
]
_STATUS = Annotated[bool, typer.Option(help="ExitCode with 1 when a job failed, 7 when it was cancelled.")]

PAGE = 200
"""Maximum number of jobs in one request."""

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
        limit: Annotated[
            int, typer.Option("--limit", "-n", min=1, help="Maximum number of jobs to list.")
        ] = 50,
        sort: Annotated[str, typer.Option(help="Sort field; with a leading -: descending.")] = "-created",
        cursor: Annotated[
            str | None, typer.Option(help="Continue after next_cursor of the previous page.")
        ] = None,
    ) -> None:
        """List jobs, optionally those that match a search."""
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
                say(f"Searched only the newest {page.searched:,} jobs. Add type: or created: to search all.")
            elif after is not None and writer.terminal and writer.plain:
                say(f"More jobs match: --limit {limit * 2}, or --cursor {after}")

    @command(group, "show", ASKS)
    def show(
        common: Common,
        id: _ID,
        history: Annotated[bool, typer.Option("--history", help="Show its history instead.")] = False,
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
            bool, typer.Option("--follow", "-f", help="Continue until the job has finished.")
        ] = False,
        tail: Annotated[
            int | None, typer.Option("--tail", min=0, help="Only the last lines, this many.")
        ] = None,
        level: Annotated[
            str | None, typer.Option(help="Only lines of this level or higher: debug, info, warning, error.")
        ] = None,
    ) -> int | None:
        """Show the log lines of a job."""
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
        """Show a job live until it has finished. Keys: p pause, r resume, c cancel, l console, q quit."""
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
        any_one: Annotated[bool, typer.Option("--any", help="Until one of them has finished.")] = False,
        timeout: _TIMEOUT = None,
        exit_status: _STATUS = True,
    ) -> int:
        """Wait until jobs have finished; the exit code reports the result."""
        from holdfast.cli.commands.job_wait import deadline_of, wait_for
        from holdfast.cli.session import open_session

        until = deadline_of(timeout)
        with open_session(common) as (backend, writer):
            return wait_for(backend, writer, ids, deadline=until, any_one=any_one, exit_status=exit_status)
