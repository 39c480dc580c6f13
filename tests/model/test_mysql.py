"""The store on MariaDB or MySQL against the model. HOLDFAST_TEST_EXAMPLES asks for more walks than the usual ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from holdfast.storage.mysql import claim as claiming
from holdfast.storage.protocol import Store
from holdfast.testing import FakeClock
from tests.model.machine import StoreMachine
from tests.servers.mysql import DATABASES

USUAL = 20
"""A step takes some milliseconds here; that the walks are wide enough is shown on the embedded store."""
EXAMPLES = int(os.environ.get("HOLDFAST_TEST_EXAMPLES", USUAL))


class MysqlMachine(StoreMachine):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        DATABASES.begin()
        return DATABASES.store(folder, clock)


@pytest.mark.slow
@pytest.mark.timeout(300 + 10 * EXAMPLES)
def test_the_store_behaves_like_the_model() -> None:
    walks = settings(
        max_examples=EXAMPLES,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            claiming, "SLOW", float("inf")
        )  # the model keeps the order also on a machine that is busy
        run_state_machine_as_test(MysqlMachine, settings=walks)
