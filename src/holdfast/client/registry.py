"""The job types of this program by name; two of the same name are refused."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from holdfast.client.task import JobType


class Registry:
    """The job types whose code this program contains."""

    def __init__(self) -> None:
        self._types: dict[str, JobType] = {}

    def add(self, job_type: JobType) -> None:
        """Register a type. Raises ValueError when another function has the name."""
        known = self._types.get(job_type.name)
        if known is not None and known.source.__qualname__ != job_type.source.__qualname__:
            raise ValueError(
                f"the job name {job_type.name!r} is taken by {known.source.__module__}.{known.source.__qualname__}; "
                "give one of them another with @app.job(name=…)"
            )
        self._types[job_type.name] = job_type

    def get(self, name: str) -> JobType | None:
        """The type of this name, None when this program does not contain it."""
        return self._types.get(name)

    def matching(self, globs: Iterable[str]) -> dict[str, JobType]:
        """The types whose name matches one of the globs; all of them for none."""
        patterns = tuple(globs)
        return {
            n: t
            for n, t in self._types.items()
            if not patterns or any(fnmatch.fnmatchcase(n, p) for p in patterns)
        }

    def __iter__(self) -> Iterator[JobType]:
        return iter(self._types.values())

    def __len__(self) -> int:
        return len(self._types)
