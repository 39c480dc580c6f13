"""Programs written before the client had parts work, and get warnings with the new names."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from holdfast import Holdfast
from holdfast.client import former_names


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Any]:
    made = Holdfast(data_dir=str(tmp_path))

    @made.job()
    async def noop() -> None: ...

    yield made
    made.close()


@pytest.mark.parametrize(
    ("owner", "name", "now"),
    [("client", *names) for names in former_names.CLIENT.items()]
    + [("overview", *names) for names in former_names.OVERVIEW.items()],
)
def test_each_former_name_leads_to_the_new_one_and_warns(app: Any, owner: str, name: str, now: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"app.{owner}.{name} is now app.client.{now}$") as caught:
        former = getattr(getattr(app, owner), name)
    assert former == attrgetter(now)(app.client)
    assert caught[0].filename == __file__


def test_a_job_is_found_as_it_was_before(app: Any) -> None:
    job = app.enqueue("noop")
    with pytest.warns(DeprecationWarning, match="is now app.client"):
        found = app.overview.search(app.client.jobs.query("state:enqueued"))
    assert [one.id for one in found.items] == [job.id]


@pytest.mark.parametrize("owner", ["client", "overview"])
def test_a_name_that_never_was_is_no_attribute(app: Any, owner: str) -> None:
    with pytest.raises(AttributeError, match="never_was"):
        _ = getattr(app, owner).never_was
