"""What the overview shows while the store is empty: the steps to the first job, each ticked once it is done."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.view import View


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The steps. `sample`: a type that a live worker knows, with the link to its form. `next`: the number of the first step
    that is not done, 5 when all are."""

    version: str
    storage: str
    sample: str
    sample_href: str
    has_type: bool
    has_worker: bool
    has_job: bool

    @property
    def next(self) -> int:
        done = (True, self.has_type, self.has_worker, self.has_job)
        return next((number for number, one in enumerate(done, 1) if not one), 5)


def is_first(desk: Desk) -> bool:
    """Whether no job is stored yet."""
    return not any(desk.stats().states.values())


def first_page(desk: Desk, view: View) -> FirstPage:
    """The steps as they stand now."""
    types = [one for one in desk.client.types.all() if one.published]
    sample = next((one.name for one in types if one.workers), "")
    return FirstPage(
        desk.site.version,
        desk.site.storage,
        sample,
        view.url("types", sample, "new") if sample else "",
        bool(types),
        bool(desk.whole().facts.live),
        not is_first(desk),
    )
