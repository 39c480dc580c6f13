"""Every page: without a script, under any prefix, with names that hurt, for everyone's eyes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from holdfast import Holdfast
from tests.browser import shop as sample
from tests.browser.conftest import Site, Watch, live, until


@pytest.fixture(scope="module")
def lived(site: Site, shop: Holdfast) -> dict[str, str]:
    """Jobs in many states, and the pages that show them."""
    shop.client.queues.pause("lived", reason="a test looks at it")
    failed = shop.enqueue("boom", {"message": "no space left"}, tags=["eu"])
    done = shop.enqueue("count", {"n": 3, "delay": 0})
    running = shop.enqueue("count", {"n": 100_000, "delay": 0.5})
    later = shop.enqueue("count", {"n": 3}, delay="1h")
    shop.enqueue_many("count", [{"n": at} for at in range(3)], queue="lived")
    talk = shop.enqueue("talk", {"lines": 20})
    until(lambda: failed.refresh().state == "failed", "it fails")
    until(lambda: done.refresh().state == "succeeded", "it is done")
    until(lambda: talk.refresh().state == "succeeded", "it has talked")
    until(lambda: shop.client.jobs.get(running.id).progress, "it runs")
    return {
        "overview": "/",
        "jobs": "/jobs",
        "peek": f"/jobs?peek={failed.id}",
        "no match": "/jobs?q=type:nothing",
        "as text": "/jobs?q=state:failed&text=1",
        "failed": f"/jobs/{failed.id}",
        "succeeded": f"/jobs/{talk.id}",
        "running": f"/jobs/{running.id}",
        "scheduled": f"/jobs/{later.id}",
        "cancel": f"/jobs/{running.id}/cancel",
        "menu": f"/jobs/{running.id}/menu",
        "types": "/types",
        "form": "/types/form/new",
        "form as json": "/types/form/new?as=json",
        "queues": "/queues",
        "pause queue": "/queues/lived/pause",
        "workers": "/workers",
        "help": "/help",
        "not found": "/jobs/01a1f90b-e270-78f4-8b3f-5d2e91c07a46",
    }


PLACES = (
    *(
        "overview",
        "jobs",
        "peek",
        "no match",
        "as text",
        "failed",
        "succeeded",
        "running",
        "scheduled",
        "cancel",
    ),
    *("menu", "types", "form", "form as json", "queues", "pause queue", "workers", "help", "not found"),
)
LOOKS = (("light", 1440), ("dark", 768), ("light", 320), ("dark", 320))


@pytest.mark.parametrize("place", PLACES)
def test_nothing_keeps_anyone_out(site: Site, watch: Watch, lived: dict[str, str], place: str) -> None:
    """In both themes, at every width, on a page that is loaded once."""
    watch.allowed.append("404 (Not Found)")
    page = watch.page(reduced_motion="reduce")
    page.goto(site.url + lived[place])
    if place != "not found":
        live(page)
    assert page.locator("h1").count() == 1
    page.evaluate(Axe().axe_script)
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        complaints = [
            f"{one['id']}: {one['nodes'][0]['html'][:160]} ({one['nodes'][0]['failureSummary'][:200]})"
            for one in found
        ]
        assert complaints == [], (scheme, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (scheme, width)


def test_an_empty_system_is_explained(tmp_path_factory: pytest.TempPathFactory, watch: Watch) -> None:
    empty = Site(tmp_path_factory.mktemp("empty"))
    empty.start_web()
    page = watch.page()
    try:
        for path, words in (
            ("/jobs", "No jobs yet"),
            ("/queues", "a job"),
            ("/workers", "No worker is alive"),
            ("/", "Ready for the first job"),
        ):
            page.goto(empty.url + path)
            expect(page.locator("#main")).to_contain_text(words)
            assert Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"] == []
    finally:
        empty.close()


def test_everything_works_without_a_script(site: Site, shop: Holdfast, watch: Watch) -> None:
    shop.client.queues.pause("plain")
    page = watch.page(java_script_enabled=False)
    page.goto(f"{site.url}/types/form/new")
    page.get_by_label("Path path").fill("plain.csv")
    page.locator("input[name=queue]").fill("plain")
    page.get_by_role("button", name="Add row").click()
    page.get_by_label("Columns 1").fill("email")
    page.locator("#queue-job").click()
    expect(page.locator("h1")).to_contain_text('path="plain.csv"')
    expect(page.locator("#toasts")).to_contain_text("Queued form.")
    page.get_by_role("button", name="Pause job").click()
    expect(page.locator("#job-status")).to_contain_text("Paused")
    page.get_by_role("button", name="Resume job").click()
    page.get_by_role("button", name="Cancel job…").click()
    page.get_by_label("Reason").fill("no need")
    page.get_by_role("button", name="Cancel job").click()
    expect(page.locator("#job-status")).to_contain_text("no need")
    page.get_by_role("link", name="Jobs", exact=True).first.click()
    page.locator("#q").fill("queue:plain")
    page.locator("#q").press("Enter")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.locator("#rows input[type=checkbox]").check()
    page.locator("#sel [data-action=retry]").click()
    expect(page.locator("#rows")).to_contain_text("Queued")
    page.get_by_role("link", name="Remove queue:plain").click()
    page.get_by_role("link", name="Queues").click()
    page.get_by_role("button", name="Pause queue forms…").or_(
        page.get_by_role("button", name="Pause queue plain…")
    ).or_(page.get_by_role("button", name="Resume queue plain")).first.click()
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_pages_of_a_long_list_follow_each_other(site: Site, shop: Holdfast, watch: Watch) -> None:
    shop.client.queues.pause("long")
    shop.enqueue_many("count", [{"n": at} for at in range(120)], queue="long")
    page = watch.page(java_script_enabled=False)
    page.goto(f"{site.url}/jobs?q=queue:long")
    seen: list[str] = []
    for _ in range(3):
        seen += page.locator("#rows tr").evaluate_all("all => all.map(row => row.dataset.id)")
        follow = page.get_by_role("link", name="Next page", exact=True)
        if follow.get_attribute("href"):
            follow.click()
    assert len(seen) == len(set(seen)) == 120
    page.get_by_role("link", name="First page").click()
    assert page.locator("#rows tr").first.get_attribute("data-id") == seen[0]


def test_names_that_hurt_are_only_text(site: Site, shop: Holdfast, watch: Watch) -> None:
    page = watch.page()
    for name in sample.HOSTILE:
        turned = f"\u202e{name}"  # no name may hold it, an argument may
        handle = shop.enqueue(name, {"text": turned}, tags=[name], owner=name)
        page.goto(f"{site.url}/jobs/{handle.id}")
        live(page)
        expect(page.locator("#args-json")).to_contain_text(json.dumps(turned, ensure_ascii=False)[:40])
        page.goto(f"{site.url}/types/{quote(name, safe='')}/new")
        expect(page.locator("h1")).to_contain_text(name[:30])
        page.locator("input[name='a/text']").fill(name)
        page.locator("#queue-job").click()
        page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))
        expect(page.locator("#args-json")).to_contain_text(json.dumps(name, ensure_ascii=False)[:40])
    for path in ("/jobs", "/queues", "/types", "/", "/workers"):
        page.goto(site.url + path)
        live(page)
        assert page.locator("img, #main b b, #main script").count() == 0
    page.goto(f"{site.url}/queues")
    for link in page.locator("#queue-rows .k-name a").evaluate_all("all => all.map(a => a.href)"):
        assert page.request.get(link).status == 200, link
    for name in sample.HOSTILE:
        pause = f"{site.url}/queues/{quote(name, safe='')}/pause"
        page.request.post(pause, headers={"Origin": site.url}, max_redirects=0)
        assert {queue.name: queue.state for queue in shop.client.queues.all()}[name] == "paused"
        shop.client.queues.resume(name)


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    mounted = Site(tmp_path_factory.mktemp("mounted"), prefix="/a/bé")
    mounted.start_web()
    mounted.start_worker()
    yield mounted
    mounted.close()


def test_it_works_under_a_prefix(mounted: Site, watch: Watch) -> None:
    home = f"{mounted.url}/a/b%C3%A9"
    page = watch.page()
    outside: list[str] = []
    page.on(
        "request", lambda request: None if request.url.startswith(f"{home}/") else outside.append(request.url)
    )
    page.goto(f"{home}/types/count/new")
    page.locator("#queue-job").click()
    page.wait_for_url(re.compile(r"/a/b%C3%A9/jobs/[0-9a-f-]{36}$"))
    live(page)
    page.get_by_role("button", name="Pause job").click()
    expect(page.locator("#job-status .state")).to_contain_text("Paused")
    for link in page.locator("#nav a").evaluate_all("all => all.map(a => a.href)"):
        page.goto(link)
        expect(page.locator("body")).not_to_be_empty()
    page.goto(f"{home}/jobs")
    page.locator("#rows a").first.click()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}$"))
    live(page)
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url(f"{home}/queues")
    assert outside == []


def test_times_follow_the_chosen_zone(site: Site, watch: Watch, lived: dict[str, str]) -> None:
    page = watch.page(timezone_id="Asia/Tokyo")
    page.goto(site.url + lived["failed"])
    expect(page.locator("#zone-word")).to_have_text("Tokyo")

    def hour(page: Page) -> int:
        return int(page.locator("#job-timeline time").first.inner_text().split()[-1].split(":")[0])

    tokyo = hour(page)
    page.locator(".hide-s[popovertarget=zones]").click()
    page.get_by_role("button", name="UTC").click()
    expect(page.locator("#zone-word")).to_have_text("UTC")
    assert (tokyo - hour(page)) % 24 == 9
