"""This exists so that people see and steer their jobs in a browser; `dashboard_router` is all the web app needs of it."""

from __future__ import annotations

from holdfast.web.dashboard.routes import dashboard_router

__all__ = ["dashboard_router"]
