"""Draws a job with the same macro for pages and for the live hub.

The wire of `GET {base}/live` (server-sent events, UTF-8, one JSON object as `data` of each event)
--------------------------------------------------------------------------------------------------

What the browser asks for, in the query string (or as the form of a POST, when it is longer than 6,000 characters):

    topics=stats,overview:1h  comma list; `stats`, `overview:<span>`, `first`, `queues`, `workers`
    ids=<id>,<id>…          the jobs whose rows stand on the page
    q=<search>              the filter of the page: for the counts of its tabs and for `new`
    job=<id>                the job page is open; `log_after=<n>` = number of the newest console line it shows
    peek=<id>               the side peek shows this job: its `job` events carry `peek_html` as well
    seq=<n>                 `data-seq` of the page, or of the last event seen (also sent as `Last-Event-ID`)
    new=<n>                 how many new jobs the page knows of already: `new` of the answer counts on from here
    once=1                  answer with what changed since `seq`, then `bye`, then close (a tab that polls)

On connect the hub answers `hello`, then whatever changed after `seq` for what was asked; when it cannot know (no `seq`, or
one it has forgotten) it sends everything that was asked once: all rows of `ids`, the job, the lines after `log_after`, all
topics.

    event: hello   {"seq": 81, "time": "2026-11-20T13:03:22.114Z", "build": "<asset_build()>"}
    event: stats   {"html": {"<element id>": "<outer html>", …}, "rate": 14.0}
                   rate = committed changes a second, all jobs. html = `Fragments.topic_html` of the topics, merged. ≤ 2/s
    event: rows    {"html": {"<job id>": "<tr …>…</tr>"}, "gone": ["<job id>"], "left": ["<job id>"], "new": 3,
                    "tabs": "<nav …>", "rate": 14.0}
                   html = `Fragments.row_html`; gone = deleted jobs; left = no longer match q (their html comes too);
                   new = how many jobs that match q were created since the page was loaded (absolute, not a step);
                   tabs = `Fragments.tabs_html`, at most 2/s, absent when nothing changed. Message ≤ 64 KiB, ≤ 4/s
    event: job     {"id": "…", "html": {"job-head": "…", "job-status": "…", …}, "title": "Running: …"}
                   html and title = `Fragments.job_html`, `job_title`. ≤ 10/s
    event: log     {"id": "…", "html": "<li …>…", "last": 411}
                   html = `Fragments.log_html` of the new lines in order, ≤ 500 lines a message, ≤ 10/s
    event: gap     {}     something was dropped: the browser asks again without `seq`
    event: ping    {}     each 15 s; silence of more than 40 s is taken as broken
    event: bye     {"retry": 1000}   the server stops or the tab polled; come back after so many milliseconds

The last of the events that were drawn together carries `id: <seq>`. Fragments carry links, so they depend on where the app
is mounted: the hub makes one `View` per viewer with `view_of(request)` and caches by (job id, version, view).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.client.views import JobView, LogView
from holdfast.web.dashboard.console import log_entry
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.first_page import first_page
from holdfast.web.dashboard.fleet_page import queues_page, workers_page
from holdfast.web.dashboard.format import number
from holdfast.web.dashboard.job_page import JobPanels, page_title, panels
from holdfast.web.dashboard.lists import Numbers, tabs_of
from holdfast.web.dashboard.overview_page import SPANS, overview_page
from holdfast.web.dashboard.present import shown
from holdfast.web.dashboard.templating import macros
from holdfast.web.dashboard.view import View


@dataclass(frozen=True, slots=True)
class Fragments:
    """Draws what the live stream sends. Blocking (it asks the client); call it in a thread."""

    desk: Desk

    def row_html(self, job: JobView, view: View) -> str:
        """One row of the jobs table."""
        return str(macros("rows.html", view).jobs_row(shown(job)))

    def tabs_html(self, numbers: Numbers, view: View) -> str:
        """The state tabs, with the number of the list for all that tells it."""
        return str(macros("lists.html", view).tabs_nav(tabs_of(numbers, view), numbers.text))

    def job_html(self, job: JobView, view: View) -> dict[str, str]:
        """The panels of the job page that change while it runs, by element id."""
        return draw_panels(panels(self.desk, job, view), view)

    def job_title(self, job: JobView) -> str:
        """The title of the job page, without the product's name."""
        return page_title(shown(job))

    def peek_html(self, job: JobView, view: View) -> dict[str, str]:
        """The parts of the side peek that change, by element id."""
        line = shown(job, worker_name=self.desk.worker_name(job))
        part = macros("peek_parts.html", view)
        return {"peek-head": str(part.peek_head(line)), "peek-facts": str(part.peek_facts(line))}

    def log_html(self, lines: Iterable[LogView], view: View) -> str:
        """Console lines, oldest first."""
        part = macros("job_parts.html", view)
        return "\n".join(str(part.line(log_entry(line))) for line in lines)

    def topic_html(self, topic: str, view: View) -> dict[str, str]:
        """What a topic shows now, by element id. An unknown topic shows nothing."""
        name, _, span = topic.partition(":")
        if name == "stats":
            return self._nav(view)
        if name == "overview":
            page = overview_page(self.desk, view, span if span in SPANS else "1h")
            part = macros("overview_parts.html", view)
            return {
                "overview-head": str(part.head(page)),
                "overview-attention": str(part.attention(page)),
                "overview-dials": str(part.dials(page)),
                "overview-throughput": str(part.throughput(page.chart)),
                "overview-depth": str(part.depth(page.depth)),
                "overview-failures": str(part.failures(page.failures, view.url("jobs", state="failed"))),
                "overview-longest": str(part.longest(page.longest, view.url("jobs", state="processing"))),
            }
        if name == "first":
            return {"first-steps": str(macros("first_parts.html", view).steps(first_page(self.desk, view)))}
        if name == "queues":
            queues = queues_page(self.desk, view)
            part = macros("queues_parts.html", view)
            return {"queues-head": str(part.queue_head(queues)), "queue-rows": str(part.queue_rows(queues))}
        if name == "workers":
            workers = workers_page(self.desk, view)
            part = macros("workers_parts.html", view)
            return {
                "workers-head": str(part.worker_head(workers)),
                "workers-bar": str(part.worker_bar(workers)),
                "worker-rows": str(part.worker_rows(workers)),
                "workers-jobs": str(part.worker_jobs(workers)),
            }
        return {}

    def _nav(self, view: View) -> dict[str, str]:
        stats = self.desk.stats()
        counts = {"jobs": sum(stats.states.values()), "queues": len(stats.queues), "workers": stats.workers}
        return {
            f"nav-{key}": f'<span class="n" id="nav-{key}">{number(count)}</span>'
            for key, count in counts.items()
        }


def draw_panels(page: JobPanels, view: View) -> dict[str, str]:
    """The panels of one job as HTML, by element id."""
    part = macros("job_parts.html", view)
    return {
        "job-actions": str(part.actions(page.job)),
        "job-status": str(part.status(page.job, page.strip, page.left, page.trace)),
        "job-pins": str(part.pins(page.job)),
        "job-error": str(part.error(page.job, page.trace)),
        "job-result": str(part.result(page.job)),
        "job-state": str(part.saved(page.job, page.saved)),
        "job-timeline": str(part.timeline(page.timeline)),
    }
