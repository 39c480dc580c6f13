"""The interactive API reference, from vendored files under the strict content security policy."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from holdfast.web.dashboard.viewer_prefs import view_of


def docs_routes() -> APIRouter:
    """`/docs`: Swagger UI."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs(request: Request) -> HTMLResponse:  # pyright: ignore[reportUnusedFunction]
        view = view_of(request)
        style, bundle = view.asset("vendor/swagger-ui.css"), view.asset("vendor/swagger-ui-bundle.js")
        return HTMLResponse(
            f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · Holdfast</title>
<link rel="icon" href="{escape(view.asset("logo.svg"))}" type="image/svg+xml">
<link rel="stylesheet" href="{escape(style)}">
<script src="{escape(bundle)}" defer></script>
<script src="{escape(view.asset("js/docs.js"))}" defer></script>
</head>
<body>
<main id="swagger-ui" data-url="{escape(view.url("openapi.json"))}"></main>
</body>
</html>
"""
        )

    return router
