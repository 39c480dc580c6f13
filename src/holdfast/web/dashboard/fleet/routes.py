"""The routes of queues and workers."""

# The decorators keep the functions below; nothing calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from holdfast.core.errors import NotFound
from holdfast.web.dashboard.confirmation import ACTOR, Confirmation
from holdfast.web.dashboard.fleet.queues import queues_page
from holdfast.web.dashboard.fleet.workers import workers_page
from holdfast.web.dashboard.format import pluralize
from holdfast.web.dashboard.frame import frame_of
from holdfast.web.dashboard.page_data import PageData


def add_fleet_routes(router: APIRouter, data: PageData) -> None:
    """The pages of queues and workers, and their actions."""

    @router.get("/queues")
    def queues(request: Request) -> Response:
        frame = frame_of(data, request)
        return frame.render("fleet/queues.html", "queues", page=queues_page(data, frame.view))

    @router.get("/queues/{name:path}/pause")
    def confirm_pause(request: Request, name: str) -> Response:
        frame = frame_of(data, request)
        queue = next((one for one in data.client.queues.all() if one.name == name), None)
        if queue is None:
            raise NotFound(f"There is no queue {name[:60]!r}.")
        running = pluralize(queue.processing, "running job continues", "running jobs continue")
        waiting = pluralize(queue.enqueued, "job")
        confirmation = Confirmation(
            f"Pause queue {name}?",
            frame.view.url("queues", name, "pause"),
            "Pause queue",
            "Keep running",
            frame.view.url("queues"),
            f"{running} to the end. {waiting}, and all that come, wait.",
            reason="shown to all",
        )
        return frame.render("confirm.html", "queues", confirmation=confirmation)

    @router.post("/queues/{name:path}/pause")
    def pause(request: Request, name: str, reason: Annotated[str, Form()] = "") -> Response:
        frame = frame_of(data, request)
        data.client.acting_as(ACTOR).queues.pause(name, reason=reason.strip() or None)
        undo = (frame.view.url("queues", name, "resume"), "Undo")
        return frame.done(frame.view.url("queues"), f"Paused queue {name}.", undo=undo)

    @router.post("/queues/{name:path}/resume")
    def resume(request: Request, name: str) -> Response:
        frame = frame_of(data, request)
        data.client.acting_as(ACTOR).queues.resume(name)
        return frame.done(frame.view.url("queues"), f"Resumed queue {name}.")

    @router.get("/workers")
    def workers(request: Request) -> Response:
        frame = frame_of(data, request)
        return frame.render("fleet/workers.html", "workers", page=workers_page(data, frame.view))

    @router.get("/workers/{worker_id}/drain")
    def confirm_drain(request: Request, worker_id: str) -> Response:
        frame = frame_of(data, request)
        worker = data.client.workers.get(worker_id)
        name = worker.name or worker.host
        running = pluralize(worker.busy, "job runs", "jobs run")
        confirmation = Confirmation(
            f"Drain {name}?",
            frame.view.url("workers", worker_id, "drain"),
            "Drain worker",
            "Keep working",
            frame.view.url("workers"),
            f"It claims nothing more. {running} on it to the end, then its process ends and is not replaced. This cannot "
            "be undone: start the worker again.",
        )
        return frame.render("confirm.html", "workers", confirmation=confirmation)

    @router.post("/workers/{worker_id}/drain")
    def drain(request: Request, worker_id: str) -> Response:
        frame = frame_of(data, request)
        worker = data.client.workers.drain(worker_id)
        left = pluralize(worker.busy, "job")
        return frame.done(frame.view.url("workers"), f"Draining {worker.name or worker.host}: {left} left.")
