"""Our part of the storm scenario: one page of jobs in a browser, and everything on it changes all the time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import CDPSession, sync_playwright

from benchmarks import browser
from benchmarks.app import app, noop
from benchmarks.child import Measurement, Setup
from benchmarks.ours.programs import web
from holdfast.core.job import Claimed, ClaimRequest, WorkerRow
from holdfast.core.outcome import Report
from holdfast.storage.writes import Claim, RegisterWorker, StoreReports

_ROWS = 50
_PER_SECOND = 1_000
_WORKER = "storm"
_WATCH_TASKS = """() => {
  window.longest = 0;
  const note = one => { window.longest = Math.max(window.longest, one.duration); };
  new PerformanceObserver(list => list.getEntries().forEach(note)).observe({type: "longtask"});
}"""


def in_view(setup: Setup) -> Measurement:
    """How busy the page's main thread is, in percent of a core, and its longest task over 50 ms (0: there was none), while
    the 50 jobs on it report progress a thousand times a second, for `size` seconds."""
    claimed = _running()
    with web(setup.directory) as client, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.FLAGS)
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.goto(str(client.base_url.join("/jobs")))
        page.locator("#live[data-live=on]").wait_for()
        wire = page.context.new_cdp_session(page)
        wire.send("Performance.enable")
        with _storm(claimed) as counted:
            page.wait_for_timeout(2_000)
            page.evaluate(_WATCH_TASKS)
            began, busy, before = time.monotonic(), _task_seconds(wire), counted[0]
            page.wait_for_timeout(setup.size * 1_000)
            took = time.monotonic() - began
            busy, changes = _task_seconds(wire) - busy, counted[0] - before
        longest = float(page.evaluate("window.longest"))
        chromium.close()
    return {"busy_percent": 100 * busy / took, "longest_ms": longest, "changes_per_s": changes / took}


def _running() -> list[Claimed]:
    """So many jobs that a worker of ours has, which runs nothing."""
    gateway = app.open().gateway
    noop.enqueue_many([{"n": n} for n in range(_ROWS)])
    row = WorkerRow(
        id=_WORKER, name=_WORKER, host="here", pid=1, version="", queues=(), types=(), slots=_ROWS
    )
    gateway.run(RegisterWorker(row, lease=3600.0))
    return gateway.run(Claim(ClaimRequest(worker=_WORKER, types=frozenset({"noop"}), limit=_ROWS)))


@contextmanager
def _storm(jobs: list[Claimed]) -> Generator[list[int]]:
    """Reports of progress, a tenth of a second's at once; yields how many were stored so far."""
    gateway = app.open().gateway
    counted = [0]
    over = threading.Event()

    def blow() -> None:
        due = time.monotonic()
        while not over.wait(max(0.0, due - time.monotonic())):
            due += 0.1
            for chosen in (random.sample(jobs, _ROWS) for _ in range(_PER_SECOND // 10 // _ROWS)):
                gateway.run(StoreReports([_report(job) for job in chosen]))
                counted[0] += len(chosen)

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield counted
    finally:
        over.set()
        thread.join()


def _report(job: Claimed) -> Report:
    return Report(seq=job.seq, token=job.token, progress=f'{{"done":{random.randint(0, 100)},"total":100}}')


def _task_seconds(wire: CDPSession) -> float:
    answer: dict[str, Any] = wire.send("Performance.getMetrics")
    return next(float(one["value"]) for one in answer["metrics"] if one["name"] == "TaskDuration")
