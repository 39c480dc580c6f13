"""The jobs list while it lives: nothing that a person does in it is taken away."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import apsw
import pytest
from playwright.sync_api import Page, expect

from holdfast import Holdfast
from holdfast.core.commands import Action
from tests.browser.conftest import Site, Watch, live, until


@pytest.fixture(scope="module")
def calm(site: Site, shop: Holdfast) -> list[str]:
    """Sixty jobs that no worker takes: their queue is paused."""
    shop.client.queues.pause("calm", reason="for the tests")
    return [
        h.id
        for h in shop.enqueue_many("count", [{"n": at, "label": "calm"} for at in range(60)], queue="calm")
    ]


def rows(page: Page) -> list[str]:
    return page.locator("#rows > tr").evaluate_all("all => all.map(row => row.dataset.id)")


def cells(page: Page) -> list[list[float]]:
    """Where every cell of the list is: left, top, width, height."""
    return page.locator("#rows > tr > td").evaluate_all(
        "all => all.map(cell => cell.getBoundingClientRect()).map(box => [box.x, box.y, box.width, box.height])"
    )


def test_a_selection_is_paused_together_and_survives_what_changes(
    site: Site, shop: Holdfast, watch: Watch, calm: list[str]
) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:calm")
    live(page)
    boxes = page.locator("#rows input[type=checkbox]")
    boxes.nth(1).click()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("#sel-count")).to_have_text("3 selected")
    chosen = rows(page)[1:4]
    shop.client.jobs.act(chosen[0], Action.PAUSE)
    expect(page.locator(f"#row-{chosen[0]}")).to_contain_text("Paused")
    expect(page.locator(f"#row-{chosen[0]} input")).to_be_checked()
    expect(page.locator("#sel [data-action=pause] .n")).to_have_text("2")
    page.locator("#sel [data-action=pause]").click()
    for one in chosen:
        expect(page.locator(f"#row-{one}")).to_contain_text("Paused")
    expect(page.locator("#sel")).to_be_hidden()
    for one in chosen:
        shop.client.jobs.act(one, Action.RESUME)


def test_an_empty_tab_stays_the_tab_that_one_looks_at(site: Site, shop: Holdfast, watch: Watch) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:deserted&state=failed")
    live(page)
    expect(page.locator("#list")).to_contain_text("No job matches")
    shop.client.queues.pause("deserted", reason="for the tests")
    shop.enqueue("count", {"n": 1, "label": "deserted"}, queue="deserted")
    expect(page.locator("#tabs a").first).to_contain_text("1")
    expect(page.locator("#tabs a[aria-current=page]")).to_contain_text("Failed")
    expect(page.locator("#pill")).to_be_hidden()


def test_new_rows_wait_in_the_pill_while_one_works(
    site: Site, shop: Holdfast, watch: Watch, calm: list[str]
) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:calm")
    live(page)
    page.locator("#rows input[type=checkbox]").nth(5).click()
    before = rows(page)
    shop.enqueue_many("count", [{"n": 1, "label": "calm"}] * 3, queue="calm")
    expect(page.locator("#pill")).to_contain_text("3 new")
    assert rows(page) == before
    page.keyboard.press(".")
    expect(page.locator("#pill")).to_be_hidden()
    until(lambda: rows(page)[3] == before[0], "the new rows are on top")


def test_a_row_that_leaves_the_filter_stays_dimmed(
    site: Site, shop: Holdfast, watch: Watch, calm: list[str]
) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:calm&state=enqueued")
    live(page)
    page.mouse.move(700, 500)
    one = rows(page)[2]
    shop.client.jobs.act(one, Action.CANCEL)
    expect(page.locator(f"#row-{one}")).to_have_class("left")
    expect(page.locator(f"#row-{one}")).to_contain_text("Cancelled")


def test_all_that_match_are_counted_before_they_are_cancelled(
    site: Site, shop: Holdfast, watch: Watch
) -> None:
    shop.client.queues.pause("bulk")
    shop.enqueue_many("count", [{"n": 1}] * 120, queue="bulk")
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:bulk")
    live(page)
    page.locator("#check-all").click()
    page.get_by_role("button", name="Select all 120").click()
    page.locator("#sel [data-action=cancel]").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("Cancel 120 jobs?")
    dialog.get_by_label("Type 120 to confirm").fill("120")
    dialog.get_by_role("button", name="Cancel 120 jobs").click()
    expect(page.locator("#toasts")).to_contain_text("120 jobs")
    until(
        lambda: shop.client.jobs.count(shop.client.jobs.query("queue:bulk state:cancelled")).count == 120,
        "all cancelled",
    )


def test_keys_move_select_look_and_open(site: Site, watch: Watch, calm: list[str]) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:calm")
    live(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    second = rows(page)[1]
    expect(page.locator(f"#row-{second} input")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("#peek")).to_be_visible()
    assert f"peek={second}" in page.url
    page.reload()
    expect(page.locator("#peek")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#peek")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type("queues")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues")


def test_live_updates_can_be_paused_for_this_tab(
    site: Site, shop: Holdfast, watch: Watch, calm: list[str]
) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:calm")
    live(page)
    page.keyboard.press("r")
    expect(page.locator("#bars")).to_contain_text("Live updates paused.")
    one = rows(page)[7]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    shop.client.jobs.act(one, Action.PAUSE)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.wait_for_timeout(600)
    assert asked == []
    expect(page.locator(f"#row-{one}")).to_contain_text("Queued")
    page.get_by_role("button", name="Go live").click()
    expect(page.locator(f"#row-{one}")).to_contain_text("Paused")
    expect(page.locator("#bars")).to_be_hidden()


@contextmanager
def storm(site: Site, ids: list[str], rate: int) -> Iterator[None]:
    """`rate` committed changes a second on the given jobs."""
    over = threading.Event()

    def blow() -> None:
        db = apsw.Connection(str(site.folder / "jobs.db"))
        db.set_busy_timeout(5000)
        while not over.is_set():
            start = time.monotonic()
            with db:
                for _ in range(rate // 10):
                    done = random.randint(0, 100)
                    progress = json.dumps({"done": done, "total": 100, "held": max(0, done - 5)})
                    db.execute("UPDATE jobs SET progress = ? WHERE id = ?", (progress, random.choice(ids)))
            time.sleep(max(0.0, 0.1 - (time.monotonic() - start)))

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


OBSERVE = """() => {
  window.seen = {drawn: 0, since: performance.now(), shift: 0, flashes: 0};
  const see = (type, take) => new PerformanceObserver(list => list.getEntries().forEach(take)).observe({type});
  see('layout-shift', entry => { if (!entry.hadRecentInput) window.seen.shift += entry.value; });
  const flash = event => { if (event.animationName === 'changed') window.seen.flashes++; };
  document.addEventListener('animationstart', flash, true);
  const moved = change => change.target.nodeName === 'PROGRESS';
  const draw = changes => { if (changes.some(moved)) window.seen.drawn++; };
  new MutationObserver(draw).observe(document.getElementById('rows'), {subtree: true, attributes: true});
}"""


def test_a_thousand_changes_a_second_take_nothing_away(site: Site, watch: Watch, calm: list[str]) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:calm")
    live(page)
    shown = rows(page)
    box = page.locator("#rows input[type=checkbox]").nth(4)
    box.click()
    page.locator("#q").fill("half typed")
    places = cells(page)
    page.evaluate(OBSERVE)
    with storm(site, shown, 1000):
        until(lambda: page.locator("#rows progress").count() > 40, "the changes come")
        page.evaluate("window.seen.flashes = 0")
        until(lambda: page.evaluate("window.seen.drawn") > 10, "the changes continue")
        expect(page.locator("#live-rate")).to_contain_text("changes/s")
        seen = page.evaluate("({...window.seen, seconds: (performance.now() - window.seen.since) / 1000})")
    assert box.is_checked()
    assert page.locator("#q").input_value() == "half typed"
    assert page.evaluate("document.activeElement.id") == "q"
    assert rows(page) == shown
    assert cells(page) == places
    assert seen["flashes"] == 0
    assert seen["shift"] < 0.01
    # however much changes, the page is drawn four times a second at most, and once more for what came at the start
    assert seen["drawn"] <= 4 * seen["seconds"] + 2


def test_an_action_on_thousands_shows_its_progress_and_its_end(
    site: Site, shop: Holdfast, watch: Watch
) -> None:
    shop.client.queues.pause("crowd")
    shop.enqueue_many("count", [{"n": 1}] * 6000, queue="crowd")
    newest = shop.client.jobs.search(shop.client.jobs.query("queue:crowd"), limit=1).items[0].id
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:crowd")
    live(page)
    page.evaluate(
        """() => {
          window.seen = [];
          new MutationObserver(() => {
            const bar = document.querySelector("#dialog progress");
            if (bar) window.seen.push([bar.value, bar.max]);
          }).observe(document.getElementById("dialog"), {subtree: true, childList: true, attributes: true});
        }"""
    )
    page.locator("#check-all").click()
    page.locator("#sel-all").click()
    page.locator("#sel [data-action=cancel]").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Type 6000 to confirm").fill("6000")
    dialog.get_by_role("button", name="Cancel 6,000 jobs").click()
    expect(page.locator("#toasts")).to_contain_text("Cancel requested for", timeout=60_000)
    steps = [
        done for done, of in page.evaluate("window.seen") if of == 6000
    ]  # before the first line it has no end
    assert steps
    assert steps == sorted(steps)
    assert shop.client.jobs.get(newest).state == "cancelled"
    assert shop.client.jobs.count(shop.client.jobs.query("queue:crowd state:cancelled")).count == 6000


def test_a_search_is_completed_by_keys(site: Site, watch: Watch, calm: list[str]) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?q=queue:calm")
    live(page)
    box, options = page.locator("#q"), page.locator("#ac [role=option]")
    box.press_sequentially("sta")
    expect(options.first).to_contain_text("state:")
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "ac-1")
    box.press("Tab")
    expect(box).to_have_value("state:")
    expect(box).to_be_focused()
    expect(options).to_have_count(11)
    box.press_sequentially("succ")
    expect(options).to_have_count(1)
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("state:succeeded")
    expect(options).to_have_count(0)
    box.press("Enter")
    expect(page.locator("#list")).to_contain_text("No job matches")
    assert "state%3Asucceeded" in page.url


def test_the_list_of_completions_is_closed_by_escape_and_by_leaving_the_box(site: Site, watch: Watch) -> None:
    page = watch.page()
    page.goto(f"{site.url}/jobs?text=1")
    box, options = page.locator("#q"), page.locator("#ac [role=option]")
    box.press_sequentially("sta")
    expect(options).not_to_have_count(0)
    box.press("Escape")
    expect(options).to_have_count(0)
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(box).to_have_value("sta")
    box.press("ArrowDown")
    options.first.click()
    expect(box).to_have_value("state:")
    expect(options).to_have_count(11)
    box.blur()
    expect(options).to_have_count(0)
