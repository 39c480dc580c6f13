"""Joins the routes of the pages, the static files and the live stream."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from holdfast.client.client import Client
from holdfast.core.settings import Settings
from holdfast.web.api.operations import Operations
from holdfast.web.dashboard.assets import asset_build, asset_response
from holdfast.web.dashboard.fleet.routes import add_fleet_routes
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.help.routes import add_help_route
from holdfast.web.dashboard.job.actions import add_action_routes
from holdfast.web.dashboard.job.downloads import add_download_routes
from holdfast.web.dashboard.job.routes import add_job_route
from holdfast.web.dashboard.jobs.bulk import add_bulk_route
from holdfast.web.dashboard.jobs.routes import add_list_routes
from holdfast.web.dashboard.live_page import PageStream
from holdfast.web.dashboard.live_subscription import read_subscription
from holdfast.web.dashboard.overview.routes import add_overview_route
from holdfast.web.dashboard.page_data import PageData, Site
from holdfast.web.dashboard.preferences import add_preferences_route
from holdfast.web.dashboard.types.routes import add_type_routes
from holdfast.web.dashboard.viewer_prefs import view_of
from holdfast.web.live.hub import LiveHub
from holdfast.web.live.sse import EventStream, ping_event


def make_page_data(
    client: Client,
    settings: Settings,
    operations: Operations,
    *,
    version: str,
    storage: str,
) -> PageData:
    """What pages, fragments and error pages share; made once per web app."""
    asset_build()  # reads static files and templates now, while they belong to this code
    site = Site(settings.environment, settings.environment_color, version, storage)
    return PageData(client, operations, site)


def dashboard_router(data: PageData) -> APIRouter:
    """All pages and static files, to be included at the root of the web app, after the routes of the API.

    Errors of `holdfast.core.errors` are left to the app; it shows them to browsers with `error_page`.
    """
    router = APIRouter(include_in_schema=False, default_response_class=Response)

    @router.get("/static/{path:path}")
    def static(request: Request, path: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return asset_response(request, path)

    add_overview_route(router, data)
    add_bulk_route(router, data)
    add_action_routes(router, data)
    add_list_routes(router, data)
    add_job_route(router, data)
    add_download_routes(router, data)
    add_type_routes(router, data)
    add_fleet_routes(router, data)
    add_help_route(router, data)
    add_preferences_route(router, data)
    return router


def live_router(hub: LiveHub, data: PageData) -> APIRouter:
    """The live stream of open pages."""
    router = APIRouter(include_in_schema=False)
    fragments = Fragments(data)

    @router.api_route("/live", methods=["GET", "POST"])
    async def live(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        values: dict[str, str] = dict(request.query_params)
        if request.method == "POST":
            values |= {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        subscription = read_subscription(values, request.headers.get("last-event-id"))
        return EventStream(hub, PageStream(subscription, view_of(request), fragments), ping=ping_event)

    return router
