"""`holdfast job pause|resume|cancel|retry|delete`: by id, or all that match a search."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import LISTS, Common, command

_DOES = {
    "pause": "Pause jobs: waiting jobs immediately, running jobs at their next checkpoint.",
    "resume": "Resume paused jobs where they were paused.",
    "cancel": "Cancel jobs; a running job is asked to stop, and stopped by force after the grace period.",
    "retry": "Retry failed or cancelled jobs now, from their saved state.",
    "delete": "Delete finished jobs with all their data.",
}


def add_to(group: typer.Typer) -> None:
    """Add the commands to the group."""
    for name, does in _DOES.items():
        _add(group, name, does)


def _add(group: typer.Typer, name: str, does: str) -> None:
    def act(
        common: Common,
        ids: Annotated[list[str], typer.Argument(metavar="[ID…]", help="Ids of jobs.")] = [],  # noqa: B006 - Typer copies it
        q: Annotated[
            str | None,
            typer.Option(
                "-q", "--query", metavar="QUERY", help="All jobs that match this search, instead of ids."
            ),
        ] = None,
        reason: Annotated[str | None, typer.Option(help="Reason, kept in the history of the job.")] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only count by state; change nothing.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    ) -> int:
        from holdfast.cli.commands.bulk_actions import act_on_all, act_on_ids, check_choice
        from holdfast.cli.session import open_session
        from holdfast.core.commands import Action

        check_choice(name, ids, q, dry_run)
        with open_session(common) as (backend, writer):
            if q is not None:
                return act_on_all(backend, writer, Action(name), q, dry_run=dry_run, yes=yes, reason=reason)
            return act_on_ids(backend, writer, Action(name), ids, reason=reason)

    act.__doc__ = does
    command(group, name, LISTS)(act)
