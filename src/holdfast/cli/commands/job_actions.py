"""This exists so that jobs are steered from a terminal: by id, or all that match a search."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.options import LISTS, Common, command

_DOES = {
    "pause": "Let jobs stand still: at once while they wait, at the next checkpoint while they run.",
    "resume": "Let paused jobs go on from where they stood.",
    "cancel": "Stop jobs for good; one that runs is asked first, and forced after the grace time.",
    "retry": "Try failed or cancelled jobs again now, from their saved state.",
    "delete": "Remove ended jobs and all that belongs to them.",
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
            typer.Option("-q", "--query", metavar="QUERY", help="All jobs that match, instead of ids."),
        ] = None,
        reason: Annotated[str | None, typer.Option(help="Why; kept in the history of the job.")] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count by state; do nothing.")] = False,
        yes: Annotated[
            bool, typer.Option("--yes", "-y", help="Do not ask before acting on all that match.")
        ] = False,
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
