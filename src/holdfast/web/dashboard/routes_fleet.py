"""The routes of queues, workers, help and the viewer's preferences."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from holdfast.core.errors import NotFound
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.fleet_page import queues_page, workers_page
from holdfast.web.dashboard.format import words
from holdfast.web.dashboard.looks import LOOKS
from holdfast.web.dashboard.pages import frame_of
from holdfast.web.dashboard.present import Bar
from holdfast.web.dashboard.routes_actions import ACTOR, Ask
from holdfast.web.dashboard.view import known_zone

YEAR = 31_536_000

SEARCHES = (
    ("state:failed,cancelled queue:default", "either state, and the queue"),
    ("type:report.*", "names that begin so"),
    ("-type:noop", "all but this"),
    ("owner:ann tag:eu,urgent", "whose, and with any of the tags"),
    ("error:TimeoutError", "class of the last error"),
    ("args.n:100", "an argument, by its path"),
    ("created:>2h", "created in the last 2 hours"),
    ("age:>2h", "created more than 2 hours ago"),
    ("finished:today", "in your time zone"),
    ("duration:>30s attempt:>=2", "durations and numbers"),
    ("invoice 2026", "plain words: type, tags, arguments, error"),
)

SHORTCUTS = (
    (("/",), "search"),
    (("Ctrl", "K"), "go to a page, do something"),
    (("g", "o"), "go to overview; g j jobs, g q queues, g t types, g w workers"),
    (("j", "k"), "next, previous row"),
    (("x",), "select the row; Shift x up to it"),
    (("Enter",), "look at the row beside the table"),
    (("o",), "open the job"),
    (("p",), "pause or resume"),
    (("c",), "cancel"),
    (("R",), "retry"),
    (("n",), "new job"),
    ((".",), "show new rows"),
    (("r",), "pause live updates"),
    (("t",), "theme"),
    (("Esc",), "close"),
)


def add_fleet_routes(router: APIRouter, desk: Desk) -> None:
    """The pages beside jobs and types."""

    @router.get("/queues")
    def queues(request: Request) -> Response:
        frame = frame_of(desk, request)
        return frame.render("queues.html", "queues", page=queues_page(desk, frame.view))

    @router.get("/queues/{name:path}/pause")
    def ask_pause(request: Request, name: str) -> Response:
        frame = frame_of(desk, request)
        queue = next((one for one in desk.client.queues.all() if one.name == name), None)
        if queue is None:
            raise NotFound(f"There is no queue {name[:60]!r}.")
        run, wait = (
            words(queue.processing, "running job goes", "running jobs go"),
            words(queue.enqueued, "job"),
        )
        ask = Ask(
            f"Pause queue {name}?",
            frame.view.url("queues", name, "pause"),
            "Pause queue",
            "Keep running",
            frame.view.url("queues"),
            f"{run} on to the end. {wait}, and all that come, wait.",
            reason="shown to all",
        )
        return frame.render("confirm.html", "queues", ask=ask)

    @router.post("/queues/{name:path}/pause")
    def pause(request: Request, name: str, reason: Annotated[str, Form()] = "") -> Response:
        frame = frame_of(desk, request)
        desk.client.acting_as(ACTOR).queues.pause(name, reason=reason.strip() or None)
        undo = (frame.view.url("queues", name, "resume"), "Undo")
        return frame.done(frame.view.url("queues"), f"Paused queue {name}.", undo=undo)

    @router.post("/queues/{name:path}/resume")
    def resume(request: Request, name: str) -> Response:
        frame = frame_of(desk, request)
        desk.client.acting_as(ACTOR).queues.resume(name)
        return frame.done(frame.view.url("queues"), f"Resumed queue {name}.")

    @router.get("/workers")
    def workers(request: Request) -> Response:
        frame = frame_of(desk, request)
        return frame.render("workers.html", "workers", page=workers_page(desk, frame.view))

    @router.get("/workers/{worker_id}/drain")
    def ask_drain(request: Request, worker_id: str) -> Response:
        frame = frame_of(desk, request)
        worker = desk.client.workers.get(worker_id)
        name = worker.name or worker.host
        left = words(worker.busy, "job runs", "jobs run")
        ask = Ask(
            f"Drain {name}?",
            frame.view.url("workers", worker_id, "drain"),
            "Drain worker",
            "Keep working",
            frame.view.url("workers"),
            f"It claims nothing more. {left} on it to the end, then its process ends, and no other one is started in its "
            "place. This cannot be taken back: start the worker again.",
        )
        return frame.render("confirm.html", "workers", ask=ask)

    @router.post("/workers/{worker_id}/drain")
    def drain(request: Request, worker_id: str) -> Response:
        frame = frame_of(desk, request)
        worker = desk.client.workers.drain(worker_id)
        left = words(worker.busy, "job")
        return frame.done(frame.view.url("workers"), f"Draining {worker.name or worker.host}: {left} left.")

    @router.get("/help")
    def help_(request: Request) -> Response:
        frame = frame_of(desk, request)
        return frame.render(
            "help.html",
            "help",
            states=list(LOOKS.values()),
            searches=SEARCHES,
            shortcuts=SHORTCUTS,
            bar=Bar(64, 100, 52),
        )

    @router.post("/looks")
    def looks(
        request: Request,
        theme: Annotated[str, Form()] = "",
        density: Annotated[str, Form()] = "",
        zone: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "",
    ) -> Response:
        frame = frame_of(desk, request)
        back = frame.inside(next, frame.view.url())
        unknown = bool(zone) and zone != "browser" and not known_zone(zone)
        if unknown:
            answer = frame.done(
                back,
                f"There is no time zone {zone[:60]!r}. Write it like Europe/Berlin.",
                icon="warn",
                status=422,
            )
        else:
            answer = RedirectResponse(back, 303)
        chosen = {
            "theme": (theme, ("light", "dark")),
            "density": (density, ("compact",)),
            "zone": ("" if unknown else zone, ()),
        }
        for name, (value, known) in chosen.items():
            if not value:
                continue
            keep = value in known if known else value != "browser"
            path = f"{frame.view.base}/"
            if keep:
                answer.set_cookie(f"holdfast_{name}", value, max_age=YEAR, path=path, samesite="lax")
            else:
                answer.delete_cookie(f"holdfast_{name}", path=path)
        return answer
