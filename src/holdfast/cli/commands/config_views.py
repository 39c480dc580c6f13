"""Settings as output: value, variable and meaning, with passwords masked."""

from __future__ import annotations

from typing import Any

from holdfast.cli.format.table import Column
from holdfast.client.views import View
from holdfast.core.settings import Settings
from holdfast.core.urls import masked


class SettingView(View):
    """One setting."""

    name: str
    value: Any
    changed: bool
    variable: str
    meaning: str


SETTINGS = (
    Column("NAME", "name"),
    Column("VALUE", "value"),
    Column("CHANGED", "changed"),
    Column("MEANINGS", "meaning", wide=True),
)


def setting_views(settings: Settings) -> list[SettingView]:
    """Every setting, in the order of the reference."""
    values = settings.model_dump(mode="json")
    fields = Settings.model_fields
    return [
        SettingView(
            name=name,
            value=masked(values[name]) if isinstance(values[name], str) else values[name],
            changed=getattr(settings, name) != field.get_default(call_default_factory=True),
            variable=f"HOLDFAST_{name.upper()}",
            meaning=field.description or "",
        )
        for name, field in fields.items()
    ]
