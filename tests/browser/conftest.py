"""One real server, one real worker and one Chromium for all browser tests; any complaint of the console fails a test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from holdfast import Holdfast
from tests.servers.programs import free_port

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
TIMEOUT = 15.0


def until(fact: Callable[[], Any], what: str, seconds: float = TIMEOUT) -> Any:
    """Wait for a fact."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = fact()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


@dataclass
class Site:
    """A server with its database, and workers when asked for."""

    folder: Path
    port: int = field(default_factory=free_port)
    prefix: str = ""
    web: subprocess.Popen[bytes] | None = None
    worker: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'jobs.db'}"

    def app(self) -> Holdfast:
        """An app of the test's own on the same database."""
        from tests.browser import shop

        app = Holdfast(database_url=self.database, data_dir=str(self.folder))
        for kind in shop.app.registry:
            app.registry.add(kind)
        return app

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        env = {
            **os.environ,
            "HOLDFAST_DATABASE_URL": self.database,
            "HOLDFAST_DATA_DIR": str(self.folder),
            "HOLDFAST_PORT": str(self.port),
            "HOLDFAST_ROOT_PATH": self.prefix,
            "HOLDFAST_ENVIRONMENT": "test",
            "HOLDFAST_ENVIRONMENT_COLOR": "amber",
        }
        command = [sys.executable, "-m", "tests.browser.processes", role]
        with (self.folder / f"{role}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)

    def start_web(self) -> None:
        self.web = self._start("web")
        until(self.answers, f"the server answers: {self.log('web')}")

    def start_worker(self) -> None:
        self.worker = self._start("worker")

    def log(self, role: str) -> str:
        path = self.folder / f"{role}.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def answers(self) -> bool:
        if self.web is not None and self.web.poll() is not None:
            raise AssertionError(f"the server ended: {self.log('web')}")
        try:
            with urllib.request.urlopen(f"{self.url}/health/live", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill_web(self) -> None:
        assert self.web is not None
        self.web.send_signal(signal.SIGKILL)
        self.web.wait(10)
        self.web = None

    def close(self) -> None:
        for process in (self.worker, self.web):
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    site.start_web()
    site.start_worker()
    yield site
    site.close()


@pytest.fixture(scope="session")
def shop(site: Site) -> Iterator[Holdfast]:
    """The app of the test's own, for putting jobs in."""
    app = site.app()
    app.open()
    yield app
    app.close()


# For one module each: the synchronous API runs an event loop in the main thread as long as it is open, and the tests of
# other rooms in the same process need that thread for loops of their own.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=15_000)  # the machine may be slow; a fact that is there is seen at once
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    names = (os.environ.get("HOLDFAST_TEST_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
    yield browser
    browser.close()


@dataclass
class Watch:
    """Opens pages and keeps every complaint of theirs. `allowed`: parts of complaints that a test brings about itself."""

    browser: Browser
    complaints: list[str] = field(default_factory=list[str])
    allowed: list[str] = field(default_factory=list[str])
    contexts: list[BrowserContext] = field(default_factory=list[BrowserContext])

    def context(self, **options: Any) -> BrowserContext:
        made = self.browser.new_context(
            **{"viewport": {"width": 1440, "height": 900}, "timezone_id": "Europe/Berlin", **options}
        )
        made.set_default_timeout(TIMEOUT * 1000)
        made.on("console", self._heard)
        made.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        made.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.contexts.append(made)
        return made

    def page(self, **options: Any) -> Page:
        return self.context(**options).new_page()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    def left(self) -> list[str]:
        return [one for one in self.complaints if not any(part in one for part in self.allowed)]


@pytest.fixture
def watch(browser: Browser) -> Iterator[Watch]:
    watch = Watch(browser)
    yield watch
    watch.close()
    assert watch.left() == []


def live(page: Page) -> None:
    """Wait until the stream of a page is open."""
    page.wait_for_selector("#live[data-live=on]")
