"""Waits for jobs, through outages of the server or store, and returns their result as exit code."""

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
from holdfast.core.states import FINAL_STATES, State

POLL_INTERVAL = 1.0
"""Maximum seconds between two queries; a change signal ends the wait sooner."""

OUTAGE_TIMEOUT = 300.0
"""Seconds for which requests to an unavailable server or store are repeated."""

RETRY_AFTER = 1.0


class OutageTimer:
    """Times an outage of the server or store, for example a restart, and reports its start and end."""

    def __init__(self) -> None:
        self._since: float | None = None

    def failed(self, error: Exception) -> None:
        """Wait before the next request; raises the error when the outage lasts too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            say(f"{error} Retrying for {OUTAGE_TIMEOUT / 60:g} minutes.")
        if now - self._since > OUTAGE_TIMEOUT:
            raise error
        time.sleep(RETRY_AFTER)

    def succeeded(self) -> None:
        """End the outage."""
        if self._since is not None:
            say("Connection restored.")
        self._since = None


def is_unreachable(error: Exception) -> bool:
    """Whether an error means that the server or store is unavailable, so that a retry may succeed."""
    unreachable = isinstance(error, CliError) and error.exit_code is ExitCode.UNREACHABLE
    return unreachable or isinstance(error, StorageUnavailable)


def poll_job(backend: Backend, job_id: str, outage: OutageTimer) -> JobView | None:
    """The job as it is now; None during an outage."""
    try:
        job = backend.job(job_id)
    except (CliError, StorageUnavailable) as error:
        if not is_unreachable(error):
            raise
        outage.failed(error)
        return None
    outage.succeeded()
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
    """Wait until all jobs (or one of them) have finished, write them, and return the exit code."""
    # reports a job that does not exist before waiting
    jobs = {job_id: backend.job(job_id) for job_id in ids}
    outage = OutageTimer()
    try:
        with backend.listen(_query_of(ids)) as changes:
            while not _enough(jobs, any_one):
                if deadline is not None and time.monotonic() >= deadline:
                    return _timed_out(jobs)
                changes.wait(
                    POLL_INTERVAL if deadline is None else min(POLL_INTERVAL, deadline - time.monotonic())
                )
                for job_id, job in jobs.items():
                    if job.state not in FINAL_STATES:
                        jobs[job_id] = poll_job(backend, job_id, outage) or job
    except KeyboardInterrupt:
        say(interrupted(ids))
        return ExitCode.INTERRUPTED
    found = list(jobs.values())
    if len(found) == 1:
        writer.one(found[0], JOB)
    else:
        writer.many(found, JOBS)
    return exit_of([job for job in found if job.state in FINAL_STATES]) if exit_status else ExitCode.DONE


def exit_of(ended: Sequence[JobView]) -> ExitCode:
    """The exit code for finished jobs: a failure takes precedence over a cancellation."""
    states = {job.state for job in ended}
    if State.FAILED in states:
        return ExitCode.FAILED
    return ExitCode.CANCELLED if State.CANCELLED in states else ExitCode.DONE


def deadline_of(timeout: str | None) -> float | None:
    """The end of a timeout on the monotonic clock; None without a timeout."""
    if timeout is None:
        return None
    try:
        return time.monotonic() + seconds(timeout)
    except ValueError as error:
        raise CliError(str(error)) from None


def interrupted(ids: Sequence[str]) -> str:
    """The message after Ctrl-C."""
    subject, pronoun = ("The job continues", "it") if len(ids) == 1 else ("The jobs continue", "them")
    return f"{subject}. Cancel {pronoun}: holdfast job cancel {' '.join(ids)}"


def _query_of(ids: Sequence[str]) -> str:
    return f"id:{','.join(ids)}"


def _enough(jobs: dict[str, JobView], any_one: bool) -> bool:
    ended = (job.state in FINAL_STATES for job in jobs.values())
    return any(ended) if any_one else all(ended)


def _timed_out(jobs: dict[str, JobView]) -> int:
    for job in jobs.values():
        if job.state not in FINAL_STATES:
            say(f"Timed out: job {job.id} is {job.state} and continues.")
    return ExitCode.TIMEOUT
