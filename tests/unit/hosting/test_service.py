"""How many worker processes are started."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from holdfast.core.settings import Settings
from holdfast.hosting.service import worker_count


def test_the_number_of_the_settings_is_taken() -> None:
    assert worker_count(Settings(workers=3)) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_one_for_each_core_that_this_process_may_use() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from holdfast.core.settings import Settings; from holdfast.hosting.service import worker_count;"
        "print(worker_count(Settings(workers=-1)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "1\n"
