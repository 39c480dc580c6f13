"""`/health/ready` says whether work can be taken: a store that can only be read is not ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from holdfast.web.api import system
from tests.unit.web.support import Lab


@contextmanager
def read_only(lab: Lab) -> Iterator[None]:
    """Nothing can be written by the connection that writes, as on a file system that was mounted read-only."""
    store = lab.parts.store
    store._writer.db.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]
    try:
        yield
    finally:
        store._writer.db.execute("PRAGMA query_only=OFF")  # type: ignore[attr-defined]


def test_a_store_that_takes_no_writes_is_not_ready(
    lab: Lab, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "READY_SECONDS", 0.0)
    assert http.get("/health/ready").status_code == 200
    with read_only(lab):
        refused = http.get("/health/ready")
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
        assert "may not be written" in refused.json()["detail"]
        assert http.get("/health/live").status_code == 200
    assert http.get("/health/ready").status_code == 200


def test_asked_without_end_it_writes_now_and_then(
    lab: Lab, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "READY_SECONDS", 3600.0)
    http.get("/health/ready")
    http.get("/health/ready")
    before = http.get("/api/v1/stats").json()
    with read_only(lab):
        assert http.get("/health/ready").status_code == 200
    assert http.get("/api/v1/stats").json()["states"] == before["states"]
