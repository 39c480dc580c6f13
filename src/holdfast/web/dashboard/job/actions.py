"""The actions on one job: plain forms, with a confirmation where they cannot be undone."""

# The decorators keep the functions below; nothing calls them by name.
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
from holdfast.web.dashboard.confirmation import ACTOR, DONE, NEEDS_CONFIRMATION, REQUESTED, Confirmation
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.frame import Frame, frame_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import JobPresenter, allowed_actions, amount, present_job
from holdfast.web.dashboard.state_styles import style_of

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
    """One entry of the menu of a job. `confirmed`: it needs a confirmation. `why_not`: why it is not allowed now."""

    action: str
    word: str
    icon: str
    kbd: str
    confirmed: bool
    why_not: str


def add_action_routes(router: APIRouter, data: PageData) -> None:
    """The menu of a job, the routes that change it, and their confirmations."""
    fragments = Fragments(data)

    @router.get("/jobs/{job_id}/menu")
    def menu(request: Request, job_id: str, next: str = "") -> Response:
        frame = frame_of(data, request)
        job = data.client.jobs.get(job_id)
        return frame.render(
            "job/menu.html",
            "jobs",
            job=present_job(job),
            items=_menu(job),
            next=frame.inside(next, frame.view.url("jobs", job_id)),
        )

    # each action has its own address: one for all of them would take those of files and pages below a job
    for action in Action:
        router.add_api_route(f"/jobs/{{job_id}}/{action}", _confirming(data, action), methods=["GET"])
        router.add_api_route(f"/jobs/{{job_id}}/{action}", _acting(data, fragments, action), methods=["POST"])


def _confirming(data: PageData, action: Action) -> Callable[[Request, str], Response]:
    def confirm(request: Request, job_id: str) -> Response:
        frame = frame_of(data, request)
        if action not in NEEDS_CONFIRMATION:
            return RedirectResponse(frame.view.url("jobs", job_id), 303)
        confirmation = _confirmation(frame, present_job(data.client.jobs.get(job_id)), action)
        return frame.render("confirm.html", "jobs", confirmation=confirmation)

    return confirm


def _acting(data: PageData, fragments: Fragments, action: Action) -> Callable[..., Response]:
    def act(
        request: Request,
        job_id: str,
        reason: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        return _act(frame_of(data, request), fragments, job_id, action, reason, next)

    return act


def _act(frame: Frame, fragments: Fragments, job_id: str, action: Action, reason: str, back: str) -> Response:
    data, view = frame.data, frame.view
    to = frame.inside(back, view.url("jobs", job_id))
    name = data.client.jobs.get(job_id).type
    try:
        if action is Action.DELETE:
            data.client.acting_as(ACTOR).jobs.delete(job_id)
            return frame.done(view.url("jobs"), f"Deleted {name}.")
        job = data.client.acting_as(ACTOR).jobs.act(job_id, action, reason=reason.strip() or None)
    except Conflict as error:
        job = data.client.jobs.get(job_id)
        text = f"Not done: {error.detail} What you see is up to date now."
        return frame.done(to, text, icon="warn", status=409, html=_redrawn(fragments, job, frame))
    requested = job.requested is not None and action in REQUESTED
    place = (
        f" at {amount(job.progress.held)}"
        if action is Action.PAUSE and job.progress and job.progress.held
        else ""
    )
    text = (
        f"{REQUESTED[action]} {name}. It stops at its next checkpoint."
        if requested
        else f"{DONE[action]} {name}{place}."
    )
    undo = _UNDO.get(action)
    can_undo = undo is not None and undo in allowed_actions(job)
    link = (view.url("jobs", job_id, undo.value), "Undo") if undo is not None and can_undo else None
    return frame.done(to, text, html=_redrawn(fragments, job, frame), undo=link)


def _redrawn(fragments: Fragments, job: JobView, frame: Frame) -> dict[str, str]:
    """Every part in which a page may show the job, as it is now; nothing without our script, which inserts it."""
    if not frame.scripted:
        return {}
    row = {f"row-{job.id}": fragments.row_html(job, frame.view)}
    return row | fragments.job_html(job, frame.view) | fragments.peek_html(job, frame.view)


def _confirmation(frame: Frame, job: JobPresenter, action: Action) -> Confirmation:
    url = frame.view.url("jobs", job.job.id, action.value)
    back = frame.view.url("jobs", job.job.id)
    name = job.job.type
    if action is Action.DELETE:
        return Confirmation(
            f"Delete this {name} job?",
            url,
            "Delete job",
            "Keep job",
            back,
            "It is removed with its result, error and console.",
            danger=True,
            none=Action.DELETE not in job.allowed,
        )
    running = job.job.state == State.PROCESSING
    text = (
        "It stops at its next checkpoint, by force after the grace time." if running else "It does not start."
    )
    held = f" Done so far: {job.bar.done_text}." if job.bar is not None else ""
    return Confirmation(
        f"Cancel this {name} job?",
        url,
        "Cancel job",
        "Keep job",
        back,
        text + held,
        danger=True,
        reason="shown in its timeline",
        none=Action.CANCEL not in job.allowed,
    )


def _menu(job: JobView) -> list[MenuItem]:
    allowed = allowed_actions(job)
    items: list[MenuItem] = []
    for action, word, icon, kbd in _MENU:
        why_not = "" if action in allowed else f"it is {style_of(job).word.lower()}"
        if action is Action.RESUME and style_of(job).key == "pausing":
            word = "Keep running"
        items.append(MenuItem(action.value, word, icon, kbd, action in NEEDS_CONFIRMATION, why_not))
    return items
