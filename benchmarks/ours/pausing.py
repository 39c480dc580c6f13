"""Our part of the pause scenario: two browsers, one presses, the other one watches."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from playwright.sync_api import Page, Playwright, sync_playwright

from benchmarks import browser
from benchmarks.app import stand
from benchmarks.child import Measurement, Setup
from benchmarks.ours.programs import web
from benchmarks.summary import percentile
from holdfast import JobHandle

_SECONDS = 20.0
_ACTIONS = "#job-actions"

# Both clocks are the machine's wall clock, in milliseconds with fractions; the shown time is taken in the
# frame after the
# change, when it is on the screen.
_TELL_PRESS = """
document.addEventListener("pointerdown", () => tell(performance.timeOrigin + performance.now()), {capture:
true});
"""
_TELL_PAUSED = """
(() => {
  let before = null;
  const look = () => {
    const state = document.querySelector("#job-actions")?.dataset.state ?? null;
    if (state === "paused" && before !== "paused")
      requestAnimationFrame(() => tell(performance.timeOrigin + performance.now()));
    before = state;
  };
  new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true});
})();
"""


def press_to_shown(setup: Setup) -> Measurement:
    """Milliseconds from the press of "Pause job" in one browser to the paused job on the screen of another,
    `size` tries.

    The job is running each time and reaches a point where it can pause every millisecond; the two browsers
    are separate processes with separate profiles, both on the page of that job.
    """
    with web(setup.directory, command="up") as client, sync_playwright() as playwright:
        handle = stand.enqueue(seconds=3600)
        address = str(client.base_url.join(f"/jobs/{handle.id}"))
        with (
            _page(playwright, address, _TELL_PRESS) as one,
            _page(playwright, address, _TELL_PAUSED) as other,
        ):
            times = [_press(handle, one, other) for _ in range(setup.size)]
        handle.cancel()
    return {f"p{percent}_ms": percentile(times, percent) for percent in (50, 95)} | {"max_ms": max(times)}


class PageTimes:
    """A page and the times that its script has reported."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.times: list[float] = []

    def report(self, milliseconds: float) -> None:
        """Called by the script in the page."""
        self.times.append(milliseconds)

    def wait(self, count: int) -> float:
        """The `count`-th time reported; TimeoutError when it does not come."""
        deadline = time.monotonic() + _SECONDS
        while len(self.times) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.page.url} reported no time within {_SECONDS} s")
            self.page.wait_for_timeout(5)  # lets the browser's messages in
        return self.times[count - 1]


@contextmanager
def _page(playwright: Playwright, address: str, script: str) -> Generator[PageTimes]:
    with ExitStack() as stack:
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.FLAGS)
        stack.callback(chromium.close)
        page = chromium.new_page()
        times = PageTimes(page)
        page.expose_function("tell", times.report)  # pyright: ignore[reportUnknownMemberType]
        page.add_init_script(script)
        page.goto(address)
        yield times


def _press(handle: JobHandle, presser: PageTimes, watcher: PageTimes) -> float:
    for times in (presser, watcher):
        times.page.locator(f'{_ACTIONS}[data-state="processing"]').wait_for(timeout=_SECONDS * 1000)
    before = len(presser.times), len(watcher.times)
    presser.page.locator(f'{_ACTIONS} button[data-key="pause"]').click()
    milliseconds = watcher.wait(before[1] + 1) - presser.wait(before[0] + 1)
    handle.resume()
    return milliseconds
