"""What all program tests need."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held by time is held at once: the programs are short."""
    monkeypatch.setattr("holdfast.context.checkpointing.HOLD_INTERVAL", 0.0)
    monkeypatch.setattr("holdfast.context.checkpointing.STATE_COST", 0)
