"""A virtual environment for each rival, made when it is first needed; exists so that no rival is a
dependency."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
_ENVIRONMENTS = ROOT / ".envs"
_INSTALL_SECONDS = 300


class EnvironmentUnavailable(Exception):
    """The rival could not be installed; the text says why. The run goes on without it and names it as
    skipped."""


@dataclass(frozen=True)
class Environment:
    """One isolated set of packages, pinned to the versions the figures speak of."""

    name: str
    requirements: tuple[str, ...]

    @property
    def python(self) -> Path:
        """The interpreter of this environment, whether it exists yet or not."""
        return _ENVIRONMENTS / self.name / "bin" / "python"

    def ensure(self) -> None:
        """Create and fill the environment unless a finished one is there. Raises EnvironmentUnavailable."""
        done = _ENVIRONMENTS / self.name / "requirements.done"
        wanted = "\n".join(self.requirements)
        if done.exists() and done.read_text() == wanted:
            return
        print(f"creating the environment of {self.name}: {', '.join(self.requirements)}", file=sys.stderr)
        venv.create(_ENVIRONMENTS / self.name, with_pip=True, clear=True)
        command = [str(self.python), "-m", "pip", "install", "--quiet", *self.requirements]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
        except subprocess.CalledProcessError as error:
            raise EnvironmentUnavailable(
                f"pip failed: {(error.stderr or '').strip().splitlines()[-1:]}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise EnvironmentUnavailable(f"pip took longer than {_INSTALL_SECONDS} s") from error
        done.write_text(wanted)


HUEY = Environment("huey", ("huey==3.5.4",))
CELERY = Environment("celery", ("celery[redis]==5.7.0",))
