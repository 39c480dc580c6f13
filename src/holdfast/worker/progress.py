"""The progress of an attempt as JSON text, with `held` of each bar from the snapshot that the store has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.context.saved import compact


def progress_text(value: dict[str, Any], held: Mapping[str, float] | None) -> str:
    """`value` (see `WorkerLink.progress`) as it is stored. `held`: the marks of the newest snapshot that is stored or is
    sent with it; None while there is none, when each bar says itself what was stored before the attempt began."""
    bar = _with_held(value, held or {})
    if "bars" in value:
        bar["bars"] = [_with_held(named, held or {}) for named in value["bars"]]
    return compact(bar)


def _with_held(bar: dict[str, Any], held: Mapping[str, float]) -> dict[str, Any]:
    bar = dict(bar)
    key = bar.pop("key")
    if key in held:
        bar["held"] = held[key]
    return bar
