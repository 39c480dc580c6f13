"""The page of job types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from holdfast.client.views import TypeView
from holdfast.core.query import link_term
from holdfast.web.dashboard.format import number, pluralize
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.viewer_prefs import View


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A job type with its links. `new_href`: its form, "" for a type that only jobs name. Other attributes are those of the
    view."""

    type: TypeView
    href: str
    queue_href: str
    new_href: str

    @property
    def unknown(self) -> bool:
        return not self.type.workers

    @property
    def retries(self) -> int:
        return self.type.max_attempts - 1

    @property
    def summary(self) -> str:
        """The first paragraph of its docstring."""
        return " ".join(self.type.doc.strip().partition("\n\n")[0].split())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.type, name)


@dataclass(slots=True)
class TypesPage:
    """All that the types page shows."""

    heading: str
    lede: str
    types: list[TypeRow] = field(default_factory=list[TypeRow])


def type_row(type_: TypeView, view: View) -> TypeRow:
    """A job type with its links."""
    return TypeRow(
        type_,
        view.url("jobs", q=link_term("type", type_.name)),
        view.url("jobs", q=link_term("queue", type_.queue)),
        view.url("types", type_.name, "new") if type_.published else "",
    )


def types_page(data: PageData, view: View, find: str) -> TypesPage:
    """The job types whose name, queue or docstring holds the words of `find`; those with a concern come first."""
    every = data.client.types.all()
    wanted = find.lower().split()
    rows = [
        type_row(one, view)
        for one in sorted(every, key=lambda one: (one.concern is None, one.name))
        if all(word in f"{one.name} {one.queue} {one.doc}".lower() for word in wanted)
    ]
    concerned = [one for one in every if one.concern is not None]
    known = sum(one.workers > 0 for one in every)
    if not every:
        heading = "Types"
    elif not known:
        heading = "No worker is alive that knows a type"
    elif len(concerned) == 1:
        heading = (concerned[0].concern or "").partition(". ")[0]
    elif concerned:
        heading = f"{len(concerned)} types need attention"
    else:
        heading = pluralize(len(every), "job type")
    return TypesPage(
        heading, f"{pluralize(len(every), 'job type')}, {number(known)} of them known to a live worker.", rows
    )
