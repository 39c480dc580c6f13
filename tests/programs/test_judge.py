"""The fuzzer finds faults: with each of these the programs of one run of the suite are enough."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings

from tests.programs.broken import FAULTS
from tests.programs.life import Life
from tests.programs.nodes import Case
from tests.programs.programs import HEALTH, cases
from tests.programs.trace import Wrong

USUAL = 500


@pytest.mark.parametrize("fault", FAULTS)
def test_the_judge_finds_seeded_faults(fault: str, no_waiting: None) -> None:
    make_context, make_port, verdict = FAULTS[fault]

    @settings(
        max_examples=USUAL,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=HEALTH,
        phases=[Phase.generate],
    )
    @given(cases())
    def one(case: Case) -> None:
        Life(case, make_context, make_port).run()

    with pytest.raises(Wrong, match=verdict):
        one()
