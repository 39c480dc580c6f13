"""The parts of a job as files: its console, arguments, result and saved state."""

# The decorators keep the functions below; nothing calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from holdfast.client.views import SavedView, StoredView
from holdfast.core.errors import NotFound
from holdfast.web.dashboard.job.console import log_entry
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import json_file

BATCH_LINES = 500


def add_download_routes(router: APIRouter, data: PageData) -> None:
    """The downloads of the job page."""

    @router.get("/jobs/{job_id}/log.txt")
    def log(job_id: str) -> Response:
        job = data.client.jobs.get(job_id)
        headers = _headers(job.id, "log")
        return StreamingResponse(
            _lines(data, job.id), media_type="text/plain; charset=utf-8", headers=headers
        )

    @router.get("/jobs/{job_id}/args.json")
    def args(job_id: str) -> Response:
        job = data.client.jobs.get(job_id)
        return _json(job.id, "args", job, job.args)

    @router.get("/jobs/{job_id}/result.json")
    def result(job_id: str) -> Response:
        job = data.client.jobs.get(job_id)
        return _json(job.id, "result", job, job.result)

    @router.get("/jobs/{job_id}/saved.json")
    def saved(job_id: str) -> Response:
        job = data.client.jobs.get(job_id)
        saved = data.client.jobs.saved_state(job.id)
        if saved is None:
            raise NotFound("This job has no saved state.")
        return _json(job.id, "saved", saved, _saved(saved))


def _saved(saved: SavedView) -> dict[str, Any]:
    return {"state": saved.state, "positions": saved.positions, "steps": saved.steps}


def _json(job_id: str, part: str, view: StoredView, value: Any) -> Response:
    if part in view.unreadable:
        raise NotFound(f"This part of the job cannot be read: {view.unreadable[part]}")
    body = json_file(value).encode(errors="replace")
    return Response(body, media_type="application/json", headers=_headers(job_id, part, "json"))


def _headers(job_id: str, part: str, ending: str = "") -> dict[str, str]:
    name = f"job-{job_id[-12:]}-{part}.{ending}" if ending else f"job-{job_id[-12:]}.{part}"
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


def _lines(data: PageData, job_id: str) -> Iterator[str]:
    after = 0
    while True:
        page = data.client.jobs.logs(job_id, after=after, limit=BATCH_LINES)
        for line in page.items:
            entry = log_entry(line)
            fields = f" {entry.fields}" if entry.fields else ""
            yield f"{line.at.isoformat()} {entry.level:<5} {entry.message}{fields}\n"
        if len(page.items) < BATCH_LINES:
            return
        after = page.next_after
