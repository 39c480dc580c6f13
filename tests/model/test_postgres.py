"""PostgreSQL against the model. HOLDFAST_TEST_EXAMPLES asks for more walks than the usual ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from holdfast.storage.protocol import Store
from holdfast.testing import FakeClock
from tests.model.machine import StoreMachine
from tests.servers.postgres import emptied_store_in, release

USUAL = 40
"""A step takes some milliseconds here; that the walks are wide enough is shown on the embedded store."""
EXAMPLES = int(os.environ.get("HOLDFAST_TEST_EXAMPLES", USUAL))


class PostgresMachine(StoreMachine):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return emptied_store_in(folder, clock)

    def teardown(self) -> None:
        super().teardown()
        release(Path(self.folder.name))


@pytest.mark.slow
@pytest.mark.timeout(300 + 10 * EXAMPLES)
def test_the_store_behaves_like_the_model() -> None:
    walks = settings(
        max_examples=EXAMPLES,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(PostgresMachine, settings=walks)
