"""This exists so that a script can wait for jobs and learn from the exit code how they ended."""

from __future__ import annotations

import time
from collections.abc import Sequence

from holdfast.cli.backend.protocol import Backend
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.cli.format.columns import JOB, JOBS
from holdfast.cli.format.output import Writer, say
from holdfast.client.views import JobView
from holdfast.core.duration import seconds
from holdfast.core.errors import StorageUnavailable
from holdfast.core.states import FINAL, State

POLL_INTERVAL = 1.0
"""Longest time in seconds between two looks; the changes rings sooner."""

PATIENCE = 300.0
"""Seconds for which a server or store that does not answer is asked again."""

RETRY_AFTER = 1.0


class OutageTimer:
    """Goes on asking while the server is restarted, and says so, once."""

    def __init__(self) -> None:
        self._since: float | None = None

    def failed(self, error: Exception) -> None:
        """Wait a moment after an error; raises it when it has lasted too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            say(f"{error} Asking again for {PATIENCE / 60:g} minutes.")
        if now - self._since > PATIENCE:
            raise error
        time.sleep(RETRY_AFTER)

    def answered(self) -> None:
        """It answers again."""
        if self._since is not None:
            say("It answers again.")
        self._since = None


def is_unreachable(error: Exception) -> bool:
    """Whether an error says that nobody answers, so that asking again may help."""
    unreachable = isinstance(error, CliError) and error.exit_code is ExitCode.UNREACHABLE
    return unreachable or isinstance(error, StorageUnavailable)


def look(backend: Backend, job_id: str, outage: OutageTimer) -> JobView | None:
    """The job as it is now; None when nobody answers just now."""
    try:
        job = backend.job(job_id)
    except (CliError, StorageUnavailable) as error:
        if not is_unreachable(error):
            raise
        outage.failed(error)
        return None
    outage.answered()
    return job


def wait_for(
    backend: Backend,
    writer: Writer,
    ids: Sequence[str],
    *,
    deadline: float | None = None,
    any_one: bool = False,
    exit_status: bool = True,
) -> int:
    """Wait until all of the jobs (or any one) have ended, write them, and answer the exit code."""
    # a job that does not exist is told before anything is waited for
    jobs = {job_id: backend.job(job_id) for job_id in ids}
    outage = OutageTimer()
    try:
        with backend.listen(_all_of(ids)) as changes:
            while not _enough(jobs, any_one):
                if deadline is not None and time.monotonic() >= deadline:
                    return _too_late(jobs)
                changes.wait(
                    POLL_INTERVAL if deadline is None else min(POLL_INTERVAL, deadline - time.monotonic())
                )
                for job_id, job in jobs.items():
                    if job.state not in FINAL:
                        jobs[job_id] = look(backend, job_id, outage) or job
    except KeyboardInterrupt:
        say(interrupted(ids))
        return ExitCode.INTERRUPTED
    found = list(jobs.values())
    if len(found) == 1:
        writer.one(found[0], JOB)
    else:
        writer.many(found, JOBS)
    return exit_of([job for job in found if job.state in FINAL]) if exit_status else ExitCode.DONE


def exit_of(ended: Sequence[JobView]) -> ExitCode:
    """The exit code for jobs that have ended: one that failed weighs more than one that was cancelled."""
    states = {job.state for job in ended}
    if State.FAILED in states:
        return ExitCode.FAILED
    return ExitCode.CANCELLED if State.CANCELLED in states else ExitCode.DONE


def deadline_of(timeout: str | None) -> float | None:
    """The moment, on the monotonic clock, at which a time to wait is over."""
    if timeout is None:
        return None
    try:
        return time.monotonic() + seconds(timeout)
    except ValueError as error:
        raise CliError(str(error)) from None


def interrupted(ids: Sequence[str]) -> str:
    """What a person should know who has pressed Ctrl-C."""
    who, whom = ("The job goes", "it") if len(ids) == 1 else ("The jobs go", "them")
    return f"{who} on. To stop {whom}: holdfast job cancel {' '.join(ids)}"


def _all_of(ids: Sequence[str]) -> str:
    return f"id:{','.join(ids)}"


def _enough(jobs: dict[str, JobView], any_one: bool) -> bool:
    ended = (job.state in FINAL for job in jobs.values())
    return any(ended) if any_one else all(ended)


def _too_late(jobs: dict[str, JobView]) -> int:
    for job in jobs.values():
        if job.state not in FINAL:
            say(f"Job {job.id} is {job.state}; it has not ended in time and goes on.")
    return ExitCode.TIMEOUT
