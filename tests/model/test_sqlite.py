"""The embedded store against the model. HOLDFAST_TEST_EXAMPLES asks for more walks than the usual ones."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from holdfast.core.commands import Action
from holdfast.storage.protocol import Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing import FakeClock
from holdfast.testing.driver import REACHABLE
from tests.model.machine import StoreMachine
from tests.model.model import TARGET

USUAL = 400
EXAMPLES = int(os.environ.get("HOLDFAST_TEST_EXAMPLES", USUAL))


class SqliteMachine(StoreMachine):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return SqliteStore(folder / "holdfast.db", durability="normal", clock=clock, lease_clock=clock)


@pytest.mark.slow
@pytest.mark.timeout(max(120, EXAMPLES))
def test_the_store_behaves_like_the_model() -> None:
    SqliteMachine.visited.clear()
    walks = settings(
        max_examples=EXAMPLES,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(SqliteMachine, settings=walks)
    events = [*Action, *TARGET, "report", "promote", "sweep", "expire"]
    pairs = {(state.value, str(event)) for state, event in product(REACHABLE, events)}
    missed = pairs - SqliteMachine.visited.keys()
    assert EXAMPLES < USUAL or len(missed) <= len(pairs) // 10, (
        f"walks too narrow: {sorted(missed)} never met"
    )
