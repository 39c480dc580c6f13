"""The actions on many jobs: the selected ones, or all that match a search."""

# The decorators keep the functions below; nothing calls them by name.
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
from holdfast.web.dashboard.confirmation import (
    ACTOR,
    CONFIRM_NUMBER_ABOVE,
    DOING,
    NEEDS_CONFIRMATION,
    Confirmation,
    bulk_report,
    effect_rows,
)
from holdfast.web.dashboard.format import pluralize
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.frame import Frame, frame_of
from holdfast.web.dashboard.jobs.filters import Chip, chips_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import allowed_actions
from holdfast.web.dashboard.state_styles import style_of

SHOW_PROGRESS_ABOVE = 500
"""An action on more jobs than this shows its progress."""

STEP_SECONDS = 0.25
MAX_SELECTED = 1000


@dataclass(frozen=True, slots=True)
class BulkForm:
    """One action on many jobs, as its form describes it. `back`: the page to return to. `sure`: it is confirmed."""

    action: Action
    back: str
    sure: bool
    reason: str | None
    number: str = ""


def add_bulk_route(router: APIRouter, data: PageData) -> None:
    """The address that changes many jobs."""
    fragments = Fragments(data)

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
        frame = frame_of(data, request)
        back = frame.inside(next, frame.view.url("jobs"))
        form = BulkForm(action, back, bool(sure), reason.strip() or None, number)
        return _act_on_all(frame, form, q) if all else _act_on_selected(frame, fragments, form, id or [])


def _act_on_selected(frame: Frame, fragments: Fragments, form: BulkForm, ids: list[str]) -> Response:
    data, action = frame.data, form.action
    jobs = data.client.jobs.get_many(ids[:MAX_SELECTED])
    allowed = sorted((job for job in jobs if action in allowed_actions(job)), key=lambda job: job.created_at)
    if not allowed:
        text = (
            f"None of the {len(jobs)} selected jobs can be {PARTICIPLE[action]}."
            if jobs
            else f"Select the jobs to {action.value} first."
        )
        return frame.done(form.back, text, icon="warn", status=409 if frame.scripted else 200)
    if action in NEEDS_CONFIRMATION and not form.sure:
        counts = Counter(style_of(job).key for job in allowed)
        hidden = [("action", action.value), ("sure", "1"), ("next", form.back)]
        hidden += [("id", job.id) for job in allowed]
        return frame.render(
            "confirm.html", "jobs", confirmation=_confirmation(frame, form, len(allowed), counts, hidden)
        )
    chosen = [job.id for job in allowed]
    refused = data.client.acting_as(ACTOR).jobs.act_on(chosen, action, reason=form.reason)
    reasons = Counter(why for why in refused if why is not None)
    html: dict[str, str] = {}
    if frame.scripted:
        html = {
            f"row-{job.id}": fragments.row_html(job, frame.view) for job in data.client.jobs.get_many(chosen)
        }
    icon = "warn" if reasons else "check"
    return frame.done(
        form.back, bulk_report(action, len(chosen) - reasons.total(), reasons), icon=icon, html=html
    )


def _act_on_all(frame: Frame, form: BulkForm, q: str) -> Response:
    data, action = frame.data, form.action
    query = data.client.jobs.query(q)
    plan = data.client.jobs.act_on_all(action, query, dry_run=True)
    expected = str(plan.fits) if plan.fits > CONFIRM_NUMBER_ABOVE else ""
    typed = "".join(c for c in form.number if c.isdigit())
    if not form.sure or (expected and typed != expected):
        counts = {key: n for key, n in plan.by_state.items() if State(key) in ALLOWED[action]}
        hidden = [("action", action.value), ("sure", "1"), ("next", form.back), ("all", "1"), ("q", q)]
        chips = chips_of(query, "", "", frame.view)
        confirmation = _confirmation(frame, form, plan.fits, counts, hidden, number=expected, chips=chips)
        return frame.render("confirm.html", "jobs", confirmation=confirmation)
    if plan.fits > SHOW_PROGRESS_ABOVE and frame.scripted:
        operation = data.operations.start(data.client.acting_as(ACTOR).jobs, plan, action, query, form.reason)
        steps = _progress(frame, form, plan, operation)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(steps, media_type="application/x-ndjson", headers=headers)
    result = data.client.acting_as(ACTOR).jobs.act_on_all(action, query, counted=plan, reason=form.reason)
    icon = "warn" if result.refused else "check"
    return frame.done(form.back, bulk_report(action, result.done, result.reasons), icon=icon)


async def _progress(
    frame: Frame, form: BulkForm, plan: BulkView, operation: Operation
) -> AsyncGenerator[bytes]:
    """The progress, one JSON object a line; the last one is the outcome. A client that leaves does not stop the action."""
    doing = f"{DOING[form.action]} {pluralize(plan.fits, 'job')}"
    ended = asyncio.wrap_future(operation.ended)
    while not ended.done():
        yield _line({"doing": doing, "done": operation.done, "refused": operation.refused, "of": plan.fits})
        await asyncio.wait([ended], timeout=STEP_SECONDS)
    result = ended.result()
    yield _line({"doing": doing, "done": result.done, "refused": result.refused, "of": plan.fits})
    text = bulk_report(form.action, result.done, result.reasons)
    if result.error is not None:
        text = f"{text} It ended early: {result.error}"
    icon = "warn" if result.refused or result.error else "check"
    yield _line(frame.outcome(form.back, text, icon=icon))


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _confirmation(
    frame: Frame,
    form: BulkForm,
    count: int,
    counts: dict[str, int],
    hidden: list[tuple[str, str]],
    *,
    number: str = "",
    chips: list[Chip] | None = None,
) -> Confirmation:
    verb = form.action.value.capitalize()
    return Confirmation(
        f"{verb} {pluralize(count, 'job')}?",
        frame.view.url("jobs", "actions"),
        f"{verb} {pluralize(count, 'job')}",
        "Keep jobs",
        form.back,
        "" if count else "No job that matches allows it.",
        danger=form.action in NEEDS_CONFIRMATION,
        reason="" if form.action is Action.DELETE else "shown in each timeline",
        number=number,
        number_wrong=form.sure,
        none=not count,
        hidden=hidden,
        chips=chips or [],
        counts=effect_rows(form.action, counts),
    )
