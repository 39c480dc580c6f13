"""What REST and pages do is recorded as done by them."""

from __future__ import annotations

import httpx

from tests.unit.web.support import Lab


def test_a_job_that_rest_enqueues_comes_from_the_api(lab: Lab, http: httpx.Client) -> None:
    one = http.post("/api/v1/jobs", json={"type": "count_to"}).json()
    [many] = http.post("/api/v1/jobs/bulk", json={"jobs": [{"type": "count_to"}]}).json()["items"]
    for job in (one, many):
        assert (job["origin"], job["actor"]) == ("api", None)
    paused = http.post(f"/api/v1/jobs/{one['id']}/pause").json()
    assert (paused["state"], paused["actor"]) == ("paused", None)


def test_an_action_on_a_page_is_one_of_the_dashboard(lab: Lab, http: httpx.Client) -> None:
    [job] = lab.add()
    http.post(f"/jobs/{job}/pause", data={"reason": "lunch"})
    assert (lab.client.jobs.get(job).state, lab.client.jobs.get(job).actor) == ("paused", "dashboard")
    http.post("/queues/default/pause", data={"reason": "lunch"})
    assert lab.client.queues.get("default").paused_by == "dashboard"
    http.post("/queues/default/resume")
    assert lab.client.queues.get("default").state == "open"
