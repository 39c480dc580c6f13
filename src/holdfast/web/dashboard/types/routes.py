"""The routes of job types, and of the form that enqueues a job."""

# The decorators keep the functions below; nothing calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from holdfast.web.dashboard.frame import frame_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.types.new_job import FormProblems, form_page, prefill, published_type, queue_job
from holdfast.web.dashboard.types.types_page import types_page


def add_type_routes(router: APIRouter, data: PageData) -> None:
    """The pages of job types."""

    @router.get("/types")
    def types(request: Request, t: str = "") -> Response:
        frame = frame_of(data, request)
        return frame.render("types/types.html", "types", page=types_page(data, frame.view, t), find=t)

    @router.get("/types/{name:path}/new")
    def new(request: Request, name: str) -> Response:
        frame = frame_of(data, request)
        type_ = published_type(data, name)
        given = request.query_params
        values, options = prefill(data, type_, given)
        as_json = given.get("as") == "json"
        return form_page(frame, type_, values, options, uuid4().hex, FormProblems(), as_json=as_json)

    @router.post("/types/{name:path}/new")
    async def queue(request: Request, name: str) -> Response:
        form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        return await run_in_threadpool(lambda: queue_job(frame_of(data, request), name, form))
