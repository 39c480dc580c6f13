"""`make … PYTHON=` is honoured or refused, also where an environment exists already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.guards.tree import ROOT


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_python_that_is_none_is_refused_by_name() -> None:
    done = run("make", "dev", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "PYTHON=no-such-python is not a Python 3.11 or later" in done.stderr


def test_an_environment_of_another_python_is_made_anew(tmp_path: Path) -> None:
    """Up to the moment when packages are installed: the lock is one that cannot be."""
    broken = tmp_path / "lock.txt"
    broken.write_text("nothing==1 --hash=sha256:0\n")
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    other = venv / "bin" / "python"
    other.write_text(
        f'#!/bin/sh\ncase "$2" in *sys.version,*) echo another;; *) exec {sys.executable} "$@";; esac\n'
    )
    other.chmod(0o755)
    kept = run("scripts/setup-env", str(venv), str(broken))
    assert "Making" not in kept.stderr
    done = run("scripts/setup-env", str(venv), str(broken), sys.executable)
    assert f"Making {venv} with Python" in done.stderr
