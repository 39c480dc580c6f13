"""The routes that enqueue, find, read and control jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from holdfast.client.client import Client
from holdfast.client.handle import JobHandle
from holdfast.client.jobs import CAP, MAX_PAGE
from holdfast.client.options import read_options
from holdfast.client.views import BulkView, CountView, HistoryView, JobPage, JobView, LogPage
from holdfast.core.commands import Action
from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.job import NewJob
from holdfast.web.api.body import StrictRoute
from holdfast.web.api.models import ActionRequest, BulkRequest, JobList, JobRequest, Reason
from holdfast.web.api.operations import BulkResult, Operations, respond
from holdfast.web.api.search import Filter, filter_of
from holdfast.web.api.shapes import KEY, SORTS

MAX_BATCH = 1_000
"""The response to an action on more jobs than this keeps the connection alive through proxies."""

MAX_LINES = 1_000

NO_IDS = frozenset({"actions", "bulk", "count"})

Filtered = Annotated[Filter, Depends(filter_of)]
Link = Callable[[Request, str], str]


def link(request: Request, path: str) -> str:
    """The path of something of the API on this server."""
    return f"{quote(request.scope.get('root_path', '').rstrip('/'))}/api/v1/{path}"


def job_routes(client: Client, operations: Operations) -> APIRouter:
    """Everything under `/jobs`."""
    many = APIRouter(prefix="/jobs", tags=["jobs"], route_class=StrictRoute)
    _add_enqueue(many, client)
    _add_many(many, client, operations)
    one = APIRouter(prefix="/jobs", tags=["jobs"], route_class=JobRoute)
    _add_one(one, client)
    router = APIRouter()
    router.include_router(many)
    router.include_router(one)
    return router


class JobRoute(StrictRoute):
    """A route below the id of one job. NO_IDS are the names that the routes of many jobs have in its place, so that their
    addresses take their own methods only."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        if match is not Match.NONE and child["path_params"]["job_id"] in NO_IDS:
            return Match.NONE, {}
        return match, child


# -- enqueue ----------------------------------------------------------------------------------------------------------


def _add_enqueue(router: APIRouter, client: Client) -> None:
    held = {"model": JobView, "description": "A live job holds the unique key: that one"}

    @router.post("", status_code=201, responses={200: held}, summary="Enqueue a job")
    def enqueue(
        request: Request,
        response: Response,
        job: JobRequest,
        idempotency_key: Annotated[
            str | None,
            Header(
                description="A repeated request with the same key makes no second job", json_schema_extra=KEY
            ),
        ] = None,
    ) -> JobView:
        """Enqueue a job. It is stored durably when the response comes, which names its address in `Location`."""
        new = _new_job(client, job, idempotency_key)
        handle = client.jobs.insert([new])[0]
        if not handle.created:
            _check_same(handle, new, idempotency_key, job)
            response.headers["Idempotent-Replayed"] = "true"
            response.status_code = 201 if idempotency_key is not None and job.unique is None else 200
        response.headers["Location"] = link(request, f"jobs/{handle.id}")
        return handle.view

    @router.post("/bulk", status_code=201, summary="Enqueue many jobs")
    def enqueue_bulk(body: BulkRequest) -> JobList:
        """Enqueue many jobs in one transaction: all of them, or none."""
        handles = client.jobs.insert([_nth_job(client, index, job) for index, job in enumerate(body.jobs)])
        ids = [handle.id for handle in handles]
        found: dict[str, JobView] = {}
        for start in range(0, len(ids), 1_000):
            found |= {view.id: view for view in client.jobs.get_many(ids[start : start + 1_000])}
        return JobList(
            items=[found[one] for one in ids if one in found],
            created=sum(handle.created for handle in handles),
        )


def _new_job(client: Client, job: JobRequest, idempotency_key: str | None) -> NewJob:
    given: dict[str, Any] = {
        name: value
        for name in job.model_fields_set - {"type", "args"}
        if (value := getattr(job, name)) is not None
    }
    return client.jobs.new_job(
        job.type, job.args, read_options({**given, "idempotency_key": idempotency_key})
    )


def _nth_job(client: Client, index: int, job: JobRequest) -> NewJob:
    try:
        return _new_job(client, job, None)
    except InvalidInput as error:
        placed = [Problem(("jobs", index, *problem.loc), problem.msg) for problem in error.problems]
        raise type(error)(f"jobs.{index}: {error}", placed) from None


def _check_same(handle: JobHandle, new: NewJob, idempotency_key: str | None, job: JobRequest) -> None:
    """The same key must mean the same job: else a client would take the job of another for its own."""
    if idempotency_key is not None and job.unique is None and handle.view.type != new.type:
        reason = f"this key was used for a job of the type {handle.view.type}"
        raise InvalidInput(f"Idempotency-Key: {reason}.", [Problem(("Idempotency-Key",), reason)])


# -- many jobs --------------------------------------------------------------------------------------------------------


def _add_many(router: APIRouter, client: Client, operations: Operations) -> None:
    @router.get("", summary="Find jobs")
    def find(
        filter: Filtered,
        sort: Annotated[
            str,
            Query(
                max_length=40,
                description="A field; - before it: descending",
                json_schema_extra={"enum": [sign + name for name in SORTS for sign in ("", "-")]},
            ),
        ] = "-created",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[
            str | None,
            Query(
                max_length=2_000,
                description="next_cursor of the page before",
                json_schema_extra={"format": "holdfast-cursor"},
            ),
        ] = None,
    ) -> JobPage:
        """A page of the jobs that match. Pages are by key: a job that is added or removed shifts no page."""
        return client.jobs.search(filter.query(client.jobs), sort=sort, limit=limit, cursor=cursor)

    @router.get("/count", summary="Count jobs", description=f"How many jobs match, counted up to {CAP:,}.")
    def count(filter: Filtered) -> CountView:
        return client.jobs.count(filter.query(client.jobs))

    @router.post("/actions", response_model=BulkResult, summary="Act on all jobs that match")
    def act_on_all(body: ActionRequest) -> BulkView | Response:
        """Act on all jobs that match; the response comes when it is done. Above 1,000 matches it begins with blanks that
        keep the connection alive, and `error` says why it ended early. Safe to repeat."""
        query = client.jobs.query(body.q)
        counted = client.jobs.act_on_all(body.action, query, dry_run=True)
        if body.dry_run:
            return counted
        if counted.matched <= MAX_BATCH:
            return client.jobs.act_on_all(body.action, query, counted=counted, reason=body.reason)
        return respond(operations.start(client.jobs, counted, body.action, query, body.reason))


# -- one job ----------------------------------------------------------------------------------------------------------


def _add_one(router: APIRouter, client: Client) -> None:
    @router.get("/{job_id}", summary="Show a job")
    def show(job_id: str) -> JobView:
        """One job."""
        return client.jobs.get(job_id)

    @router.get("/{job_id}/history", summary="History of a job")
    def history(job_id: str) -> dict[str, Sequence[HistoryView]]:
        """Every transition and request of a job, oldest first, under `items`."""
        return {"items": client.jobs.history(job_id)}

    @router.get("/{job_id}/logs", summary="Console of a job")
    def logs(
        job_id: str,
        after: Annotated[
            int, Query(ge=-MAX_LINES, le=2**63 - 1, description="Lines above this n; -k: the last k")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_LINES)] = 500,
    ) -> LogPage:
        """The console of a job, oldest line first; request the next with `after` = `next_after`."""
        return client.jobs.logs(job_id, after=after, limit=limit)

    for action, description in _DESCRIPTIONS.items():
        router.add_api_route(
            f"/{{job_id}}/{action}", _acting(client, action), methods=["POST"], name=action, description=description,
            operation_id=f"{action}_job", summary=f"{action.title()} a job",
        )  # fmt: skip

    @router.delete("/{job_id}", summary="Delete a job")
    def delete(job_id: str) -> JobView:
        """Remove an ended job and all that belongs to it. Returns the job as it was."""
        job = client.jobs.get(job_id)
        client.jobs.delete(job_id)
        return job


_DESCRIPTIONS = {
    Action.PAUSE: "Pause it: at once while it waits, at its next checkpoint while it runs (until then `requested`).",
    Action.RESUME: "Continue from the saved state, on any worker; or withdraw a pause that is only requested.",
    Action.CANCEL: "Cancel it: at once while it waits; while it runs, by request first and by force after the grace period.",
    Action.RETRY: "Retry a failed or cancelled job now, or one that waits for its next attempt; from its saved state.",
}


def _acting(client: Client, action: Action) -> Callable[..., JobView]:
    def act(job_id: str, body: Reason | None = None) -> JobView:
        return client.jobs.act(job_id, action, reason=body.reason if body else None)

    return act
