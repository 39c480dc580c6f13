"""This exists so that a script can wait for jobs and learn from the exit code how they ended."""

from __future__ import annotations

import time
from collections.abc import Sequence

from holdfast.cli.answers import JOB, JOBS
from holdfast.cli.desk import Desk
from holdfast.cli.exits import Exit, Trouble
from holdfast.cli.output import Writer, say
from holdfast.client.views import JobView
from holdfast.core.duration import seconds
from holdfast.core.errors import StorageUnavailable
from holdfast.core.states import FINAL_STATES, State

LOOK_AGAIN = 1.0
"""Longest time in seconds between two looks; the bell rings sooner."""

PATIENCE = 300.0
"""Seconds for which a server or store that does not answer is asked again."""

RETRY_AFTER = 1.0


class Patience:
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


def lasting(error: Exception) -> bool:
    """Whether an error says that nobody answers, so that asking again may help."""
    unreachable = isinstance(error, Trouble) and error.exit is Exit.UNREACHABLE
    return unreachable or isinstance(error, StorageUnavailable)


def look(desk: Desk, job_id: str, patience: Patience) -> JobView | None:
    """The job as it is now; None when nobody answers just now."""
    try:
        job = desk.job(job_id)
    except (Trouble, StorageUnavailable) as error:
        if not lasting(error):
            raise
        patience.failed(error)
        return None
    patience.answered()
    return job


def wait_for(
    desk: Desk,
    writer: Writer,
    ids: Sequence[str],
    *,
    deadline: float | None = None,
    any_one: bool = False,
    exit_status: bool = True,
) -> int:
    """Wait until all of the jobs (or any one) have ended, write them, and answer the exit code."""
    # a job that does not exist is told before anything is waited for
    jobs = {job_id: desk.job(job_id) for job_id in ids}
    patience = Patience()
    try:
        with desk.listen(_all_of(ids)) as bell:
            while not _enough(jobs, any_one):
                if deadline is not None and time.monotonic() >= deadline:
                    return _too_late(jobs)
                bell.wait(LOOK_AGAIN if deadline is None else min(LOOK_AGAIN, deadline - time.monotonic()))
                for job_id, job in jobs.items():
                    if job.state not in FINAL_STATES:
                        jobs[job_id] = look(desk, job_id, patience) or job
    except KeyboardInterrupt:
        say(interrupted(ids))
        return Exit.INTERRUPTED
    found = list(jobs.values())
    if len(found) == 1:
        writer.one(found[0], JOB)
    else:
        writer.many(found, JOBS)
    return exit_of([job for job in found if job.state in FINAL_STATES]) if exit_status else Exit.DONE


def exit_of(ended: Sequence[JobView]) -> Exit:
    """The exit code for jobs that have ended: one that failed weighs more than one that was cancelled."""
    states = {job.state for job in ended}
    if State.FAILED in states:
        return Exit.FAILED
    return Exit.CANCELLED if State.CANCELLED in states else Exit.DONE


def deadline_of(timeout: str | None) -> float | None:
    """The moment, on the monotonic clock, at which a time to wait is over."""
    if timeout is None:
        return None
    try:
        return time.monotonic() + seconds(timeout)
    except ValueError as error:
        raise Trouble(str(error)) from None


def interrupted(ids: Sequence[str]) -> str:
    """What a person should know who has pressed Ctrl-C."""
    who, whom = ("The job goes", "it") if len(ids) == 1 else ("The jobs go", "them")
    return f"{who} on. To stop {whom}: holdfast job cancel {' '.join(ids)}"


def _all_of(ids: Sequence[str]) -> str:
    return f"id:{','.join(ids)}"


def _enough(jobs: dict[str, JobView], any_one: bool) -> bool:
    ended = (job.state in FINAL_STATES for job in jobs.values())
    return any(ended) if any_one else all(ended)


def _too_late(jobs: dict[str, JobView]) -> int:
    for job in jobs.values():
        if job.state not in FINAL_STATES:
            say(f"Job {job.id} is {job.state}; it has not ended in time and goes on.")
    return Exit.TIMEOUT
