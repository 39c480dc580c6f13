"""What needs a person is said the same on every page, in the figures of REST and by the doctor; quiet is never false."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdfast.cli.doctor.findings import of_concerns
from holdfast.client.views import ConcernView
from holdfast.core.concerns import Kind
from holdfast.core.job import NewJob
from holdfast.core.outcome import Settlement
from holdfast.core.principal import Principal
from holdfast.core.states import Verb
from holdfast.runtime.clock import new_id
from holdfast.storage.writes import AcquireLease, AggregateEvents, Insert, Settle
from holdfast.web.dashboard.overview.attention import CONCERN_STYLES, attention
from holdfast.web.dashboard.viewer_prefs import View
from tests.unit.web.support import Lab, served, until


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def http(lab: Lab) -> Iterator[httpx.Client]:
    with served(lab) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


def read(http: httpx.Client, path: str) -> str:
    page = http.get(path, headers={"accept": "text/html"}, follow_redirects=True)
    assert page.status_code == 200, path
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.text)))


def kinds(http: httpx.Client) -> list[str]:
    return [concern["kind"] for concern in http.get("/api/v1/stats").json()["concerns"]]


def overview(http: httpx.Client) -> str:
    return html.unescape(http.get("/", headers={"accept": "text/html"}).text)


def end(lab: Lab, verb: Verb) -> None:
    """End what waits, and let the scheduler count it."""
    settled = [Settlement(claimed.seq, claimed.token, verb) for claimed in lab.claim()]
    lab.parts.gateway.run(Settle(settled))
    lab.parts.gateway.run(AggregateEvents(1000))


def store_unknown(lab: Lab, type_: str, queue: str) -> str:
    job = NewJob(new_id(), type_, "{}", queue)
    return lab.parts.gateway.run(Insert([job]))[0].id


def test_no_worker_and_no_scheduler_are_never_quiet(lab: Lab, http: httpx.Client) -> None:
    lab.add(2)
    assert kinds(http) == [Kind.NO_WORKER, Kind.NO_SCHEDULER]
    page = read(http, "/")
    assert "Ready for the first job" not in page
    assert "Nothing is running" in page
    assert "All quiet" not in page
    assert "No worker is running. 2 jobs are queued and none will start." in page
    assert "No worker is running" in read(http, "/queues")
    assert "Start a worker: holdfast worker --app module:app" in read(http, "/workers")


def test_all_quiet_when_all_is(lab: Lab, http: httpx.Client) -> None:
    lab.add()
    lab.worker(types=("count_to",))
    lab.parts.gateway.run(AcquireLease("clock", "here:1:x", lease=600.0))
    assert kinds(http) == []
    assert "All quiet" in read(http, "/")


def test_every_place_says_the_same(lab: Lab, http: httpx.Client) -> None:
    lab.worker(types=("count_to",))
    lab.parts.gateway.run(AcquireLease("clock", "here:1:x", lease=600.0))
    job = store_unknown(lab, "gpu.train", "gpu")
    lab.client.acting_as(Principal("ben")).queues.pause("billing", reason="gateway down")
    unserved, paused = "No worker knows gpu.train.", "Queue billing is paused by ben: “gateway down”."
    stats = lab.client.figures.stats()
    assert [concern.kind for concern in stats.concerns] == [Kind.UNSERVED, Kind.QUEUE_PAUSED]
    assert all(concern.since is not None and concern.action for concern in stats.concerns)
    assert f"{unserved} 1 job waits in queue gpu." in read(http, "/")
    assert "Queue billing is paused by ben: “gateway down”" in read(http, "/")
    for path in ("/queues", "/types", f"/jobs/{job}"):
        assert unserved in read(http, path), path
    queues = {one["name"]: one["concern"] for one in http.get("/api/v1/queues").json()["items"]}
    assert queues["gpu"].startswith(unserved)
    assert queues["billing"].startswith(paused)
    types = {one["name"]: one for one in http.get("/api/v1/job-types").json()["items"]}
    assert (types["gpu.train"]["published"], types["gpu.train"]["waiting"]) == (False, 1)
    assert types["gpu.train"]["concern"].startswith(unserved)
    assert [finding.found for finding in of_concerns(stats)] == [one.text for one in stats.concerns]


def test_a_type_that_only_jobs_name_has_no_form(lab: Lab, http: httpx.Client) -> None:
    store_unknown(lab, "gpu.train", "gpu")
    assert http.get("/types/gpu.train/new", headers={"accept": "text/html"}).status_code == 404


def test_the_paused_queue_is_resumed_from_the_overview(lab: Lab, http: httpx.Client) -> None:
    lab.add()
    lab.client.queues.pause("billing")
    page = http.get("/", headers={"accept": "text/html"}).text
    assert re.search(
        r'<form method="post" action="[^"]*/queues/billing/resume"><button[^>]*>Resume queue<', page
    )


def test_an_empty_store_shows_the_first_steps(lab: Lab, http: httpx.Client) -> None:
    assert "Ready for the first job" in read(http, "/")


def test_theme_and_zone_are_in_the_menu_too(lab: Lab, http: httpx.Client) -> None:
    page = http.get("/help", headers={"accept": "text/html"}).text
    nav = page.partition("<nav ")[2].partition("</nav>")[0]
    assert 'popovertarget="zones"' in nav
    assert 'name="theme"' in nav


def test_a_count_that_stopped_early_is_marked_in_its_button(lab: Lab) -> None:
    counted = ConcernView(
        kind=Kind.EXHAUSTED_RETRIES,
        text="",
        title="",
        action="",
        subject="count_to",
        types=["count_to"],
        jobs=10_000,
        retry=True,
    )
    concerns = [counted, counted.model_copy(update={"capped": True})]
    stats = lab.client.figures.stats().model_copy(update={"concerns": concerns})
    assert [line.action for line in attention(stats, View())] == ["Retry 10,000…", "Retry 10,000+…"]


def test_each_kind_has_its_style() -> None:
    assert set(CONCERN_STYLES) == set(Kind)


def test_failed_jobs_are_retried_from_the_overview_once_their_type_succeeds_again(
    lab: Lab, http: httpx.Client
) -> None:
    lab.worker(types=("count_to",))
    lab.parts.gateway.run(AcquireLease("clock", "here:1:x", lease=600.0))
    lab.add(2)
    end(lab, Verb.FAIL)
    assert kinds(http) == [Kind.EXHAUSTED_RETRIES]
    assert "no attempt has succeeded since" in read(http, "/")
    assert "See its failures" in read(http, "/")
    assert 'value="retry"' not in overview(http)
    lab.add()
    end(lab, Verb.SUCCEED)
    (concern,) = http.get("/api/v1/stats").json()["concerns"]
    assert (concern["retry"], concern["jobs"], concern["types"]) == (True, 2, ["count_to"])
    assert any(one.name == "exhausted retries" for one in of_concerns(lab.client.figures.stats()))
    page = until(lambda: "Retry 2…" in (text := overview(http)) and text)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    assert form["q"] == "type:count_to state:failed"
    asked = http.post("/jobs/actions", data=form, headers={"accept": "text/html"})
    assert "Retry 2 jobs?" in asked.text
    assert lab.client.jobs.states()["failed"] == 2
    http.post("/jobs/actions", data={**form, "sure": "1"})
    assert lab.client.jobs.states()["failed"] == 0
    assert kinds(http) == []
