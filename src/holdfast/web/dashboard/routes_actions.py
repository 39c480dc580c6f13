"""This exists so that jobs are steered by plain forms: one or many, asked first where it cannot be taken back."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from holdfast.client.views import JobView
from holdfast.core.commands import ALLOWED, Action
from holdfast.core.errors import Conflict, NotFound
from holdfast.core.states import State
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.format import exact, words
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.lists import ShownChip, chips_of
from holdfast.web.dashboard.looks import LOOKS, Look, look_of
from holdfast.web.dashboard.pages import Frame, frame_of
from holdfast.web.dashboard.present import Shown, amount, fitting, shown

ACTOR = "dashboard"
ASKED_FIRST = frozenset({Action.CANCEL, Action.DELETE})
CONFIRM_NUMBER_ABOVE = 100

_DONE = {
    Action.PAUSE: "Paused",
    Action.RESUME: "Resumed",
    Action.CANCEL: "Cancelled",
    Action.RETRY: "Queued again",
    Action.DELETE: "Deleted",
}
_ASKED = {Action.PAUSE: "Pause asked of", Action.CANCEL: "Cancel asked of"}
_UNDO = {Action.PAUSE: Action.RESUME, Action.RESUME: Action.PAUSE}
_MENU = (
    (Action.RETRY, "Retry now", "retrying", "R"),
    (Action.PAUSE, "Pause", "paused", "p"),
    (Action.RESUME, "Resume", "processing", "p"),
    (Action.CANCEL, "Cancel", "cancelled", "c"),
    (Action.DELETE, "Delete", "trash", "Del"),
)
_EFFECTS = {
    (Action.CANCEL, State.ENQUEUED): "leave the queue at once",
    (Action.CANCEL, State.SCHEDULED): "do not start",
    (Action.CANCEL, State.AWAITING): "do not start",
    (Action.CANCEL, State.PROCESSING): "stop at their next checkpoint, by force after the grace time",
    (Action.CANCEL, State.PAUSED): "are cancelled where they stand",
    (Action.PAUSE, State.PROCESSING): "pause at their next checkpoint",
    (Action.DELETE, State.SUCCEEDED): "are removed with their result and console",
    (Action.DELETE, State.FAILED): "are removed with their error and console",
    (Action.DELETE, State.CANCELLED): "are removed with their console",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked before something is done. `number`: must be typed; "" = need not."""

    title: str
    action: str
    go: str
    keep: str
    back: str
    text: str = ""
    danger: bool = False
    reason: str = ""
    number: str = ""
    number_wrong: bool = False
    none: bool = False
    hidden: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    chips: list[ShownChip] = field(default_factory=list[ShownChip])
    counts: list[tuple[Look, int, str]] = field(default_factory=list[tuple[Look, int, str]])


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

    @router.post("/jobs/actions")
    def bulk(
        request: Request,
        action: Annotated[Action, Form()],
        id: Annotated[list[str] | None, Form()] = None,
        q: Annotated[str, Form()] = "",
        all: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
        sure: Annotated[str, Form()] = "",
        number: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "",
    ) -> Response:
        frame = frame_of(desk, request)
        back = frame.inside(next, frame.view.url("jobs"))
        if all:
            return _bulk_all(frame, action, q, back, sure=bool(sure), number=number, reason=reason)
        return _bulk_ids(frame, fragments, action, id or [], back, sure=bool(sure), reason=reason)

    @router.get("/jobs/{job_id}/menu")
    def menu(request: Request, job_id: str, next: str = "") -> Response:
        frame = frame_of(desk, request)
        job = desk.client.job(job_id)
        return frame.render(
            "menu.html",
            "jobs",
            job=shown(job),
            items=_menu(job),
            next=frame.inside(next, frame.view.url("jobs", job_id)),
        )

    @router.get("/jobs/{job_id}/{action}")
    def ask(request: Request, job_id: str, action: Action) -> Response:
        frame = frame_of(desk, request)
        if action not in ASKED_FIRST:
            return RedirectResponse(frame.view.url("jobs", job_id), 303)
        return frame.render(
            "confirm.html", "jobs", ask=_ask_one(frame, shown(desk.client.job(job_id)), action)
        )

    @router.post("/jobs/{job_id}/{action}")
    def act(
        request: Request,
        job_id: str,
        action: Action,
        reason: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        return _act(frame_of(desk, request), fragments, job_id, action, reason, next)


def _act(frame: Frame, fragments: Fragments, job_id: str, action: Action, reason: str, back: str) -> Response:
    desk, view = frame.desk, frame.view
    to = frame.inside(back, view.url("jobs", job_id))
    name = desk.client.job(job_id).type
    try:
        if action is Action.DELETE:
            desk.client.delete(job_id, actor=ACTOR)
            return frame.done(view.url("jobs"), f"Deleted {name}.")
        job = desk.client.act(job_id, action, reason=reason.strip() or None, actor=ACTOR)
    except Conflict as error:
        job = desk.client.job(job_id)
        text = f"Not done: {error.detail} What you see is up to date now."
        return frame.done(to, text, icon="warn", status=409, html=_fresh(fragments, job, frame))
    asked = job.requested is not None and action in _ASKED
    place = (
        f" at {amount(job.progress.held)}"
        if action is Action.PAUSE and job.progress and job.progress.held
        else ""
    )
    text = (
        f"{_ASKED[action]} {name}. It stops at its next checkpoint."
        if asked
        else f"{_DONE[action]} {name}{place}."
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


def _bulk_ids(
    frame: Frame, fragments: Fragments, action: Action, ids: list[str], back: str, *, sure: bool, reason: str
) -> Response:
    desk = frame.desk
    jobs = desk.overview.jobs(ids[:1000])
    fits = [job for job in jobs if action in fitting(job)]
    if not fits:
        word = action.value
        text = (
            f"None of the {len(jobs)} selected jobs can be {_participle(action)}."
            if jobs
            else f"Select the jobs to {word} first."
        )
        return frame.done(back, text, icon="warn", status=409 if frame.scripted else 200)
    if action in ASKED_FIRST and not sure:
        counts = Counter(look_of(job).key for job in fits)
        hidden = [("action", action.value), ("sure", "1"), ("next", back), *(("id", job.id) for job in fits)]
        ask = _ask_many(frame, action, len(fits), counts, back, hidden)
        return frame.render("confirm.html", "jobs", ask=ask)
    done: list[JobView] = []
    refused = 0
    for job in fits:
        try:
            if action is Action.DELETE:
                desk.client.delete(job.id, actor=ACTOR)
                done.append(job)
            else:
                done.append(desk.client.act(job.id, action, reason=reason.strip() or None, actor=ACTOR))
        except (Conflict, NotFound):
            refused += 1
    html = (
        {f"row-{job.id}": fragments.row_html(job, frame.view) for job in done}
        if action is not Action.DELETE and frame.scripted
        else {}
    )
    return frame.done(back, _told(action, len(done), refused), html=html)


def _bulk_all(
    frame: Frame, action: Action, q: str, back: str, *, sure: bool, number: str, reason: str
) -> Response:
    desk = frame.desk
    query = desk.overview.query(q)
    plan = desk.overview.act_on_all(action, query, dry_run=True)
    wanted = str(plan.fits) if plan.fits > CONFIRM_NUMBER_ABOVE else ""
    typed = "".join(c for c in number if c.isdigit())
    if not sure or (wanted and typed != wanted):
        counts = Counter(
            {state: count for state, count in plan.by_state.items() if State(state) in ALLOWED[action]}
        )
        hidden = [("action", action.value), ("sure", "1"), ("next", back), ("all", "1"), ("q", q)]
        ask = _ask_many(
            frame,
            action,
            plan.fits,
            counts,
            back,
            hidden,
            number=wanted,
            wrong=sure,
            chips=chips_of(query, "", "", frame.view),
        )
        return frame.render("confirm.html", "jobs", ask=ask)
    result = desk.overview.act_on_all(action, query, reason=reason.strip() or None, actor=ACTOR)
    return frame.done(back, _told(action, result.done, result.refused))


def _ask_many(
    frame: Frame,
    action: Action,
    count: int,
    counts: Counter[str],
    back: str,
    hidden: list[tuple[str, str]],
    *,
    number: str = "",
    wrong: bool = False,
    chips: list[ShownChip] | None = None,
) -> Ask:
    verb = action.value.capitalize()
    rows = [(LOOKS[key], counts[key], _effect(action, key)) for key in LOOKS if counts[key]]
    return Ask(
        f"{verb} {words(count, 'job')}?",
        frame.view.url("jobs", "actions"),
        f"{verb} {words(count, 'job')}",
        "Keep jobs",
        back,
        "" if count else "No job that matches allows it.",
        danger=action in ASKED_FIRST,
        reason="" if action is Action.DELETE else "shown in each timeline",
        number=number,
        number_wrong=wrong,
        none=not count,
        hidden=hidden,
        chips=chips or [],
        counts=rows,
    )


def _effect(action: Action, key: str) -> str:
    state = {"pausing": "processing", "cancelling": "processing", "retrying": "scheduled"}.get(key, key)
    return _EFFECTS.get((action, State(state)), "")


def _participle(action: Action) -> str:
    return {
        "pause": "paused",
        "resume": "resumed",
        "cancel": "cancelled",
        "retry": "retried",
        "delete": "deleted",
    }[action.value]


def _told(action: Action, done: int, refused: int) -> str:
    lead = {Action.PAUSE: "Pause asked of", Action.CANCEL: "Cancel asked of"}.get(action, _DONE[action])
    also = f" {exact(refused)} had changed meanwhile and were left alone." if refused else ""
    return f"{lead} {words(done, 'job')}.{also}"
