"""Pages and time zones work on a machine without time zone files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from fastapi.testclient import TestClient
from holdfast import Holdfast
from holdfast.cli.web_process import web_app
from holdfast.web.dashboard.viewer_prefs import known_zone
app = Holdfast(data_dir=sys.argv[1])
with TestClient(web_app(app), base_url="http://localhost") as browser:
    for zone in ("", "UTC", "Europe/Berlin"):
        page = browser.get("/", headers={"accept": "text/html", "cookie": f"holdfast_zone={zone}"})
        print(page.status_code)
app.close()
print(known_zone("Europe/Berlin"))
"""


def test_a_page_needs_no_time_zone_files_of_the_machine(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONTZPATH": str(tmp_path / "none"), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["200", "200", "200", "True"], done.stdout + done.stderr
