"""Joins the routes of the pages and the static files into one router."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from holdfast.client.client import Client
from holdfast.core.settings import Settings
from holdfast.web.api.operations import Operations
from holdfast.web.dashboard.assets import asset_build, asset_response
from holdfast.web.dashboard.desk import Desk, Site
from holdfast.web.dashboard.error_pages import error_page
from holdfast.web.dashboard.fragments import Fragments
from holdfast.web.dashboard.routes_actions import add_action_routes
from holdfast.web.dashboard.routes_bulk import add_bulk_routes
from holdfast.web.dashboard.routes_files import add_file_routes
from holdfast.web.dashboard.routes_fleet import add_fleet_routes
from holdfast.web.dashboard.routes_jobs import add_job_routes
from holdfast.web.dashboard.routes_types import add_type_routes

__all__ = ["Desk", "Fragments", "dashboard_router", "error_page", "make_desk"]


def make_desk(
    client: Client,
    settings: Settings,
    operations: Operations,
    *,
    version: str,
    storage: str,
) -> Desk:
    """What pages, fragments and error pages share; made once per web app."""
    asset_build()  # reads static files and templates now, while they belong to this code
    site = Site(settings.environment, settings.environment_color, version, storage)
    return Desk(client, settings, operations, site)


def dashboard_router(desk: Desk) -> APIRouter:
    """All pages and static files, to be included at the root of the web app, after the routes of the API.

    Errors of `holdfast.core.errors` are left to the app; it shows them to browsers with `error_page`.
    """
    router = APIRouter(include_in_schema=False, default_response_class=Response)

    @router.get("/static/{path:path}")
    def static(request: Request, path: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        return asset_response(request, path)

    add_bulk_routes(router, desk)
    add_action_routes(router, desk)
    add_job_routes(router, desk)
    add_file_routes(router, desk)
    add_type_routes(router, desk)
    add_fleet_routes(router, desk)
    return router
