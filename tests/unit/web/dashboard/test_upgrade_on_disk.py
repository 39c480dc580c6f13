"""A web server that runs keeps its templates and static files when an upgrade replaces them on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import holdfast

CODE = """
import asyncio, sys
from pathlib import Path
import httpx, holdfast
from holdfast import Holdfast
from holdfast.cli.web_process import web_app
from holdfast.web.dashboard.assets import asset_build

async def main():
    app = Holdfast(data_dir=sys.argv[1])
    web = web_app(app)
    place = Path(holdfast.__file__).parent / "web" / "dashboard"
    for path in [*place.rglob("*.html"), *(one for one in place.rglob("static/*/*") if one.is_file())]:
        path.write_text("OF THE NEW VERSION")
    transport = httpx.ASGITransport(web)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers={"accept": "text/html"}) as http:
        for path in ("/", "/jobs", "/nothing", f"/static/{asset_build()}/css/base.css", "/static/css/base.css"):
            answer = await http.get(path)
            print(answer.status_code, "OF THE NEW VERSION" in answer.text)
    app.close()

asyncio.run(main())
"""


def test_new_files_on_disk_are_not_mixed_into_a_running_server(tmp_path: Path) -> None:
    shutil.copytree(Path(holdfast.__file__).parent, tmp_path / "site" / "holdfast")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["200 False", "200 False", "404 False", "200 False", "200 False"], (
        done.stderr
    )
