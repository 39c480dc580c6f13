"""The main way: queue a job from its form, watch it, pause, resume and cancel it, from two windows."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import APIResponse, Page, Route, expect

from holdfast import Holdfast
from tests.browser.conftest import Site, Watch, live, until


def value(page: Page) -> float:
    return float(page.locator("#job-status progress").first.get_attribute("value") or 0)


def test_a_job_is_queued_watched_paused_resumed_and_cancelled(site: Site, watch: Watch) -> None:
    page = watch.page()
    page.goto(f"{site.url}/types")
    page.get_by_role("link", name="New count job").click()
    page.get_by_label("N n").fill("4000")
    page.get_by_label("Label label").fill("from the form")
    page.get_by_role("button", name="Queue job").last.click()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))
    live(page)
    expect(page.locator("#job-status .state")).to_contain_text("Running")
    first = until(lambda: value(page), "progress comes")
    until(lambda: value(page) > first, "progress moves without a reload")
    expect(page.locator("#log li").first).to_be_visible()

    other = watch.page()
    other.goto(page.url)
    live(other)
    page.get_by_role("button", name="Pause job").click()
    expect(other.locator("#job-status .state")).to_contain_text("Paused")
    expect(page.locator("#job-status .state")).to_contain_text("Paused")
    expect(page.locator("#toasts")).to_contain_text("count")
    stood = value(page)
    assert page.locator("#job-status .held").count() == 1
    expect(page.locator("#job-timeline")).to_contain_text("Paused")
    other.get_by_role("button", name="Resume job").click()
    expect(page.locator("#job-status .state")).to_contain_text("Running")
    until(lambda: value(page) > stood, "it continues where it was")

    page.get_by_role("button", name="Cancel job…").click()
    expect(page.locator("#dialog")).to_contain_text("Cancel this count job?")
    page.get_by_label("Reason").fill("enough <b>")
    page.locator("#dialog").get_by_role("button", name="Cancel job").click()
    expect(other.locator("#job-status .state")).to_contain_text("Cancelled")
    expect(page.locator("#job-actions")).to_contain_text("Retry job")
    expect(page.locator("#job-timeline")).to_contain_text("enough <b>")
    assert page.title().startswith("Cancelled: count")


def test_a_late_response_does_not_overwrite_newer_data(
    site: Site, shop: Holdfast, watch: Watch, tmp_path: Path
) -> None:
    page = watch.page()
    gate = tmp_path / "gate"
    handle = shop.enqueue("hold", {"gate": str(gate), "then": 600})
    page.goto(f"{site.url}/jobs/{handle.id}")
    live(page)
    expect(page.locator("#job-status .state")).to_contain_text("Running")
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/pause", lambda route: held.append((route, route.fetch())))
    page.get_by_role("button", name="Pause job").click()
    until(lambda: page.wait_for_timeout(20) or held, "the server has responded")
    gate.touch()
    expect(page.locator("#job-status .state")).to_contain_text("Paused")  # by the stream
    ((route, answer),) = held
    assert "Pausing" in answer.text()
    route.fulfill(response=answer)
    expect(page.locator("#toasts")).to_contain_text("Pause requested for hold")
    assert page.locator("#job-status .state").inner_text() == "Paused"
    handle.cancel()


def test_a_second_click_makes_no_second_job(site: Site, shop: Holdfast, watch: Watch) -> None:
    page = watch.page()
    page.goto(f"{site.url}/types/count/new?args.n=1&args.label=twice")
    form = page.evaluate("new URLSearchParams(new FormData(document.getElementById('new'))).toString()")
    for _ in range(2):
        answer = page.request.post(
            page.url,
            data=form,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": site.url},
        )
        assert answer.ok
    found = shop.client.jobs.search(shop.client.jobs.query("args.label:twice")).items
    assert len(found) == 1


def test_problems_are_shown_beside_their_fields_and_nothing_typed_is_lost(site: Site, watch: Watch) -> None:
    watch.allowed.append("422")
    page = watch.page()
    page.goto(f"{site.url}/types/form/new")
    page.get_by_label("Batch batch").fill("many")
    page.get_by_label("Path path").fill("eu/2026.csv")
    page.get_by_role("button", name="Queue job").last.click()
    expect(page.locator("#problems")).to_be_focused()
    expect(page.locator("#problems")).to_contain_text("1 field needs a change. Nothing was queued.")
    wrong = page.get_by_label("Batch batch")
    expect(wrong).to_have_value("many")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Path path")).to_have_value("eu/2026.csv")


def test_the_console_follows_and_shows_text_as_text(site: Site, shop: Holdfast, watch: Watch) -> None:
    page = watch.page()
    handle = shop.enqueue("talk", {"lines": 300, "delay": 0.01})
    page.goto(f"{site.url}/jobs/{handle.id}")
    live(page)
    expect(page.locator("#log li").first).to_contain_text("<b>line 0</b> <script>")
    expect(page.locator("#job-pins .pin").first).to_contain_text("total unknown")
    until(
        lambda: page.locator("#log").evaluate("box => box.scrollTop > 0"), "there is more than fits the box"
    )
    page.locator("#log").evaluate("box => { box.scrollTop = 0; }")
    expect(page.locator("#log-follow")).to_have_attribute("aria-pressed", "false")
    page.locator("#log-follow").click()
    expect(page.locator("#log li").last).to_contain_text("line 299")
    until(
        lambda: page.locator("#log").evaluate(
            "box => box.scrollHeight - box.scrollTop - box.clientHeight < 30"
        ),
        "it is at the end",
    )
    numbers = page.locator("#log li b + span").all_inner_texts()
    assert len(numbers) == len(set(numbers)) == 300
    page.locator("#log-find").fill("line 299")
    expect(page.locator("#log li:visible")).to_have_count(1)


def test_an_error_is_shown_with_what_can_be_done(site: Site, shop: Holdfast, watch: Watch) -> None:
    page = watch.page()
    handle = shop.enqueue("boom", {"message": "no <space> left"})
    page.goto(f"{site.url}/jobs/{handle.id}")
    expect(page.locator("#job-error")).to_contain_text("no <space> left")
    page.get_by_role("button", name="Delete job…").click()
    page.locator("#dialog").get_by_role("button", name="Delete job").click()
    page.wait_for_url(f"{site.url}/jobs")


def test_the_find_box_goes_to_a_job_by_its_id(site: Site, shop: Holdfast, watch: Watch) -> None:
    page = watch.page()
    handle = shop.enqueue("count", {"n": 1})
    page.goto(f"{site.url}/help")
    page.keyboard.press("/")
    page.keyboard.type(handle.id)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/jobs/{handle.id}")
