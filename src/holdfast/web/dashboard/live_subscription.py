"""What an open page subscribes to when it connects to `GET {base}/live`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.query import STATES

MAX_IDS = 500
MAX_TOPICS = 8


@dataclass(frozen=True, slots=True)
class Subscription:
    """The parameters of a live stream, from the query string, or from the form of a POST where they are longer than 6,000
    characters.

        topics=stats,overview:1h  comma list: `stats`, `overview:<span>`, `first`, `queues`, `workers`
        ids=<id>,<id>…            the jobs whose rows are on the page
        q=<search>                the filter of the page, for the counts of its tabs and for `new`
        state=<state>             the open tab
        job=<id>                  the job page is open; `log_after=<n>`: number of the newest console line that it shows
        peek=<id>                 the side peek shows this job: its `job` events carry the parts of the peek too
        seq=<n>                   `data-seq` of the page, or of the last event received (also sent as `Last-Event-ID`)
        new=<n>                   how many new jobs the page has counted already; `new` of the stream continues from here
        once=1                    send what has changed since `seq`, then `bye`, then close (a tab that polls)
    """

    topics: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    q: str | None = None
    state: str = ""
    job: str = ""
    peek: str = ""
    log_after: int = -1
    seq: int | None = None
    new: int = 0
    once: bool = False


def read_subscription(values: Mapping[str, str], last_event_id: str | None) -> Subscription:
    """The subscription that a request describes. Raises InvalidInput with the parameter."""

    def names(key: str, limit: int) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(part for part in values.get(key, "").split(",") if part))
        if len(found) > limit:
            raise InvalidInput(f"{key}: at most {limit}.", [Problem((key,), f"at most {limit}")])
        return found

    def number(key: str, text: str) -> int | None:
        if text in ("", "-1"):
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise InvalidInput(
                f"{key}: not a number of this stream.", [Problem((key,), "not a number of this stream")]
            )
        return int(text)

    after = number("log_after", values.get("log_after", ""))
    return Subscription(
        topics=names("topics", MAX_TOPICS),
        ids=names("ids", MAX_IDS),
        q=values.get("q"),
        state=_state(values.get("state", "")),
        job=values.get("job", ""),
        peek=values.get("peek", ""),
        log_after=-1 if after is None else after,
        seq=number("seq", last_event_id or values.get("seq", "")),
        new=number("new", values.get("new", "")) or 0,
        once=values.get("once") == "1",
    )


def _state(name: str) -> str:
    if name and name not in STATES:
        raise InvalidInput(f"state: there is no state {name[:40]!r}.", [Problem(("state",), "no state")])
    return name
