"""The overview while the store is empty: the steps to the first job."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.viewer_prefs import View


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


def is_first(data: PageData) -> bool:
    """Whether no job is stored yet."""
    return not any(data.stats().states.values())


def first_page(data: PageData, view: View) -> FirstPage:
    """The steps, and which of them are done."""
    types = [one for one in data.client.types.all() if one.published]
    sample = next((one.name for one in types if one.workers), "")
    return FirstPage(
        data.site.version,
        data.site.storage,
        sample,
        view.url("types", sample, "new") if sample else "",
        bool(types),
        bool(data.snapshot().facts.live),
        not is_first(data),
    )
