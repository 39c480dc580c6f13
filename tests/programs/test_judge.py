"""The fuzzer finds faults: each of these within a few runs of the suite."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings

from tests.programs.broken import FAULTS
from tests.programs.life import Life
from tests.programs.nodes import Case
from tests.programs.programs import HEALTH, cases
from tests.programs.trace import Wrong

MAX_PROGRAMS = 3_000


@pytest.mark.parametrize("fault", FAULTS)
def test_the_judge_finds_seeded_faults(fault: str, no_waiting: None) -> None:
    make_context, make_port, verdict = FAULTS[fault]

    @settings(
        max_examples=MAX_PROGRAMS,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=HEALTH,
        phases=[Phase.generate],
    )
    @given(cases())
    def one(case: Case) -> None:
        if not found:
            try:
                Life(case, make_context, make_port).run()
            except Wrong as wrong:
                found.append(wrong)
        if found:  # what other threads do need not come again when it is run again
            raise found[0]

    found: list[Wrong] = []
    with pytest.raises(Wrong, match=verdict):
        one()
