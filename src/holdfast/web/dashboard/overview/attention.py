"""How the overview shows the concerns: the style and the button of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from holdfast.client.views import ConcernView, StatsView
from holdfast.core.commands import Action
from holdfast.core.concerns import MAX_NAME, Kind
from holdfast.core.query import link_term
from holdfast.core.sizes import middle
from holdfast.web.dashboard.format import exact
from holdfast.web.dashboard.markup import isolated
from holdfast.web.dashboard.viewer_prefs import View


@dataclass(frozen=True, slots=True)
class Attention:
    """One concern as a line. `posts`: the button sends `fields` as a form instead of being a link."""

    key: str
    icon: str
    title: Markup
    detail: Markup
    since: datetime | None
    action: str
    href: str
    help: str
    posts: bool = False
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ConcernStyle:
    """How a kind of concern is shown: the state whose colour it has, its icon, and the text and link of its button."""

    key: str
    icon: str
    button: Callable[[ConcernView, View], tuple[str, str]]


def _workers(text: str) -> Callable[[ConcernView, View], tuple[str, str]]:
    return lambda concern, view: (text, view.url("workers"))


def _waiting(concern: ConcernView, view: View) -> tuple[str, str]:
    terms = [link_term("type", name) for name in concern.types[:1] if len(concern.types) == 1]
    terms += [link_term("queue", name) for name in concern.queues[:1] if len(concern.queues) == 1]
    return "See its jobs", view.url("jobs", q=" ".join(terms), state="enqueued")


def _failures(concern: ConcernView, view: View) -> tuple[str, str]:
    return "See its failures", view.url(
        "jobs", q=f"{link_term('type', concern.types[0])} state:failed,retrying"
    )


def _exhausted(concern: ConcernView, view: View) -> tuple[str, str]:
    if not concern.retry:
        return "See its failures", view.url("jobs", q=link_term("type", concern.types[0]), state="failed")
    return f"Retry {exact(concern.jobs)}{'+' if concern.capped else ''}…", view.url("jobs", "actions")


def _retry(concern: ConcernView, view: View) -> tuple[tuple[str, str], ...]:
    """The form of the bulk action on the failed jobs of the one type, which needs a confirmation."""
    q = f"{link_term('type', concern.types[0])} state:failed"
    return ("action", Action.RETRY.value), ("all", "1"), ("q", q), ("next", view.url())


CONCERN_STYLES: dict[str, ConcernStyle] = {
    Kind.NO_WORKER: ConcernStyle("failed", "unplug", _workers("How to start one")),
    Kind.NO_SCHEDULER: ConcernStyle("failed", "scheduled", _workers("How to start one")),
    Kind.UNSERVED: ConcernStyle("failed", "unplug", _waiting),
    Kind.FAILING_TYPE: ConcernStyle("failed", "errors", _failures),
    Kind.QUEUE_PAUSED: ConcernStyle(
        "paused",
        "paused",
        lambda concern, view: ("Resume queue", view.url("queues", concern.queues[0], "resume")),
    ),
    Kind.EXHAUSTED_RETRIES: ConcernStyle("retrying", "retrying", _exhausted),
    Kind.WORKER_LOST: ConcernStyle("failed", "unplug", _workers("See workers")),
    Kind.OVERDUE: ConcernStyle(
        "retrying",
        "scheduled",
        lambda _, view: ("See scheduled jobs", view.url("jobs", state="scheduled", sort="run_at")),
    ),
    Kind.QUEUE_BEHIND: ConcernStyle("retrying", "warn", _waiting),
    Kind.FAILURES: ConcernStyle(
        "failed", "errors", lambda _, view: ("See failed jobs", view.url("jobs", state="failed"))
    ),
}

_LIST_PAGE = {
    Kind.UNSERVED: "queues",
    Kind.FAILING_TYPE: "types",
    Kind.QUEUE_PAUSED: "queues",
    Kind.EXHAUSTED_RETRIES: "types",
    Kind.QUEUE_BEHIND: "queues",
}
"""The page to which the line of several concerns leads."""


def attention(stats: StatsView, view: View) -> list[Attention]:
    """The concerns as lines, the most important first."""
    return [_line(concern, view) for concern in stats.concerns]


def _line(concern: ConcernView, view: View) -> Attention:
    style = CONCERN_STYLES[concern.kind]
    folded = concern.subject is None and concern.kind in _LIST_PAGE
    text, href = (
        ("See all", view.url(_LIST_PAGE[Kind(concern.kind)])) if folded else style.button(concern, view)
    )
    retry = concern.kind == Kind.EXHAUSTED_RETRIES and concern.retry
    posts = not folded and (retry or concern.kind == Kind.QUEUE_PAUSED)
    names = [middle(name, MAX_NAME) for name in (*concern.queues, *concern.types, concern.subject or "")]
    return Attention(
        style.key,
        style.icon,
        isolated(concern.title, names),
        isolated(concern.detail, names),
        concern.since,
        text,
        href,
        concern.action,
        posts,
        _retry(concern, view) if posts and retry else (),
    )
