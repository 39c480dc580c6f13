"""Starts real processes, `web` or `worker`, configured by HOLDFAST_* variables."""

from __future__ import annotations

import sys

from holdfast.hosting.run import run_workers
from holdfast.web.app import create_web_app
from holdfast.web.server import WebServer
from tests.browser.shop import app

PATH = "tests.browser.shop:app"


def main(role: str) -> int:
    if role == "worker":
        return run_workers(app, PATH)
    parts = app.open()
    web = create_web_app(parts.client, app.settings, version="test")
    WebServer(web, app.settings).run()
    app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
