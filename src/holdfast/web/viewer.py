"""Keeps an open page current: redraws what has changed and sends it in few messages.

The wire is described in `holdfast.web.dashboard.fragments`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from holdfast.client.views import JobView, LogPage
from holdfast.core.errors import InvalidInput, InvalidQuery, NotFound, Problem
from holdfast.core.query import STATES, Query
from holdfast.core.records import EventRecord
from holdfast.web.dashboard.assets import asset_build
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.lists import numbers_of
from holdfast.web.dashboard.view import View
from holdfast.web.live import Tick
from holdfast.web.stream import Message, Watcher, message

MAX_IDS = 500
MAX_LINES = 500
MAX_BYTES = 512 * 1024
"""What waits for a page that does not fetch it; above, it is told `gap`."""

MESSAGE_BYTES = 60 * 1024
PULSE = 5.0
"""Seconds after which figures are drawn again although no event came: rates fall, waits grow."""

SETTLE = 1.1
"""Seconds after the last change at which figures are drawn once more: what they are made from may be a second old."""

SAMPLE = 1_000
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page wants to be told of. `new`: how many new jobs it knows of already."""

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


def read_asked(values: Mapping[str, str], last_event_id: str | None) -> Asked:
    """What a request asks for. Raises InvalidInput with the place."""

    def names(key: str, most: int) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(part for part in values.get(key, "").split(",") if part))
        if len(found) > most:
            raise InvalidInput(f"{key}: at most {most}.", [Problem((key,), f"at most {most}")])
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
    return Asked(
        topics=names("topics", 8),
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


def _state(word: str) -> str:
    if word and word not in STATES:
        raise InvalidInput(f"state: there is no state {word[:40]!r}.", [Problem(("state",), "no state")])
    return word


@dataclass(slots=True)
class Box:
    """What is to be sent, merged: the newest of everything."""

    stats: dict[str, str] = field(default_factory=dict[str, str])
    rows: dict[str, str] = field(default_factory=dict[str, str])
    gone: set[str] = field(default_factory=set[str])
    left: set[str] = field(default_factory=set[str])
    jobs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    titles: dict[str, str] = field(default_factory=dict[str, str])
    log: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    tabs: str = ""
    new: int | None = None
    rate: float | None = None

    def size(self) -> int:
        drawn = [
            *self.stats.values(),
            *self.rows.values(),
            *(text for html in self.jobs.values() for text in html.values()),
        ]
        return sum(map(len, drawn)) + sum(len(text) for text, _ in self.log) + len(self.tabs)


class Viewer(Watcher):
    """One open page."""

    def __init__(self, asked: Asked, view: View, fragments: Fragments) -> None:
        super().__init__()
        self._asked = asked
        self._view = view
        self._fragments = fragments
        self._rows = frozenset(asked.ids)
        self.ids = self._rows | {one for one in (asked.job, asked.peek) if one}
        self.feeds = asked.q is not None
        if asked.q is not None:
            self._query()  # a search that cannot be read is refused now
        self._box = Box()
        self._drawn = Box()
        self._hello: Message | None = None
        self._gap = False
        self._line = asked.log_after
        self._new = asked.new
        self._rate = -1.0
        self._tabs = ""
        self._sent: dict[str, int] = {}
        self._tabs_due = NEVER
        self._topics_due = NEVER
        self._lines_due = NEVER
        self._settled = 0.0

    def _query(self) -> Query:
        return self._fragments.desk.client.jobs.query(self._asked.q or "", zone=ZoneInfo(self._view.zone))

    # -- in the hub's thread ----------------------------------------------------------------------------------------------

    def begin(self, tick: Tick) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._hello = message("hello", tick.seq, {"seq": tick.seq, "time": now, "build": asset_build()})
        seen = self._asked.seq
        known = seen is not None and not tick.forgotten(seen)
        self._topics_due = tick.now + SETTLE if self._asked.topics else NEVER
        if known and seen is not None and seen >= tick.newest:
            self._draw_lines(tick)
            return
        missed = (
            tick.client.events.read(after=seen, limit=5_000)
            if known and seen is not None and self.feeds
            else []
        )
        changed = tick.changed_since(seen, self.ids) if known and seen is not None else self.ids
        self._changed(tick, changed, missed)
        self._draw_lines(tick)
        self._settled = tick.now + SETTLE
        self._draw_tabs(tick)
        self._draw_topics(tick)

    def look(self, tick: Tick) -> None:
        if tick.seq > tick.after:
            self._settled = tick.now + SETTLE
            self._topics_due = min(self._topics_due, tick.now) if self._asked.topics else NEVER
            self._tabs_due = tick.now if self._asked.q is not None else NEVER
            changed = tick.changed & self.ids
            self._changed(tick, changed, tick.events if self.feeds else [])
            if self._asked.job in changed:
                self._lines_due = tick.now
        if self._lines_due <= tick.now:
            self._draw_lines(tick)
        if tick.slow and self._tabs_due <= tick.now:
            self._draw_tabs(tick)
        if tick.slow and self._topics_due <= tick.now:
            self._draw_topics(tick)

    def due(self) -> float:
        return min(self._tabs_due, self._topics_due, self._lines_due)

    def _changed(self, tick: Tick, changed: frozenset[str], events: list[EventRecord]) -> None:
        jobs = tick.jobs(tick.changed) if changed <= tick.changed else tick.jobs(changed)
        rows = changed & self._rows
        fitting = self._matching(tick, tick.changed if rows <= tick.changed else rows)
        for one in rows:
            if one not in jobs:
                self._drawn.gone.add(one)
                continue
            self._drawn.rows[one] = self._row(tick, jobs[one])
            if one not in fitting:
                self._drawn.left.add(one)
            else:
                self._drawn.left.discard(one)
        for one in changed & {self._asked.job, self._asked.peek}:
            if one in jobs:
                self._draw_job(tick, jobs[one])
        came = self._came(tick, events)
        if came:
            self._new += came
            self._drawn.new = self._new

    def _filter(self, tick: Tick) -> Query | None:
        """The filter of the page as it is meant now; None when everything matches."""
        if self._asked.q is None:
            return None
        try:
            query = tick.once(("query", self._asked.q, self._view.zone), self._query)
        except InvalidQuery:
            return None  # it could be read when the page was opened; a time that lay ahead may not be read any more
        return query if query.root is not None else None

    def _matching(self, tick: Tick, ids: frozenset[str]) -> Iterable[str]:
        """Those of the ids that match the filter of the page."""
        query = self._filter(tick)
        return ids if query is None else tick.matching(ids, (self._asked.q, self._view.zone), query)

    def _came(self, tick: Tick, events: list[EventRecord]) -> int:
        """How many jobs that are not on the page came to match its filter: new ones, and those that entered its state.

        Of more than a thousand in one tick a thousand are looked at."""
        came = tick.once(("came", self._asked.state, id(events)), lambda: _entered(events, self._asked.state))
        if self._filter(tick) is None or not came:
            return len(came - self.ids)
        sample = tick.once(("sample", came), lambda: frozenset(sorted(came)[-SAMPLE:]))
        fitting = self._matching(tick, sample)
        return round(sum(one not in self.ids for one in fitting) * len(came) / len(sample))

    def _row(self, tick: Tick, job: JobView) -> str:
        return tick.once(("row", job.id, self._view), lambda: self._fragments.row_html(job, self._view))

    def _draw_job(self, tick: Tick, job: JobView) -> None:
        html: dict[str, str] = {}
        if job.id == self._asked.job:
            html |= tick.once(("job", job.id, self._view), lambda: self._fragments.job_html(job, self._view))
            self._drawn.titles[job.id] = self._fragments.job_title(job)
        if job.id == self._asked.peek:
            html |= tick.once(
                ("peek", job.id, self._view), lambda: self._fragments.peek_html(job, self._view)
            )
        self._drawn.jobs[job.id] = html

    def _draw_lines(self, tick: Tick) -> None:
        job = self._asked.job
        if not job or self._line < 0:
            return
        try:
            page = tick.once(
                ("log", job, self._line),
                lambda: tick.client.jobs.logs(job, after=self._line, limit=MAX_LINES),
            )
        except NotFound:
            page = LogPage(items=[], next_after=self._line)
        if page.items:
            key = ("lines", job, self._line, self._view)
            html = tick.once(key, lambda: self._fragments.log_html(page.items, self._view))
            self._line = page.next_after
            self._drawn.log.append((html, self._line))
        self._lines_due = tick.now + 0.1 if len(page.items) == MAX_LINES else NEVER

    def _draw_tabs(self, tick: Tick) -> None:
        if self._asked.q is None:
            return
        key = (self._asked.q, self._asked.state, self._view)
        tabs = tick.once(("tabs", key), lambda: self._tabs_of(tick))
        self._tabs_due = NEVER
        if tabs != self._tabs:
            self._tabs = self._drawn.tabs = tabs

    def _tabs_of(self, tick: Tick) -> str:
        try:
            full, zone, state = self._query(), ZoneInfo(self._view.zone), self._asked.state
            query = tick.client.jobs.query(full.without(f"state:{state}"), zone=zone) if state else full
            numbers = tick.once(
                ("numbers", full.text, state, self._view.zone),
                lambda: numbers_of(tick.client.jobs, query, full, state, zone),
            )
        except InvalidQuery:
            return self._tabs
        return self._fragments.tabs_html(numbers, self._view)

    def _draw_topics(self, tick: Tick) -> None:
        for topic in self._asked.topics:
            html = tick.once(
                ("topic", topic, self._view),
                lambda topic=topic: self._fragments.topic_html(topic, self._view),
            )
            for part, text in html.items():
                if self._sent.get(part) != hash(text):
                    self._sent[part] = hash(text)
                    self._drawn.stats[part] = text
        self._topics_due = self._settled if self._settled > tick.now else tick.now + PULSE
        rate = round(tick.rate, 1)
        if rate != self._rate:
            self._rate = self._drawn.rate = rate

    # -- on the event loop ------------------------------------------------------------------------------------------------

    def deliver(self) -> bool:
        drawn, self._drawn = self._drawn, Box()
        box = self._box
        box.stats |= drawn.stats
        box.rows |= drawn.rows
        box.gone |= drawn.gone
        box.left = (box.left - drawn.rows.keys()) | drawn.left
        for job, html in drawn.jobs.items():
            box.jobs[job] = box.jobs.get(job, {}) | html
        box.titles |= drawn.titles
        box.log += drawn.log
        box.tabs = drawn.tabs or box.tabs
        box.new = box.new if drawn.new is None else drawn.new
        box.rate = box.rate if drawn.rate is None else drawn.rate
        if box.size() > MAX_BYTES:
            self._box, self._gap = Box(), True
        self.seq = self.told
        if self._gap or self._box != Box():
            self.wake()
        return False

    def flush(self) -> list[Message]:
        box, self._box = self._box, Box()
        messages = [self._hello] if self._hello else []
        self._hello = None
        if self._gap:
            self._gap = False
            return [*messages, message("gap", self.seq, {})]
        if box.stats or box.rate is not None:
            messages.append(message("stats", self.seq, {"html": box.stats, "rate": self._rate}))
        messages += self._row_messages(box)
        messages += [message("job", self.seq, _job(job, html, box.titles)) for job, html in box.jobs.items()]
        messages += [
            message("log", self.seq, {"id": self._asked.job, "html": html, "last": last})
            for html, last in box.log
        ]
        if self._asked.once:
            self.close()
            self._ready.clear()
        return messages

    def _row_messages(self, box: Box) -> list[Message]:
        if not (box.rows or box.gone or box.tabs or box.new is not None):
            return []
        parts: list[dict[str, Any]] = [{"html": {}}]
        size = 0
        for one, text in box.rows.items():
            length = len(json.dumps(text))
            if size + length > MESSAGE_BYTES and parts[-1]["html"]:
                parts.append({"html": {}})
                size = 0
            size += length
            parts[-1]["html"][one] = text
            if one in box.left:
                parts[-1].setdefault("left", []).append(one)
        parts[-1]["gone"] = sorted(box.gone)
        if box.tabs:
            parts[-1]["tabs"] = box.tabs
        if box.new is not None:
            parts[-1]["new"] = box.new
        return [message("rows", self.seq, part) for part in parts]


def _job(job: str, html: dict[str, str], titles: dict[str, str]) -> dict[str, Any]:
    return {"id": job, "html": html, **({"title": titles[job]} if job in titles else {})}


def _entered(events: list[EventRecord], state: str) -> frozenset[str]:
    target = STATES[state].state if state else None
    return frozenset(
        event.job
        for event in events
        if event.job is not None and event.kind == "state" and event.state is not None
        and (event.previous is None or (event.state == target and event.previous != target))
    )  # fmt: skip
