"""A virtual environment for each rival, made when it is first needed, so that no rival is a
dependency."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
_ENVIRONMENTS = ROOT / ".envs"
_INSTALL_SECONDS = 300


class EnvironmentUnavailable(Exception):
    """The rival could not be installed; the text says why. The run continues without it and names it as
    skipped."""


@dataclass(frozen=True)
class Environment:
    """One isolated set of packages, pinned to the versions the figures speak of; `oldest` is the first Python that they run
    on, where ours may be older."""

    name: str
    requirements: tuple[str, ...]
    oldest: tuple[int, int] = (3, 11)

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
        place = str(_ENVIRONMENTS / self.name)
        make = [_interpreter(self.oldest), "-m", "venv", "--clear", place]
        install = [str(self.python), "-m", "pip", "install", "--quiet", *self.requirements]
        try:
            for command in (make, install):
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
        except subprocess.CalledProcessError as error:
            raise EnvironmentUnavailable(
                f"pip failed: {(error.stderr or '').strip().splitlines()[-1:]}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise EnvironmentUnavailable(f"pip took longer than {_INSTALL_SECONDS} s") from error
        done.write_text(wanted)


def _interpreter(oldest: tuple[int, int]) -> str:
    """This Python, or the first younger one that is found: on PATH, or among those of pyenv."""
    if sys.version_info[:2] >= oldest:
        return sys.executable
    for minor in range(oldest[1], oldest[1] + 5):
        version = f"3.{minor}"
        named = shutil.which(f"python{version}")
        others = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        for candidate in ([named] if named else []) + [str(path) for path in others]:
            if _runs(candidate, version):
                return candidate
    raise EnvironmentUnavailable(f"it needs Python {oldest[0]}.{oldest[1]} or younger, and none was found")


def _runs(candidate: str, version: str) -> bool:
    """Whether it is that version: a name on PATH may be a version manager's stand-in that refuses to run."""
    asked = [candidate, "-c", "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=30)
    return answer.returncode == 0 and answer.stdout.strip() == version


HUEY = Environment("huey", ("huey==3.5.4",))
CELERY = Environment("celery", ("celery[redis]==5.7.0",))
PGQUEUER = Environment("pgqueuer", ("pgqueuer==1.6.0", "asyncpg==0.32.0", "uvloop==0.23.0"))
OBAN = Environment("oban", ("oban==0.7.0", "psycopg[binary]==3.3.9", "uvloop==0.23.0"), oldest=(3, 12))
PROCRASTINATE = Environment(
    "procrastinate", ("procrastinate==3.10.0", "psycopg[binary]==3.3.9", "uvloop==0.23.0")
)
