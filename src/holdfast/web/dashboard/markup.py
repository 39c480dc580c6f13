"""HTML made in Python; every value is escaped by `Markup.format`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, cast

from markupsafe import Markup

FOLD_TEXT = 2_000
EXCERPT = 800

_INDENT = "  "


def json_html(value: Any) -> Markup:
    """A JSON value with its parts coloured; strings above 2 kB are folded."""
    return Markup("").join(_lines(value, 0))


def excerpt_html(text: str) -> Markup:
    """The beginning of a text, with a sign that it continues."""
    return Markup('{}<span class="m">…</span>').format(text[:EXCERPT])


def isolated(text: str, names: Iterable[str]) -> Markup:
    """Text with names in it: one that is written from right to left must not reorder the text around it."""
    foreign = sorted({name for name in names if not name.isascii()}, key=len, reverse=True)
    if not foreign:
        return Markup("{}").format(text)
    parts = re.split(f"({'|'.join(map(re.escape, foreign))})", text)
    bdi = Markup("<bdi>{}</bdi>")
    return Markup("").join(bdi.format(part) if part in foreign else part for part in parts)


def unreadable_html(why: str) -> Markup:
    """The placeholder of a JSON value that cannot be read."""
    return Markup('<span class="d">unreadable: {}</span>').format(why)


def _lines(value: Any, depth: int) -> list[Markup]:
    pad, end = _INDENT * (depth + 1), _INDENT * depth
    if isinstance(value, dict):
        if not value:
            return [Markup("{}")]
        out = [Markup("{\n")]
        for at, (key, item) in enumerate(cast(dict[str, Any], value).items()):
            comma = "," if at < len(cast(dict[str, Any], value)) - 1 else ""
            out.append(Markup('{}<span class="k">{}</span>: ').format(pad, _text(str(key))))
            out += [*_lines(item, depth + 1), Markup("{}\n").format(comma)]
        return [*out, Markup("{}}}").format(end)]
    if isinstance(value, list):
        if not value:
            return [Markup("[]")]
        items = cast(list[Any], value)
        if all(not isinstance(item, dict | list | str) for item in items) and len(items) <= 20:
            parts = [Markup("").join(_lines(item, depth)) for item in items]
            return [Markup("[{}]").format(Markup(", ").join(parts))]
        out = [Markup("[\n")]
        for at, item in enumerate(items):
            comma = "," if at < len(items) - 1 else ""
            out += [Markup("{}").format(pad), *_lines(item, depth + 1), Markup("{}\n").format(comma)]
        return [*out, Markup("{}]").format(end)]
    return [_scalar(value)]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _scalar(value: Any) -> Markup:
    if isinstance(value, str):
        if len(value) > FOLD_TEXT:
            head = Markup('<span class="s">{}</span>').format(_text(value[:200])[:-1] + "…")
            whole = Markup('<span class="s">{}</span>').format(_text(value))
            fold = Markup(
                '<details class="fold-text"><summary>{} <span class="m">{} characters</span></summary>{}</details>'
            )
            return fold.format(head, f"{len(value):,}", whole)
        return Markup('<span class="s">{}</span>').format(_text(value))
    if value is None or isinstance(value, bool):
        return Markup('<span class="d">{}</span>').format({None: "null", True: "true", False: "false"}[value])
    return Markup('<span class="d">{}</span>').format(json.dumps(value, default=str))
