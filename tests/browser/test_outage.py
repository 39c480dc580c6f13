"""The server goes away and comes back while pages are open: nothing lies, nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, Watch, live, until


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of its own, which may be killed."""
    frail = Site(tmp_path_factory.mktemp("frail"))
    frail.start_web()
    yield frail
    frail.close()


def test_a_killed_server_is_reported_and_its_return_brings_what_was_missed(frail: Site, watch: Watch) -> None:
    watch.allowed += [
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_CONNECTION_RESET",
        "ERR_EMPTY_RESPONSE",
    ]
    app = frail.app()
    jobs = app.enqueue_many("count", [{"n": at} for at in range(5)])
    page = watch.page()
    page.goto(f"{frail.url}/jobs")
    live(page)
    page.locator("#q").fill("half typed")
    page.locator("#rows input[type=checkbox]").nth(1).click()
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    frail.kill_web()
    expect(page.locator("#live")).to_have_attribute("data-live", "offline")
    expect(page.locator("#bars")).to_contain_text(re.compile(r"Connection lost at \d\d:\d\d:\d\d"))
    expect(page.locator("#bar-retry")).to_contain_text("Trying again in")

    page.locator("#rows a[data-menu]").nth(2).click()
    expect(page.locator("#toasts")).to_contain_text(
        "Not sent: the server cannot be reached. Nothing was changed."
    )

    jobs[2].pause()
    frail.start_web()
    page.get_by_role("button", name="Try now").click()
    live(page)
    expect(page.locator(f"#row-{jobs[2].id}")).to_contain_text("Paused")
    expect(page.locator("#bars")).to_be_hidden()
    expect(page.locator("#q")).to_have_value("half typed")
    expect(page.locator("#rows input[type=checkbox]").nth(1)).to_be_checked()
    assert loads == []
    app.close()


def modes(pages: list[Page]) -> list[str]:
    return sorted(page.locator("#live").get_attribute("data-live") or "" for page in pages)


def test_ten_tabs_share_three_streams_and_every_one_loads(frail: Site, watch: Watch) -> None:
    context = watch.context()
    pages = [context.new_page() for _ in range(10)]
    for page in pages:
        page.goto(f"{frail.url}/jobs")
        expect(page.locator("h1")).to_have_text("Jobs")
    until(lambda: modes(pages) == ["on"] * 3 + ["polling"] * 7, "three streams, the others poll")
    expect(pages[-1].locator("#live-word")).to_have_text("Every 5 s")
    pages[0].close()
    until(lambda: modes(pages[1:]) == ["on"] * 3 + ["polling"] * 6, "a free place is taken")


def test_a_new_version_on_the_server_is_announced_and_never_reloads_the_page_by_itself(
    frail: Site, watch: Watch
) -> None:
    page = watch.page()
    page.goto(f"{frail.url}/jobs")
    page.evaluate("() => 0")
    live(page)
    expect(page.locator("#bars")).to_be_hidden()
    page.route(
        "**/jobs",
        lambda route: route.fulfill(
            body=re.sub(r'data-build="\w+"', 'data-build="0ld"', route.fetch().text()),
            content_type="text/html",
        ),
    )
    page.reload()
    expect(page.locator("#bars")).to_contain_text("Holdfast was updated on the server.")
