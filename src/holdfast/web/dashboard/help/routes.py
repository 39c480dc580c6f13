"""The help page: the states, the search syntax and the keyboard shortcuts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from holdfast.web.dashboard.frame import frame_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import ProgressBar
from holdfast.web.dashboard.state_styles import STATE_STYLES

SEARCHES = (
    ("state:failed,cancelled queue:default", "either state, and the queue"),
    ("type:report.*", "names with this beginning"),
    ("-type:noop", "all but this"),
    ("owner:ann tag:eu,urgent", "the owner, and any of the tags"),
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
    (("Enter",), "show the row beside the table"),
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


def add_help_route(router: APIRouter, data: PageData) -> None:
    """The help page."""

    @router.get("/help")
    def help_(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        return frame_of(data, request).render(
            "help/help.html",
            "help",
            states=list(STATE_STYLES.values()),
            searches=SEARCHES,
            shortcuts=SHORTCUTS,
            bar=ProgressBar(64, 100, 52),
        )
