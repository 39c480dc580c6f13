"""An action on many jobs shows that it is at work, and says at its end what was done, and what was refused and why."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from holdfast.core.commands import Action
from holdfast.web.dashboard.confirmation import bulk_report
from holdfast.web.dashboard.jobs import bulk
from tests.unit.web.support import Lab, served


def test_its_steps_come_before_its_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SHOW_PROGRESS_ABOVE", 2)
    lab = Lab(tmp_path)
    lab.add(3)
    form = {"action": "cancel", "all": "1", "q": "type:count_to", "sure": "1"}
    with served(lab) as url:
        headers = {"HX-Request": "true", "Origin": url}
        answer = httpx.post(f"{url}/jobs/actions", data=form, headers=headers)
    states = lab.client.jobs.states()
    lab.close()
    assert answer.headers["content-type"] == "application/x-ndjson"
    *steps, outcome = map(json.loads, answer.text.splitlines())
    assert all(step["doing"] == "Cancelling 3 jobs" and step["of"] == 3 for step in steps)
    assert (steps[-1]["done"], steps[-1]["refused"]) == (3, 0)
    assert outcome["toast"] == "Cancel requested for 3 jobs."
    assert states["cancelled"] == 3


def test_what_was_refused_is_reported_with_its_reasons() -> None:
    text = bulk_report(Action.PAUSE, 5, {"The job is failed.": 1, "The job is succeeded.": 2})
    assert text == (
        "Pause requested for 5 jobs. 3 were refused and left as they are. "
        "2: The job is succeeded. 1: The job is failed."
    )
