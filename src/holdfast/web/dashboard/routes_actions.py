"""The actions on one job: plain forms, asked first where it cannot be taken back."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from holdfast.client.views import JobView
from holdfast.core.commands import Action
from holdfast.core.errors import Conflict
from holdfast.core.states import State
from holdfast.web.dashboard.asking import ACTOR, ASKED_FIRST, DONE, REQUESTED, Ask
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.looks import look_of
from holdfast.web.dashboard.pages import Frame, frame_of
from holdfast.web.dashboard.present import Shown, amount, fitting, shown

_UNDO = {Action.PAUSE: Action.RESUME, Action.RESUME: Action.PAUSE}
_MENU = (
    (Action.RETRY, "Retry now", "retrying", "R"),
    (Action.PAUSE, "Pause", "paused", "p"),
    (Action.RESUME, "Resume", "processing", "p"),
    (Action.CANCEL, "Cancel", "cancelled", "c"),
    (Action.DELETE, "Delete", "trash", "Del"),
)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One line of the menu of a job. `why`: why it cannot be done now."""

    action: str
    word: str
    icon: str
    kbd: str
    asks: bool
    why: str


def add_action_routes(router: APIRouter, desk: Desk) -> None:
    """The routes that change jobs, and those that ask before."""
    fragments = Fragments(desk)

    @router.get("/jobs/{job_id}/menu")
    def menu(request: Request, job_id: str, next: str = "") -> Response:
        frame = frame_of(desk, request)
        job = desk.client.jobs.get(job_id)
        return frame.render(
            "menu.html",
            "jobs",
            job=shown(job),
            items=_menu(job),
            next=frame.inside(next, frame.view.url("jobs", job_id)),
        )

    # each has its own address: one for all of them would take those of files and pages below a job
    for action in Action:
        router.add_api_route(f"/jobs/{{job_id}}/{action}", _asking(desk, action), methods=["GET"])
        router.add_api_route(f"/jobs/{{job_id}}/{action}", _acting(desk, fragments, action), methods=["POST"])


def _asking(desk: Desk, action: Action) -> Callable[[Request, str], Response]:
    def ask(request: Request, job_id: str) -> Response:
        frame = frame_of(desk, request)
        if action not in ASKED_FIRST:
            return RedirectResponse(frame.view.url("jobs", job_id), 303)
        return frame.render(
            "confirm.html", "jobs", ask=_ask_one(frame, shown(desk.client.jobs.get(job_id)), action)
        )

    return ask


def _acting(desk: Desk, fragments: Fragments, action: Action) -> Callable[..., Response]:
    def act(
        request: Request,
        job_id: str,
        reason: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        return _act(frame_of(desk, request), fragments, job_id, action, reason, next)

    return act


def _act(frame: Frame, fragments: Fragments, job_id: str, action: Action, reason: str, back: str) -> Response:
    desk, view = frame.desk, frame.view
    to = frame.inside(back, view.url("jobs", job_id))
    name = desk.client.jobs.get(job_id).type
    try:
        if action is Action.DELETE:
            desk.client.acting_as(ACTOR).jobs.delete(job_id)
            return frame.done(view.url("jobs"), f"Deleted {name}.")
        job = desk.client.acting_as(ACTOR).jobs.act(job_id, action, reason=reason.strip() or None)
    except Conflict as error:
        job = desk.client.jobs.get(job_id)
        text = f"Not done: {error.detail} What you see is up to date now."
        return frame.done(to, text, icon="warn", status=409, html=_fresh(fragments, job, frame))
    asked = job.requested is not None and action in REQUESTED
    place = (
        f" at {amount(job.progress.held)}"
        if action is Action.PAUSE and job.progress and job.progress.held
        else ""
    )
    text = (
        f"{REQUESTED[action]} {name}. It stops at its next checkpoint."
        if asked
        else f"{DONE[action]} {name}{place}."
    )
    undo = _UNDO.get(action)
    way = (
        (view.url("jobs", job_id, undo.value), "Undo") if undo is not None and undo in fitting(job) else None
    )
    return frame.done(to, text, html=_fresh(fragments, job, frame), undo=way)


def _fresh(fragments: Fragments, job: JobView, frame: Frame) -> dict[str, str]:
    """The job as it is now, wherever it may stand on the page that asked. Only a script of ours can use it."""
    if not frame.scripted:
        return {}
    row = {f"row-{job.id}": fragments.row_html(job, frame.view)}
    return row | fragments.job_html(job, frame.view) | fragments.peek_html(job, frame.view)


def _ask_one(frame: Frame, job: Shown, action: Action) -> Ask:
    url = frame.view.url("jobs", job.job.id, action.value)
    back = frame.view.url("jobs", job.job.id)
    name = job.job.type
    if action is Action.DELETE:
        return Ask(
            f"Delete this {name} job?",
            url,
            "Delete job",
            "Keep job",
            back,
            "It is removed with its result, error and console.",
            danger=True,
            none=Action.DELETE not in job.fits,
        )
    running = job.job.state == State.PROCESSING
    text = (
        "It stops at its next checkpoint, by force after the grace time."
        if running
        else "It does not run any more."
    )
    held = f" Done so far: {job.bar.done_text}." if job.bar is not None else ""
    return Ask(
        f"Cancel this {name} job?",
        url,
        "Cancel job",
        "Keep job",
        back,
        text + held,
        danger=True,
        reason="shown in its timeline",
        none=Action.CANCEL not in job.fits,
    )


def _menu(job: JobView) -> list[MenuItem]:
    fits = fitting(job)
    items: list[MenuItem] = []
    for action, word, icon, kbd in _MENU:
        why = "" if action in fits else f"it is {look_of(job).word.lower()}"
        if action is Action.RESUME and look_of(job).key == "pausing":
            word = "Keep running"
        items.append(MenuItem(action.value, word, icon, kbd, action in ASKED_FIRST, why))
    return items
