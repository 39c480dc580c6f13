"""Random programs, interrupted at random effects, keep every promise of the place."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import Phase, given, seed, settings

from tests.programs.life import Life
from tests.programs.nodes import Case
from tests.programs.programs import HEALTH, cases
from tests.system.chaos import LIMIT, SEED, size, tell

USUAL = 500
PROGRAMS = int(os.environ.get("HOLDFAST_TEST_PROGRAMS", size(USUAL, 20_000)))


@pytest.mark.slow
@pytest.mark.timeout(max(LIMIT, PROGRAMS))
def test_no_program_skips_repeats_or_mixes_up_what_was_done(no_waiting: None) -> None:
    met: Counter[str] = Counter()

    @seed(SEED if PROGRAMS > USUAL else 0)
    @settings(
        max_examples=PROGRAMS,
        database=None,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=HEALTH,
        phases=[Phase.generate, Phase.shrink],
    )
    @given(cases())
    def one(case: Case) -> None:
        met.update(Life(case).run())

    one()
    tell(f"{PROGRAMS} programs: {', '.join(f'{count} {what}' for what, count in sorted(met.items()))}")
