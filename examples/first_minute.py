"""What `make up` shows in its first minute: jobs of every sort, and three things to try on one of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx

from holdfast import Holdfast, JobHandle

SAMPLES = (
    ("import_customers", {"path": "customers-2026-11.csv"}, {"owner": "ann", "tags": ["eu", "nightly"]}),
    ("convert_video", {"name": "holiday.mov"}, {"owner": "marketing", "tags": ["video"]}),
    ("flaky", {"fail_times": 4}, {"owner": "ben", "tags": ["webhook"]}),
    ("boom", {"message": "the card was declined"}, {"owner": "shop", "tags": ["payment", "eu"]}),
    ("count_to", {"n": 50}, {"owner": "reports", "tags": ["monthly-report"], "delay": "45s"}),
)

WORDS = """
Three things to try on a job that counts to 3,000, in another terminal:
  {holdfast} job pause {job}
      it stops after the number it is at
  kill -9 {pid}
      its worker process dies and is replaced; try it while the job runs, too
  {holdfast} job resume {job}
      it continues at the next number, in whatever process
"""


def enqueue_samples(app: Holdfast) -> JobHandle:
    """Enqueue one job of each sort, and a long one to try things on, which is returned. It is the same after a restart."""
    long = app.enqueue("count_to", {"n": 3000}, owner="you", tags=["try-me"], unique="try-me")
    if long.created:
        for name, args, options in SAMPLES:
            app.enqueue(name, args, **options)
    return long


def explain(app: Holdfast, job: JobHandle) -> bool:
    """Say what can be tried, as commands to paste, once the job runs and the web server responds; False before that."""
    view = job.refresh().view
    pid = next((worker.pid for worker in app.client.workers.all() if worker.id == view.worker), None)
    if view.state != "processing" or pid is None or not _is_ready(app.settings.host, app.settings.port):
        return False
    holdfast = os.path.relpath(Path(sys.executable).with_name("holdfast"))
    print(WORDS.format(holdfast=holdfast, job=job.id, pid=pid), file=sys.stderr, flush=True)
    return True


def _is_ready(host: str, port: int) -> bool:
    if port == 0:  # some free port, which only the server knows
        return True
    try:
        return httpx.get(f"http://{host}:{port}/health/ready").status_code == 200
    except httpx.HTTPError:
        return False
