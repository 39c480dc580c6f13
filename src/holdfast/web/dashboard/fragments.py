"""Draws the parts of pages that the live stream replaces, with the macros that the pages use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.client.views import JobView, LogView
from holdfast.web.dashboard.fleet.queues import queues_page
from holdfast.web.dashboard.fleet.workers import workers_page
from holdfast.web.dashboard.format import number
from holdfast.web.dashboard.job.console import log_entry
from holdfast.web.dashboard.job.panels import JobPanels, page_title, panels
from holdfast.web.dashboard.jobs.filters import ListCounts, tabs_of
from holdfast.web.dashboard.overview.first_page import first_page
from holdfast.web.dashboard.overview.page import SPANS, overview_page
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import present_job
from holdfast.web.dashboard.templating import macros
from holdfast.web.dashboard.viewer_prefs import View


@dataclass(frozen=True, slots=True)
class Fragments:
    """Draws what the live stream sends. Blocking, because it reads from the client; call it in a thread."""

    data: PageData

    def row_html(self, job: JobView, view: View) -> str:
        """One row of the jobs table."""
        return str(macros("job_rows.html", view).jobs_row(present_job(job)))

    def tabs_html(self, counts: ListCounts, view: View) -> str:
        """The state tabs, with the count of the list for every part of the page that shows it."""
        return str(macros("jobs/list_parts.html", view).tabs_nav(tabs_of(counts, view), counts.text))

    def job_html(self, job: JobView, view: View) -> dict[str, str]:
        """The panels of the job page that change while it runs, by element id."""
        return draw_panels(panels(self.data, job, view), view)

    def job_title(self, job: JobView) -> str:
        """The title of the job page, without the product's name."""
        return page_title(present_job(job))

    def peek_html(self, job: JobView, view: View) -> dict[str, str]:
        """The parts of the side peek that change, by element id."""
        line = present_job(job, worker_name=self.data.worker_name(job))
        part = macros("jobs/peek_parts.html", view)
        return {"peek-head": str(part.peek_head(line)), "peek-facts": str(part.peek_facts(line))}

    def log_html(self, lines: Iterable[LogView], view: View) -> str:
        """Console lines, oldest first."""
        part = macros("job/panels.html", view)
        return "\n".join(str(part.line(log_entry(line))) for line in lines)

    def topic_html(self, topic: str, view: View) -> dict[str, str]:
        """What a topic shows now, by element id. An unknown topic shows nothing."""
        name, _, span = topic.partition(":")
        if name == "stats":
            return self._nav(view)
        if name == "overview":
            page = overview_page(self.data, view, span if span in SPANS else "1h")
            part = macros("overview/panels.html", view)
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
            return {
                "first-steps": str(
                    macros("overview/first_steps.html", view).steps(first_page(self.data, view))
                )
            }
        if name == "queues":
            queues = queues_page(self.data, view)
            part = macros("fleet/queues_parts.html", view)
            return {"queues-head": str(part.queue_head(queues)), "queue-rows": str(part.queue_rows(queues))}
        if name == "workers":
            workers = workers_page(self.data, view)
            part = macros("fleet/workers_parts.html", view)
            return {
                "workers-head": str(part.worker_head(workers)),
                "workers-bar": str(part.worker_bar(workers)),
                "worker-rows": str(part.worker_rows(workers)),
                "workers-jobs": str(part.worker_jobs(workers)),
            }
        return {}

    def _nav(self, view: View) -> dict[str, str]:
        return {
            f"nav-{key}": f'<span class="n" id="nav-{key}">{number(count)}</span>'
            for key, count in self.data.nav_counts().items()
        }


def draw_panels(page: JobPanels, view: View) -> dict[str, str]:
    """The panels of one job as HTML, by element id."""
    part = macros("job/panels.html", view)
    return {
        "job-actions": str(part.actions(page.job)),
        "job-status": str(part.status(page.job, page.strip, page.left, page.trace)),
        "job-pins": str(part.pins(page.job)),
        "job-error": str(part.error(page.job, page.trace)),
        "job-result": str(part.result(page.job)),
        "job-state": str(part.saved(page.job, page.saved)),
        "job-timeline": str(part.timeline(page.timeline)),
    }
