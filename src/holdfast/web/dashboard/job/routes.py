"""The route of the page of one job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from holdfast.client.views import JobView
from holdfast.core.query import link_term
from holdfast.web.dashboard.frame import Frame, frame_of
from holdfast.web.dashboard.job.code import as_code, as_command, importable
from holdfast.web.dashboard.job.console import console
from holdfast.web.dashboard.job.panels import page_title, panels
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import json_text

Line = Annotated[int, Query(ge=0, le=2**63 - 1)]
"""The key of a console line."""


def add_job_route(router: APIRouter, data: PageData) -> None:
    """The page of one job."""

    @router.get("/jobs/{job_id}")
    def job(  # pyright: ignore[reportUnusedFunction]
        request: Request, job_id: str, after: Line | None = None, before: Line | None = None
    ) -> Response:
        frame = frame_of(data, request)
        return _page(frame, data.client.jobs.get(job_id), after, before)


def _page(frame: Frame, job: JobView, after: int | None, before: int | None) -> Response:
    data, view = frame.data, frame.view
    page = panels(data, job, view)
    args = json_text(job, "args", job.args)
    return frame.render(
        "job/page.html",
        "jobs",
        job=page.job,
        page_title=page_title(page.job),
        strip=page.strip,
        left=page.left,
        saved=page.saved,
        trace=page.trace,
        timeline=page.timeline,
        console=console(data, job, view, after=after, before=before),
        args=args,
        code=_code(frame, job, folded=args.folded),
        type_search=link_term("type", job.type),
    )


def _code(frame: Frame, job: JobView, *, folded: bool) -> list[tuple[str, str]]:
    """The job as code; with folded arguments the command alone, which reads them from a file."""
    given = {"queue": job.queue, "priority": job.priority, "tags": job.tags, "owner": job.owner}
    options = {name: value for name, value in given.items() if value}
    if folded:
        return as_command(job.type, options, f"job-{job.id[-12:]}-args.json")
    source = importable(frame.data.client.types.registry, job.type)
    return as_code(job.type, job.args, options, frame.address, source)
