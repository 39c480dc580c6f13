"""Finds a Chromium without starting it. Standard library only."""

from __future__ import annotations

import os
import shutil

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find() -> str | None:
    """Path of the Chromium to use: HOLDFAST_CHROMIUM, or the first one on PATH."""
    named = os.environ.get("HOLDFAST_CHROMIUM")
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)


def missing() -> str | None:
    """Why browsers cannot be measured, or None when one is found."""
    return None if find() else f"no Chromium on PATH ({', '.join(_NAMES)})"
