"""The live stream of one open page: redraws what has changed and sends it in few messages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from holdfast.client.views import JobView, LogPage
from holdfast.core.errors import InvalidQuery, NotFound
from holdfast.core.query import STATES, Query
from holdfast.core.records import EventRecord
from holdfast.web.dashboard.assets import asset_build
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.jobs.filters import list_counts
from holdfast.web.dashboard.live_subscription import Subscription
from holdfast.web.dashboard.viewer_prefs import View
from holdfast.web.live.tick import Tick
from holdfast.web.live.watcher import Message, Watcher, message

MAX_LINES = 500
MAX_BYTES = 512 * 1024
"""Size of what waits for a page that does not read; above it the page receives `gap` instead."""

MAX_MISSED = 5_000
"""Events before a page reconnected that are searched for new jobs."""

MESSAGE_BYTES = 60 * 1024
REDRAW_INTERVAL = 5.0
"""Seconds after which figures are drawn again although nothing has changed: rates fall, waits grow."""

SETTLE_TIME = 1.1
"""Seconds after the last change at which figures are drawn once more: what they are made from may be a second old."""

SAMPLE = 1_000
NEVER = float("inf")


@dataclass(slots=True)
class Outbox:
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


class PageStream(Watcher):
    """One open page. Server-sent events in UTF-8, each with one JSON object as its data:

        hello   {"seq": 81, "time": "2026-11-20T13:03:22.114Z", "build": "<asset_build()>"}
        stats   {"html": {"<element id>": "<outer html>", …}, "rate": 14.0}
                rate: committed changes a second, all jobs. html: `Fragments.topic_html` of the topics, merged. ≤ 2/s
        rows    {"html": {"<job id>": "<tr …>…</tr>"}, "gone": ["<job id>"], "left": ["<job id>"], "new": 3,
                 "tabs": "<nav …>"}
                html: `Fragments.row_html`; gone: removed jobs; left: no longer match q (their html is included);
                new: how many jobs that match q were created since the page was loaded (absolute, not a step);
                tabs: `Fragments.tabs_html`, ≤ 2/s, absent when nothing changed. Message ≤ 64 KiB, ≤ 4/s
        job     {"id": "…", "html": {"job-head": "…", "job-status": "…", …}, "title": "Running: …"}
                html and title: `Fragments.job_html`, `job_title`. ≤ 10/s
        log     {"id": "…", "html": "<li …>…", "last": 411}
                html: `Fragments.log_html` of the new lines in order, ≤ 500 lines a message, ≤ 10/s
        gap     {}     something was dropped: the page connects again without `seq`
        ping    {}     every 15 s; a page takes silence of more than 40 s as a broken connection
        bye     {"retry": 1000}   the server stops or the page polled; connect again after so many milliseconds

    After `hello` comes what has changed after `seq`. Where that is not known (no `seq`, or one from which events have been
    removed) everything subscribed to is sent once: all rows, the job, the lines after `log_after`, all topics. The last of
    the events that were drawn together carries `id: <seq>`. Drawn fragments are shared by pages with an equal `View`.
    """

    def __init__(self, subscription: Subscription, view: View, fragments: Fragments) -> None:
        super().__init__()
        self._subscription = subscription
        self._view = view
        self._fragments = fragments
        self._rows = frozenset(subscription.ids)
        self.ids = self._rows | {job for job in (subscription.job, subscription.peek) if job}
        self.needs_events = subscription.q is not None
        if subscription.q is not None:
            self._query()  # an invalid search is refused now
        self._outbox = Outbox()
        self._drawn = Outbox()
        self._hello: Message | None = None
        self._gap = False
        self._line = subscription.log_after
        self._new = subscription.new
        self._rate = -1.0
        self._tabs = ""
        self._sent: dict[str, int] = {}
        self._tabs_due = NEVER
        self._topics_due = NEVER
        self._lines_due = NEVER
        self._settled = 0.0

    def _query(self) -> Query:
        return self._fragments.data.client.jobs.query(
            self._subscription.q or "", zone=ZoneInfo(self._view.zone)
        )

    # -- in the hub's thread ----------------------------------------------------------------------------------------------

    def start(self, tick: Tick) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._hello = message("hello", tick.seq, {"seq": tick.seq, "time": now, "build": asset_build()})
        seen = self._subscription.seq
        if seen is not None and tick.is_incomplete_after(seen):
            seen = None
        self._topics_due = tick.now + SETTLE_TIME if self._subscription.topics else NEVER
        if seen is not None and seen >= tick.newest:
            self._draw_lines(tick)
            return
        missed: list[EventRecord] = []
        if seen is not None and self.needs_events:
            missed = tick.client.events.read(after=seen, limit=MAX_MISSED)
        changed = self.ids if seen is None else tick.changed_since(seen, self.ids)
        self._draw_changes(tick, changed, missed)
        self._draw_lines(tick)
        self._settled = tick.now + SETTLE_TIME
        self._draw_tabs(tick)
        self._draw_topics(tick)

    def update(self, tick: Tick) -> None:
        if tick.seq > tick.after:
            self._settled = tick.now + SETTLE_TIME
            self._topics_due = min(self._topics_due, tick.now) if self._subscription.topics else NEVER
            self._tabs_due = tick.now if self._subscription.q is not None else NEVER
            changed = tick.changed & self.ids
            self._draw_changes(tick, changed, tick.events if self.needs_events else [])
            if self._subscription.job in changed:
                self._lines_due = tick.now
        if self._lines_due <= tick.now:
            self._draw_lines(tick)
        if tick.figures and self._tabs_due <= tick.now:
            self._draw_tabs(tick)
        if tick.figures and self._topics_due <= tick.now:
            self._draw_topics(tick)

    def due(self) -> float:
        return min(self._tabs_due, self._topics_due, self._lines_due)

    def _draw_changes(self, tick: Tick, changed: frozenset[str], events: list[EventRecord]) -> None:
        jobs = tick.jobs(tick.changed) if changed <= tick.changed else tick.jobs(changed)
        rows = changed & self._rows
        matching = self._matching(tick, tick.changed if rows <= tick.changed else rows)
        for job in rows:
            if job not in jobs:
                self._drawn.gone.add(job)
                continue
            self._drawn.rows[job] = self._row(tick, jobs[job])
            if job not in matching:
                self._drawn.left.add(job)
            else:
                self._drawn.left.discard(job)
        for job in changed & {self._subscription.job, self._subscription.peek}:
            if job in jobs:
                self._draw_job(tick, jobs[job])
        new = self._count_new(tick, events)
        if new:
            self._new += new
            self._drawn.new = self._new

    def _filter(self, tick: Tick) -> Query | None:
        """The filter of the page as it is read now; None when everything matches."""
        if self._subscription.q is None:
            return None
        try:
            query = tick.once(("query", self._subscription.q, self._view.zone), self._query)
        except InvalidQuery:
            return None  # it was valid when the page was opened; a time that was in the future then may be invalid now
        return query if query.root is not None else None

    def _matching(self, tick: Tick, ids: frozenset[str]) -> Iterable[str]:
        """Those of the ids that match the filter of the page."""
        query = self._filter(tick)
        return ids if query is None else tick.matching(ids, (self._subscription.q, self._view.zone), query)

    def _count_new(self, tick: Tick, events: list[EventRecord]) -> int:
        """How many jobs that are not on the page have come to match its filter: new ones, and those that entered its state.

        Of more than SAMPLE jobs in one tick only so many are tried."""
        state = self._subscription.state
        new = tick.once(("new", state, id(events)), lambda: _entered(events, state))
        if self._filter(tick) is None or not new:
            return len(new - self.ids)
        sample = tick.once(("sample", new), lambda: frozenset(sorted(new)[-SAMPLE:]))
        matching = self._matching(tick, sample)
        return round(sum(job not in self.ids for job in matching) * len(new) / len(sample))

    def _row(self, tick: Tick, job: JobView) -> str:
        return tick.once(("row", job.id, self._view), lambda: self._fragments.row_html(job, self._view))

    def _draw_job(self, tick: Tick, job: JobView) -> None:
        html: dict[str, str] = {}
        if job.id == self._subscription.job:
            html |= tick.once(("job", job.id, self._view), lambda: self._fragments.job_html(job, self._view))
            self._drawn.titles[job.id] = self._fragments.job_title(job)
        if job.id == self._subscription.peek:
            html |= tick.once(
                ("peek", job.id, self._view), lambda: self._fragments.peek_html(job, self._view)
            )
        self._drawn.jobs[job.id] = html

    def _draw_lines(self, tick: Tick) -> None:
        job = self._subscription.job
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
        if self._subscription.q is None:
            return
        key = (self._subscription.q, self._subscription.state, self._view)
        tabs = tick.once(("tabs", key), lambda: self._tabs_of(tick))
        self._tabs_due = NEVER
        if tabs != self._tabs:
            self._tabs = self._drawn.tabs = tabs

    def _tabs_of(self, tick: Tick) -> str:
        try:
            full, zone, state = self._query(), ZoneInfo(self._view.zone), self._subscription.state
            query = tick.client.jobs.query(full.without(f"state:{state}"), zone=zone) if state else full
            counts = tick.once(
                ("counts", full.text, state, self._view.zone),
                lambda: list_counts(tick.client.jobs, query, full, state, zone),
            )
        except InvalidQuery:
            return self._tabs
        return self._fragments.tabs_html(counts, self._view)

    def _draw_topics(self, tick: Tick) -> None:
        for topic in self._subscription.topics:
            html = tick.once(
                ("topic", topic, self._view),
                lambda topic=topic: self._fragments.topic_html(topic, self._view),
            )
            for part, text in html.items():
                if self._sent.get(part) != hash(text):
                    self._sent[part] = hash(text)
                    self._drawn.stats[part] = text
        self._topics_due = self._settled if self._settled > tick.now else tick.now + REDRAW_INTERVAL
        rate = round(tick.rate, 1)
        if rate != self._rate:
            self._rate = self._drawn.rate = rate

    # -- on the event loop ------------------------------------------------------------------------------------------------

    def deliver(self) -> bool:
        drawn, self._drawn = self._drawn, Outbox()
        box = self._outbox
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
            self._outbox, self._gap = Outbox(), True
        self.seq = self.taken
        if self._gap or self._outbox != Outbox():
            self.wake()
        return False

    def flush(self) -> list[Message]:
        box, self._outbox = self._outbox, Outbox()
        messages = [self._hello] if self._hello else []
        self._hello = None
        if self._gap:
            self._gap = False
            return [*messages, message("gap", self.seq, {})]
        if box.stats or box.rate is not None:
            messages.append(message("stats", self.seq, {"html": box.stats, "rate": self._rate}))
        messages += self._row_messages(box)
        messages += [message("job", self.seq, _job_data(job, box)) for job in box.jobs]
        messages += [
            message("log", self.seq, {"id": self._subscription.job, "html": html, "last": last})
            for html, last in box.log
        ]
        if self._subscription.once:
            self.close()
            self._ready.clear()
        return messages

    def _row_messages(self, box: Outbox) -> list[Message]:
        if not (box.rows or box.gone or box.tabs or box.new is not None):
            return []
        parts: list[dict[str, Any]] = [{"html": {}}]
        size = 0
        for job, text in box.rows.items():
            length = len(json.dumps(text))
            if size + length > MESSAGE_BYTES and parts[-1]["html"]:
                parts.append({"html": {}})
                size = 0
            size += length
            parts[-1]["html"][job] = text
            if job in box.left:
                parts[-1].setdefault("left", []).append(job)
        parts[-1]["gone"] = sorted(box.gone)
        if box.tabs:
            parts[-1]["tabs"] = box.tabs
        if box.new is not None:
            parts[-1]["new"] = box.new
        return [message("rows", self.seq, part) for part in parts]


def _job_data(job: str, box: Outbox) -> dict[str, Any]:
    return {"id": job, "html": box.jobs[job], **({"title": box.titles[job]} if job in box.titles else {})}


def _entered(events: list[EventRecord], state: str) -> frozenset[str]:
    target = STATES[state].state if state else None
    return frozenset(
        event.job
        for event in events
        if event.job is not None and event.kind == "state" and event.state is not None
        and (event.previous is None or (event.state == target and event.previous != target))
    )  # fmt: skip
