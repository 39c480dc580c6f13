"""The actions on many jobs: those that are selected, or all that match a search."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import Response, StreamingResponse

from holdfast.client.views import BulkView
from holdfast.core.commands import ALLOWED, PARTICIPLE, Action
from holdfast.core.states import State
from holdfast.web.api.operations import Operation
from holdfast.web.dashboard.asking import (
    ACTOR,
    ASKED_FIRST,
    CONFIRM_NUMBER_ABOVE,
    DOING,
    Ask,
    rows_of,
    told,
)
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.format import words
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.lists import ShownChip, chips_of
from holdfast.web.dashboard.looks import look_of
from holdfast.web.dashboard.pages import Frame, frame_of
from holdfast.web.dashboard.present import fitting

SHOWN_ABOVE = 500
"""An action on more jobs than this shows how far it has come."""

STEP_SECONDS = 0.25
MAX_SELECTED = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """One action on many jobs, as its form has it. `sure`: it was asked for confirmation, and given."""

    action: Action
    back: str
    sure: bool
    reason: str | None
    number: str = ""


def add_bulk_routes(router: APIRouter, desk: Desk) -> None:
    """The address that changes many jobs."""
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
        asked = Asked(action, back, bool(sure), reason.strip() or None, number)
        return _all(frame, asked, q) if all else _selected(frame, fragments, asked, id or [])


def _selected(frame: Frame, fragments: Fragments, asked: Asked, ids: list[str]) -> Response:
    desk, action = frame.desk, asked.action
    jobs = desk.client.jobs.get_many(ids[:MAX_SELECTED])
    fits = sorted((job for job in jobs if action in fitting(job)), key=lambda job: job.created_at)
    if not fits:
        text = (
            f"None of the {len(jobs)} selected jobs can be {PARTICIPLE[action]}."
            if jobs
            else f"Select the jobs to {action.value} first."
        )
        return frame.done(asked.back, text, icon="warn", status=409 if frame.scripted else 200)
    if action in ASKED_FIRST and not asked.sure:
        counts = Counter(look_of(job).key for job in fits)
        hidden = [("action", action.value), ("sure", "1"), ("next", asked.back)]
        hidden += [("id", job.id) for job in fits]
        return frame.render("confirm.html", "jobs", ask=_ask(frame, asked, len(fits), counts, hidden))
    chosen = [job.id for job in fits]
    refused = desk.client.acting_as(ACTOR).jobs.act_on(chosen, action, reason=asked.reason)
    reasons = Counter(why for why in refused if why is not None)
    html: dict[str, str] = {}
    if frame.scripted:
        html = {
            f"row-{job.id}": fragments.row_html(job, frame.view) for job in desk.client.jobs.get_many(chosen)
        }
    icon = "warn" if reasons else "check"
    return frame.done(asked.back, told(action, len(chosen) - reasons.total(), reasons), icon=icon, html=html)


def _all(frame: Frame, asked: Asked, q: str) -> Response:
    desk, action = frame.desk, asked.action
    query = desk.client.jobs.query(q)
    plan = desk.client.jobs.act_on_all(action, query, dry_run=True)
    wanted = str(plan.fits) if plan.fits > CONFIRM_NUMBER_ABOVE else ""
    typed = "".join(c for c in asked.number if c.isdigit())
    if not asked.sure or (wanted and typed != wanted):
        counts = {key: n for key, n in plan.by_state.items() if State(key) in ALLOWED[action]}
        hidden = [("action", action.value), ("sure", "1"), ("next", asked.back), ("all", "1"), ("q", q)]
        chips = chips_of(query, "", "", frame.view)
        ask = _ask(frame, asked, plan.fits, counts, hidden, number=wanted, chips=chips)
        return frame.render("confirm.html", "jobs", ask=ask)
    if plan.fits > SHOWN_ABOVE and frame.scripted:
        operation = desk.operations.start(
            desk.client.acting_as(ACTOR).jobs, plan, action, query, asked.reason
        )
        steps = _steps(frame, asked, plan, operation)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(steps, media_type="application/x-ndjson", headers=headers)
    result = desk.client.acting_as(ACTOR).jobs.act_on_all(action, query, counted=plan, reason=asked.reason)
    icon = "warn" if result.refused else "check"
    return frame.done(asked.back, told(action, result.done, result.reasons), icon=icon)


async def _steps(frame: Frame, asked: Asked, plan: BulkView, operation: Operation) -> AsyncGenerator[bytes]:
    """How far it has come, a line of JSON each; the last line is the outcome. Who leaves does not stop it."""
    doing = f"{DOING[asked.action]} {words(plan.fits, 'job')}"
    ended = asyncio.wrap_future(operation.ended)
    while not ended.done():
        yield _line({"doing": doing, "done": operation.done, "refused": operation.refused, "of": plan.fits})
        await asyncio.wait([ended], timeout=STEP_SECONDS)
    result = ended.result()
    text = told(asked.action, result.done, result.reasons)
    if result.error is not None:
        text = f"{text} It ended early: {result.error}"
    icon = "warn" if result.refused or result.error else "check"
    yield _line(frame.outcome(asked.back, text, icon=icon))


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _ask(
    frame: Frame,
    asked: Asked,
    count: int,
    counts: dict[str, int],
    hidden: list[tuple[str, str]],
    *,
    number: str = "",
    chips: list[ShownChip] | None = None,
) -> Ask:
    verb = asked.action.value.capitalize()
    return Ask(
        f"{verb} {words(count, 'job')}?",
        frame.view.url("jobs", "actions"),
        f"{verb} {words(count, 'job')}",
        "Keep jobs",
        asked.back,
        "" if count else "No job that matches allows it.",
        danger=asked.action in ASKED_FIRST,
        reason="" if asked.action is Action.DELETE else "shown in each timeline",
        number=number,
        number_wrong=asked.sure,
        none=not count,
        hidden=hidden,
        chips=chips or [],
        counts=rows_of(asked.action, counts),
    )
