"""Tables for a terminal: which columns fit, how wide they are, and where long text is truncated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.cli.format.job_text import cell, style_of

if TYPE_CHECKING:
    from rich.console import Group

Row = dict[str, Any]

MIN_WIDTH = 12
"""Cells that a truncated column keeps at least."""

NAME = 20
"""Cells that a name keeps while other columns can be dropped."""

MAX_WIDTH = 48
"""Cells that a truncated column gets at most while other columns are truncated too."""

GAP = 2
INDENT = 4


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its header and the field it shows (a dot selects a nested field)."""

    head: str
    field: str
    wide: bool = False
    """May be truncated on a narrow terminal: a name in its middle, prose at its end (`prose`)."""
    rank: int = 0
    """While the table does not fit, the column with the highest rank is dropped, the last among equals; STATE and names
    have 0."""
    prose: bool = False
    under: bool = False
    """Shown below its row over the whole width, when it has a value."""
    shows: str = ""
    """The field that a table shows when piped output shows another."""


def columns_of(fields: str) -> tuple[Column, ...]:
    """Columns for these fields, each with its name as header."""
    return tuple(Column(name.replace("_", " "), name) for name in fields.split())


def table_of(rows: Sequence[Row], columns: Sequence[Column], *, utc: bool, width: int) -> Group:
    """A table with no line wider than `width`. Columns are dropped by rank; numbers, times and ids are never truncated."""
    from rich.cells import cell_len
    from rich.console import Group
    from rich.text import Text

    beside = [column for column in columns if not column.under]
    texts = {c.field: [cell(row, c.shows or c.field, utc=utc) for row in rows] for c in columns}
    natural = {
        column.field: max(cell_len(text) for text in (column.head, *texts[column.field])) for column in beside
    }
    shown = _fitting(beside, natural, width)
    widths = _widths(shown, natural, width)
    lines = [
        Text(
            "  ".join(_cut(c.head, widths[c.field], c).ljust(widths[c.field]) for c in shown).rstrip(), "bold"
        )
    ]
    for number, row in enumerate(rows):
        line = Text()
        for column in shown:
            text = _cut(texts[column.field][number], widths[column.field], column)
            line.append(
                text + " " * (widths[column.field] - cell_len(text) + GAP), style_of(row, column.field)
            )
        line.rstrip()
        lines.append(line)
        lines += [
            Text(" " * INDENT + end_cut(texts[column.field][number], width - INDENT), _style_under(row))
            for column in columns
            if column.under and texts[column.field][number]
        ]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def middle_cut(text: str, width: int) -> str:
    """Text of at most `width` cells; a longer one loses its middle, so that names with a common start stay distinct."""
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return text
    half = max(0, width - 1) // 2
    return f"{_head(text, width - 1 - half)}…{_head(text[::-1], half)[::-1]}"


def end_cut(text: str, width: int) -> str:
    """Text of at most `width` cells; a longer one loses its end."""
    from rich.cells import cell_len

    return text if cell_len(text) <= width else f"{_head(text, max(0, width - 1))}…"


def _head(text: str, width: int) -> str:
    from rich.cells import cell_len

    kept = 0
    for at, letter in enumerate(text):
        kept += cell_len(letter)
        if kept > width:
            return text[:at]
    return text


def _cut(text: str, width: int, column: Column) -> str:
    if not column.wide:
        return text
    return end_cut(text, width) if column.prose else middle_cut(text, width)


def _fitting(columns: Sequence[Column], natural: Mapping[str, int], width: int) -> list[Column]:
    """The columns that fit, in their order. Columns with a rank are dropped before a name becomes unreadable."""
    shown = list(columns)

    def takes(name: int) -> int:
        cells = (_least(one, natural, MIN_WIDTH if one.rank else name) for one in shown)
        return sum(cells) + GAP * (len(shown) - 1)

    while len(shown) > 1:
        ranked = any(column.rank for column in shown)
        if takes(NAME if ranked else MIN_WIDTH) <= width:
            break
        del shown[max(range(len(shown)), key=lambda at: (shown[at].rank, at))]
    return shown


def _least(column: Column, natural: Mapping[str, int], least: int = MIN_WIDTH) -> int:
    return min(least, natural[column.field]) if column.wide else natural[column.field]


def _widths(shown: Sequence[Column], natural: Mapping[str, int], width: int) -> dict[str, int]:
    """The minimum widths, plus the remaining cells by rank: first up to MAX_WIDTH for each column, then without limit."""
    widths = {column.field: _least(column, natural) for column in shown}
    left = width - GAP * (len(shown) - 1) - sum(widths.values())
    for most in (MAX_WIDTH, width):
        for column in sorted(shown, key=lambda column: column.rank):
            more = max(0, min(left, min(natural[column.field], most) - widths[column.field]))
            widths[column.field] += more
            left -= more
    if len(shown) == 1 and widths[shown[0].field] > width and shown[0].wide:
        widths[shown[0].field] = width
    return widths


def _style_under(row: Mapping[str, Any]) -> str:
    return "red" if row.get("state") == "failed" else "yellow"
