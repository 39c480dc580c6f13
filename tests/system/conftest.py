"""Fixtures of the system tests: real processes on a store of their own, which are gone at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.system.fleet import Fleet


@pytest.fixture
def make_fleet(tmp_path: Path) -> Generator[Callable[..., Fleet]]:
    """Makes a fleet with these settings, and ends its processes after the test."""
    fleets: list[Fleet] = []

    def make(**settings: object) -> Fleet:
        folder = tmp_path / f"fleet-{len(fleets) + 1}"
        folder.mkdir()
        fleets.append(Fleet(folder, **settings))  # pyright: ignore[reportArgumentType]
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.destroy()
        fleet.app.close()
        for supervisor in fleet.supervisors:  # shown by pytest when the test has failed
            sys.stdout.write(f"--- {supervisor.log}\n{supervisor.words()[-5000:]}\n")
