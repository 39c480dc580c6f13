"""A worker is taken out of service from its page, with and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from holdfast import Holdfast
from tests.browser.conftest import TIMEOUT, Site, Watch, live, until

pytestmark = pytest.mark.browser


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Site]:
    fleet = Site(tmp_path)
    fleet.start_web()
    fleet.start_worker()
    yield fleet
    fleet.close()


@pytest.fixture
def app(fleet: Site) -> Iterator[Holdfast]:
    """The app of the test's own, once there is a worker, which leads."""
    app = fleet.app()
    app.open()
    until(
        lambda: app.client.figures.stats().scheduler and app.client.workers.all(), "a worker is up and leads"
    )
    yield app
    app.close()


def ended(fleet: Site) -> None:
    assert fleet.worker is not None
    assert fleet.worker.wait(TIMEOUT) == 0, fleet.log("worker")


def test_a_worker_is_drained_live(fleet: Site, app: Holdfast, watch: Watch) -> None:
    page = watch.page()
    page.goto(f"{fleet.url}/workers")
    live(page)
    expect(page.locator("#workers-head")).to_contain_text("Scheduler: ")
    gate = fleet.folder / "gate"
    job = app.enqueue("hold", {"gate": str(gate)})
    row = page.locator("#worker-rows tr")
    expect(row).to_contain_text("1 of 100")
    row.get_by_role("button", name="Drain").click()
    expect(page.get_by_role("dialog")).to_contain_text("It claims nothing more. 1 job runs on it to the end")
    page.get_by_role("button", name="Drain worker").click()
    expect(row.locator(".k-state")).to_contain_text("Draining")
    expect(row).to_contain_text("1 job left, then it ends.")
    expect(row.get_by_role("button", name="Drain")).to_have_count(0)
    gate.touch()
    expect(page.locator("#workers-head h1")).to_have_text("No worker is alive")
    assert job.refresh().state == "succeeded"
    ended(fleet)


def test_a_worker_is_drained_without_scripts(fleet: Site, app: Holdfast, watch: Watch) -> None:
    page = watch.page(java_script_enabled=False)
    page.goto(f"{fleet.url}/workers")
    page.locator("#worker-rows a", has_text="Drain").click()
    page.wait_for_url(re.compile(r"/workers/[0-9a-f]+/drain$"))
    page.get_by_role("button", name="Drain worker").click()
    page.wait_for_url(f"{fleet.url}/workers**")
    ended(fleet)

    def title() -> str:
        page.goto(f"{fleet.url}/workers")  # a page without scripts stays as it was read
        return page.locator("h1").first.inner_text()

    until(lambda: title() == "No worker is alive", "the worker is gone from the page")
