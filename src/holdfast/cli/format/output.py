"""Output of every command: tables on a terminal, lines in a pipe, JSON for programs."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

from pydantic import BaseModel

from holdfast.cli.exit_codes import CliError
from holdfast.cli.format.job_text import cell, printable, style_of
from holdfast.cli.format.table import Column, Row, table_of
from holdfast.cli.options import Common

if TYPE_CHECKING:
    from rich.console import Console


class Writer:
    """Writes the output of one command in the format that `common` selects."""

    def __init__(self, common: Common, out: TextIO | None = None) -> None:
        self.common = common
        self.out = out or sys.stdout
        self.terminal = self.out.isatty()
        self.found_nothing = False
        """Whether the last list written is empty."""
        if sum((common.json, common.ndjson, common.ids)) > 1:
            raise CliError(
                "--json, --ndjson and --ids cannot be combined.",
                "Choose one of them; see: holdfast help output",
            )

    @property
    def plain(self) -> bool:
        """Whether neither JSON nor ids are requested."""
        return not (self.common.json or self.common.ndjson or self.common.ids)

    def console(self) -> Console:
        """The terminal, with colour unless it is disabled."""
        from rich.console import Console

        no_color = self.common.no_color or bool(os.environ.get("NO_COLOR"))
        return Console(
            file=self.out, no_color=no_color, highlight=False, markup=False, emoji=False, soft_wrap=False
        )

    # -- lists ------------------------------------------------------------------------------------------------------------

    def many(
        self,
        items: Sequence[BaseModel],
        columns: Sequence[Column],
        *,
        key: str = "id",
        document: BaseModel | None = None,
    ) -> None:
        """Write a list. `key`: the field for --ids. `document`: what --json writes (default: `{"items": […]}`)."""
        rows = [as_row(item) for item in items]
        self.found_nothing = not rows
        chosen = self._fields(type(items[0]) if items else None)
        if self.common.ids:
            self._lines(str(row[key]) for row in rows)
        elif self.common.ndjson:
            self._lines(as_json(picked(row, chosen)) for row in rows)
        elif self.common.json:
            whole = {} if document is None else as_row(document)
            self.json({**whole, "items": [picked(row, chosen) for row in rows]})
        elif self.terminal:
            shown = [Column(name, name, wide=True) for name in chosen] if chosen else columns
            console = self.console()
            console.print(table_of(rows, shown, utc=self.common.utc, width=console.width))
        else:
            names = chosen or [column.field for column in columns]
            for row in rows:
                self.cells(value_at(row, name) for name in names)

    # -- one item ---------------------------------------------------------------------------------------------------------

    def one(self, item: BaseModel, shown: Sequence[Column], *, key: str = "id") -> None:
        """Write one item: a line for each field."""
        row = as_row(item)
        chosen = self._fields(type(item))
        if self.common.ids:
            self._lines([str(row[key])])
        elif self.common.json or self.common.ndjson:
            self.json(picked(row, chosen))
        elif self.terminal:
            self._facts(row, [Column(name, name) for name in chosen] if chosen else shown)
        else:
            names = chosen or [column.field for column in shown]
            for name in names:
                self.cells((name, value_at(row, name)))

    def _facts(self, row: Row, shown: Sequence[Column]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for column in shown:
            text = cell(row, column.field, utc=self.common.utc, whole=True)
            if text or self.common.fields:
                table.add_row(column.head, Text(text, style_of(row, column.field)))
        self.console().print(table)

    # -- parts ------------------------------------------------------------------------------------------------------------

    def json(self, value: Any) -> None:
        """Write one JSON document; on one line with --ndjson."""
        self._lines(
            [as_json(value) if self.common.ndjson else json.dumps(value, ensure_ascii=False, indent=2)]
        )

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines of text, with control characters escaped."""
        self._lines(printable(line) for line in lines)

    def cells(self, values: Iterable[Any]) -> None:
        """Write one line of values separated by tabs."""
        self._lines(["\t".join(as_text(value) for value in values)])

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.out.write(line + "\n")
        self.out.flush()

    def _fields(self, kind: type[BaseModel] | None) -> list[str]:
        names = [name.strip() for name in (self.common.fields or "").split(",") if name.strip()]
        if kind is None:
            return names
        for name in names:
            known = list(kind.model_fields)
            if name.partition(".")[0] not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise CliError(f"Unknown field {name!r}.{hint}", f"Fields: {', '.join(known)}")
        return names


def say(message: str) -> None:
    """Write a message to standard error, apart from the data."""
    sys.stderr.write(printable(message) + "\n")
    sys.stderr.flush()


def as_row(item: BaseModel) -> Row:
    """The item as the REST API returns it."""
    return item.model_dump(mode="json")


def as_json(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def picked(row: Row, fields: Sequence[str]) -> Row:
    """These fields of a row, under the names requested; all fields when none is named."""
    return {name: value_at(row, name) for name in fields} if fields else row


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None when it does not exist."""
    value: Any = row
    for part in path.split("."):
        value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def as_text(value: Any) -> str:
    """A value in a piped line: text on one line, nothing for None, JSON for other values."""
    if value is None:
        return ""
    return printable(value if isinstance(value, str) else as_json(value))
