"""The Jinja environment: everything is escaped, unknown names are errors."""

from __future__ import annotations

from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from holdfast.core.sizes import middle
from holdfast.web.dashboard import format as formats
from holdfast.web.dashboard.assets import template_sources
from holdfast.web.dashboard.viewer_prefs import View


@cache
def environment() -> Environment:
    """The one environment."""
    env = Environment(
        loader=DictLoader(template_sources()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
        auto_reload=False,
        cache_size=-1,
    )
    for name in (
        "number",
        "exact",
        "duration",
        "ticking",
        "ago",
        "clock",
        "clock_ms",
        "stamp",
        "iso",
        "pluralize",
    ):
        env.filters[name] = getattr(formats, name)  # pyright: ignore[reportUnknownMemberType]
    env.filters["middle"] = middle  # pyright: ignore[reportUnknownMemberType]
    return env


def page(template: str, context: dict[str, Any]) -> str:
    """A whole page."""
    return environment().get_template(template).render(context)


@lru_cache(maxsize=256)
def macros(template: str, view: View) -> Any:
    """The macros of a template for a view; calling one gives its HTML."""
    module: ModuleType = environment().get_template(template).make_module({"v": view})  # pyright: ignore[reportAssignmentType]
    return module
