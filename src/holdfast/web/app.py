"""The ASGI app: API, pages and live streams, behind one guard."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from holdfast.client.client import Client
from holdfast.core.errors import HoldfastError, NotFound
from holdfast.core.principal import Principal
from holdfast.core.settings import Settings
from holdfast.web.api.events import SCHEMAS, event_routes
from holdfast.web.api.jobs import job_routes
from holdfast.web.api.operations import Operations
from holdfast.web.api.system import health_routes, system_routes
from holdfast.web.dashboard.error_pages import bare_page, error_page
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.routes import dashboard_router, live_router, make_page_data
from holdfast.web.docs import docs_routes
from holdfast.web.errors import MEDIA_TYPE, problem_of, problem_of_status, problem_of_validation
from holdfast.web.guard import MAX_BULK_BODY, Guard
from holdfast.web.live.hub import LiveHub
from holdfast.web.methods import HeadRequests, allowed_methods
from holdfast.web.openapi import describe
from holdfast.web.prefix import address_of
from holdfast.web.request_log import RequestLog

API = "/api/v1"
API_CALLER = Principal(origin="api")
PROGRAMS = (f"{API}/", "/health/", "/openapi.json", "/live")
"""Addresses that respond to every error with a problem, to browsers too."""


def create_web_app(client: Client, settings: Settings, *, version: str, storage: str = "") -> FastAPI:
    """The web app on an open store, which the pages name `storage`. `app.state.hub.stop_gracefully()` ends every stream that
    is watched; call it before the server waits for its connections to end (`holdfast.web.server` does)."""
    hub = LiveHub(client)
    operations = Operations()
    data = make_page_data(client, settings, operations, version=version, storage=storage)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        operations.stop()
        hub.stop()

    app = FastAPI(
        title="Holdfast",
        version=version,
        description="Background jobs that hold their place. Errors are RFC 9457 problems; times are RFC 3339, UTC.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.hub = hub
    app.add_middleware(HeadRequests)
    app.add_middleware(
        Guard,
        settings=settings,
        is_address=_addresses(app),
        page=_page_for_browsers,
        limits={f"{API}/jobs/bulk": MAX_BULK_BODY},
    )
    if settings.log_requests:
        app.add_middleware(RequestLog)  # added last, so it is the outermost
    _handle_errors(app, data)

    failed = {
        "description": "Problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    api = APIRouter(prefix=API, responses={"default": failed, 422: failed})
    api.include_router(health_routes(client, version))
    caller = client.acting_as(API_CALLER)
    api.include_router(system_routes(caller))
    api.include_router(job_routes(caller, operations))
    api.include_router(event_routes(hub, client))
    app.include_router(api)
    app.include_router(health_routes(client, version), include_in_schema=False)
    app.include_router(docs_routes())
    app.include_router(live_router(hub, data))
    app.include_router(dashboard_router(data))
    app.openapi = describe(app, SCHEMAS)
    return app


def _handle_errors(app: FastAPI, data: PageData) -> None:
    """One form of errors: a problem for programs, a page for a browser that accepts one."""

    async def page(request: Request, status: int, error: HoldfastError | None) -> Response:
        return await run_in_threadpool(error_page, data, request, status, error)

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, HoldfastError)
        return await page(request, error.status, error) if _wants_page(request) else problem_of(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if _wants_page(request):
            return await page(request, 404, NotFound("The address is not complete."))
        return problem_of_validation(error)

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:  # the router knows only those of the first route that fits
            headers["Allow"] = allowed_methods(app.routes, request.scope)
        if not _wants_page(request):
            return problem_of_status(error.status_code, error.detail, headers)
        response = await page(request, error.status_code, None)
        response.headers.update(headers)
        return response

    app.add_exception_handler(HoldfastError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)


def _addresses(app: FastAPI) -> Callable[[Scope, str], bool]:
    def is_address(scope: Scope, path: str) -> bool:
        probe: Scope = {"type": scope["type"], "method": "GET", "path": path, "root_path": "", "headers": []}
        return any(route.matches(probe)[0] is not Match.NONE for route in app.router.routes)

    return is_address


def _page_for_browsers(scope: Scope, status: int, title: str, detail: str) -> Response | None:
    request = HTTPConnection(scope)
    if scope["type"] != "http" or not _wants_page(request):
        return None
    return bare_page(Request(scope), status, title, [detail])


def _wants_page(request: HTTPConnection) -> bool:
    if address_of(request.scope).startswith(PROGRAMS):
        return False
    return "hx-request" in request.headers or "text/html" in request.headers.get("accept", "")
