"""How a job is shown: its look, its bar, its line of arguments, its actions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import escape

from holdfast.client.views import HistoryView, JobView, Progress, SavedView
from holdfast.core.commands import Action
from holdfast.web.dashboard.job.strip import seconds_left, strip
from holdfast.web.dashboard.job.timeline import MAX_ROWS, entries
from holdfast.web.dashboard.job.trace import parts_of
from holdfast.web.dashboard.markup import json_html
from holdfast.web.dashboard.presenters import args_text, present_job
from holdfast.web.dashboard.templating import macros
from holdfast.web.dashboard.viewer_prefs import View

NOW = datetime.now(UTC)


def job(**fields: Any) -> JobView:
    base: dict[str, Any] = {
        "id": "01a1f90b-e270-78f4-8b3f-5d2e91c07a46",
        "type": "import_customers",
        "queue": "imports",
        "state": "enqueued",
        "args": {"path": "a.csv"},
        "created_at": NOW - timedelta(minutes=2),
        "changed_at": NOW - timedelta(minutes=1),
    }
    return JobView(**{**base, **fields})


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"state": "processing"}, "processing"),
        ({"state": "processing", "requested": "pause"}, "pausing"),
        ({"state": "processing", "requested": "cancel"}, "cancelling"),
        ({"state": "scheduled"}, "scheduled"),
        ({"state": "scheduled", "reason": "retry"}, "retrying"),
        ({"state": "failed"}, "failed"),
    ],
)
def test_a_request_is_shown_as_a_request_and_a_retry_as_a_retry(fields: dict[str, Any], key: str) -> None:
    assert present_job(job(**fields)).style.key == key


def test_the_held_mark_is_at_the_last_checkpoint() -> None:
    bar = present_job(job(state="processing", progress=Progress(done=41_412, total=90_000, held=41_200))).bar
    assert bar is not None
    assert bar.held_percent == 45.78
    assert bar.percent_text == "46 %"


@pytest.mark.parametrize(("done", "total"), [(5, 0), (-1, 10), (20, 10), (1, None)])
def test_odd_progress_is_still_a_bar(done: float, total: float | None) -> None:
    bar = present_job(job(progress=Progress(done=done, total=total, held=done))).bar
    assert bar is not None
    assert 0 <= bar.value <= bar.max
    assert bar.held_percent is None or 0 <= bar.held_percent <= 100


def test_only_what_the_state_allows_is_offered() -> None:
    assert present_job(job(state="processing", requested="pause")).allowed == (Action.RESUME, Action.CANCEL)
    assert present_job(job(state="succeeded")).allowed == (Action.DELETE,)
    assert Action.PAUSE in present_job(job(state="enqueued")).allowed


def test_arguments_are_one_line_of_bounded_length() -> None:
    assert args_text({"path": "a.csv", "n": 3}) == 'path="a.csv", n=3'
    assert len(args_text({f"k{at}": "v" * 500 for at in range(500)})) <= 120
    assert args_text(None) == ""


def test_integers_stay_exact_and_markup_stays_text() -> None:
    html = str(json_html({"<k>": [9007199254740993, "<script>"], "empty": {}}))
    assert "9007199254740993" in html
    assert "<script>" not in html
    assert "&lt;k&gt;" in html


HOSTILE = [
    "foo/bar.baz",
    "a b",
    "%2F",
    "'\"<>&",
    "\u202eegnp.csv",
    "😀" * 10,
    "x" * 300,
    "{{ 7*7 }}",
    "</tr><script>1</script>",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_names_are_data_in_a_row(text: str) -> None:
    html = str(
        macros("job_rows.html", View()).jobs_row(
            present_job(job(type=text, queue=text, tags=[text], args={text: text}))
        )
    )
    assert "<script" not in html
    assert html.count("<tr") == html.count("</tr>") == 1
    assert str(escape(text)) in html, "shown as it was written, and not worked out"


def history(*steps: tuple[int, str, str, str | None]) -> list[HistoryView]:
    return [
        HistoryView(seq=at, at=NOW - timedelta(seconds=ago), kind=kind, state=state, actor=actor, attempt=1)
        for at, (ago, kind, state, actor) in enumerate(steps)
    ]


RUN = history(
    (120, "state", "enqueued", None), (100, "state", "processing", None), (3, "request", "pause", "ann")
)


def test_the_timeline_shows_past_events_pending_requests_and_what_comes_next() -> None:
    running = job(
        state="processing", requested="pause", claims=1, progress=Progress(done=50, total=100, held=40)
    )
    saved = SavedView(state={"row": 40}, at=NOW - timedelta(seconds=10), count=4, bytes=12)
    timeline = entries(running, RUN, saved, {})
    assert [entry.title for entry in timeline] == [
        "Paused",
        "Pause requested",
        "Held at 40 · 12 B",
        "Running",
        "Queued",
    ]
    assert timeline[0].ahead
    assert timeline[1].text == "by ann"


def test_the_timeline_says_how_many_runs_it_omits() -> None:
    running = job(state="processing", claims=1201, progress=Progress(done=50, total=100))
    timeline = entries(running, RUN, None, {})
    assert [entry.title for entry in timeline[-3:]] == [
        "Running again",
        "1,200 earlier runs not kept",
        "Queued",
    ]
    assert timeline[-3].text == "attempt 1"  # how long it had waited is not known
    assert [bar.key for bar in strip(running, RUN, None, "UTC").bars] == ["processing"]
    assert seconds_left(running, RUN, NOW) is None


def test_a_claim_that_came_after_the_job_was_read_is_no_run_that_is_missing() -> None:
    waiting = job(claims=0)  # its history, read later, contains a claim
    assert [entry.title for entry in entries(waiting, RUN, None, {})] == [
        "Pause requested",
        "Running",
        "Queued",
    ]
    assert strip(job(claims=1), [], None, "UTC").bars == []


@pytest.mark.parametrize(
    ("actor", "reason", "text"),
    [
        (None, "process died (SIGKILL)", "its process died (SIGKILL)"),
        (None, "rescued", "its process died"),
        (None, "lease expired", "its worker stopped responding"),
        (None, "worker stopped", "its worker was stopped"),
        (None, "no such customer", "“no such customer”"),
        ("ann", "worker stopped", "by ann: “worker stopped”"),
    ],
)
def test_the_timeline_says_in_words_why_a_run_ended(actor: str | None, reason: str, text: str) -> None:
    steps = history((9, "state", "processing", None), (5, "state", "enqueued", actor))
    steps[1] = steps[1].model_copy(update={"reason": reason})
    requeued = entries(job(claims=1), steps, None, {})[0]
    assert (requeued.title, requeued.text) == ("Requeued", text)


def test_of_a_long_timeline_the_newest_entries_are_drawn() -> None:
    steps = [(200 - n, "state", "processing" if n % 2 else "enqueued", None) for n in range(2 * MAX_ROWS + 1)]
    timeline = entries(job(claims=MAX_ROWS), history(*steps), None, {})
    assert len(timeline) == MAX_ROWS + 2
    assert [entry.title for entry in timeline[-2:]] == ["50 earlier changes not shown", "Queued"]
    assert timeline[0].at == NOW - timedelta(seconds=200 - 2 * MAX_ROWS)
    assert len(entries(job(claims=MAX_ROWS), history(*steps[1:]), None, {})) == 2 * MAX_ROWS


def test_the_time_left_is_counted_from_the_time_it_ran() -> None:
    running = job(state="processing", claims=1, progress=Progress(done=50, total=100))
    left = seconds_left(running, RUN, NOW)
    assert left is not None
    assert 95 <= left <= 105
    assert seconds_left(job(state="paused", progress=Progress(done=50, total=100)), RUN, NOW) is None


def test_the_strip_fills_its_width_and_never_runs_over() -> None:
    running = job(state="processing", claims=1, progress=Progress(done=50, total=100))
    drawn = strip(running, RUN, None, "Europe/Berlin")
    assert [bar.key for bar in drawn.bars] == ["enqueued", "processing"]
    assert all(bar.x >= 0 and bar.x + bar.width <= 100.5 for bar in drawn.bars)
    assert drawn.ahead.startswith("about")


TRACE = """Traceback (most recent call last):
  File "/srv/shop/jobs/media.py", line 41, in resize_image
    image.copy(size).save(target)
  File "/srv/venv/lib/python3.11/site-packages/PIL/Image.py", line 2568, in save
    save_handler(self, fp, filename)
  File "/srv/venv/lib/python3.11/site-packages/PIL/JpegImagePlugin.py", line 826, in _save
  File "/usr/lib/python3.11/json/decoder.py", line 1, in x
OSError: [Errno 28] No space left on device
"""


def test_own_frames_are_open_and_libraries_are_folded() -> None:
    parts = parts_of(TRACE)
    assert [(part.library, len(part.frames)) for part in parts] == [("", 1), ("PIL", 2), ("json", 1)]
    assert parts[0].source == "image.copy(size).save(target)"


@pytest.mark.parametrize("text", [None, "", "no trace at all", 'File "' * 1000])
def test_what_is_no_traceback_has_no_frames(text: str | None) -> None:
    assert parts_of(text) == []
