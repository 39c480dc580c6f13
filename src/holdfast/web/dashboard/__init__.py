"""The dashboard; `dashboard_router` is all that the web app needs of it."""

from __future__ import annotations

from holdfast.web.dashboard.routes import dashboard_router

__all__ = ["dashboard_router"]
