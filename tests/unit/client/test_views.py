"""A view says what the stored row says: times in UTC, JSON as values, nothing where nothing is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from holdfast import Holdfast
from holdfast.client.views import JobView
from holdfast.core.outcome import ErrorInfo
from holdfast.core.states import Verb
from tests.unit.client.hand import Hand


@pytest.fixture
def app(app: Holdfast) -> Holdfast:
    @app.job()
    def work(x: Any = None) -> None: ...

    return app


def test_a_new_job(app: Holdfast) -> None:
    view = app.enqueue("work", {"x": {"ü": [1, None]}}, tags=["b", "a"], owner="ann", unique="u").view
    assert view.args == {"x": {"ü": [1, None]}}
    assert (view.tags, view.owner, view.unique_key) == (["b", "a"], "ann", "u")
    assert (view.attempt, view.claims, view.crashes, view.max_attempts) == (0, 0, 0, 11)
    assert (view.started_at, view.finished_at, view.expires_at, view.worker) == (None, None, None, None)
    assert (view.result, view.error, view.progress, view.has_saved_state) == (None, None, None, False)
    assert view.created_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - view.created_at) < timedelta(minutes=1)


def test_the_last_failure(app: Holdfast) -> None:
    handle, hand = app.enqueue("work"), Hand(app)
    hand.end(hand.start(), Verb.FAIL, error=ErrorInfo("KeyError", "", None))
    view = handle.refresh().view
    assert view.error is not None
    assert (view.error.type, view.error.message, view.error.traceback) == ("KeyError", "", None)
    assert view.attempt == 1
    assert view.started_at is not None
    assert view.finished_at is not None
    assert view.created_at <= view.started_at <= view.finished_at


@pytest.mark.parametrize("result", [0, False, "", [], {"a": None}])
def test_an_empty_result_is_a_result(app: Holdfast, result: Any) -> None:
    handle, hand = app.enqueue("work"), Hand(app)
    hand.end(hand.start(), result=json.dumps(result))
    assert handle.wait(10).result == result
    assert handle.result is not None


def test_what_is_shown_is_valid_and_cannot_be_changed(app: Holdfast) -> None:
    view = app.enqueue("work", {"x": 1}, delay="1h", tags=["a"]).view
    assert JobView.model_validate_json(view.model_dump_json()) == view
    assert json.loads(view.model_dump_json())["created_at"].endswith("Z")
    with pytest.raises(ValidationError):
        view.state = "succeeded"  # type: ignore[misc]  # the point
