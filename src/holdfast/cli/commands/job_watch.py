"""The live view of one job, controlled with single keys; lines of changes when output is not a terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from holdfast.cli.backend.protocol import Backend, ChangeSignal
from holdfast.cli.commands.job_logs import PAGE, line_text
from holdfast.cli.commands.job_wait import OutageTimer, exit_of, interrupted, is_unreachable, poll_job
from holdfast.cli.commands.keys import Keys
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.cli.format.columns import JOB
from holdfast.cli.format.job_text import STYLES, ago, bar_line, duration, printable, progress_text, state_text
from holdfast.cli.format.output import Writer, as_row, say
from holdfast.client.views import JobView, LogView
from holdfast.core.commands import Action
from holdfast.core.errors import HoldfastError, StorageUnavailable
from holdfast.core.states import FINAL_STATES, State

FRAME = 0.25
"""Minimum seconds between two frames."""

LINES = 12
"""Number of log lines shown."""

ACTIONS = {"p": Action.PAUSE, "r": Action.RESUME, "c": Action.CANCEL}


def watch_job(
    backend: Backend, writer: Writer, job_id: str, *, deadline: float | None, exit_status: bool
) -> int:
    """Show a job until it has finished; returns the exit code. Quitting does not affect the job."""
    job = backend.job(job_id)
    try:
        with backend.listen(f"id:{job_id}") as changes:
            if writer.terminal and writer.plain:
                ended = _Screen(backend, writer, changes, deadline).show(job)
            else:
                ended = _lines(backend, writer, changes, job, deadline)
    except KeyboardInterrupt:
        say(interrupted([job_id]))
        return ExitCode.INTERRUPTED
    if ended is None:
        return ExitCode.DONE
    if ended.state not in FINAL_STATES:
        say(f"Timed out: job {job_id} is {ended.state} and continues.")
        return ExitCode.TIMEOUT
    return exit_of([ended]) if exit_status else ExitCode.DONE


# -- not a terminal ---------------------------------------------------------------------------------------


def _lines(
    backend: Backend, writer: Writer, changes: ChangeSignal, job: JobView, deadline: float | None
) -> JobView:
    """Write a line for each change (with --json, only the finished job)."""
    outage = OutageTimer()
    shown: Any = None
    while True:
        snapshot = (job.state, job.reason, job.requested, job.attempt, job.progress)
        if snapshot != shown:
            shown = snapshot
            _write_change(writer, job)
        if job.state in FINAL_STATES or (deadline is not None and time.monotonic() >= deadline):
            if writer.common.json:
                writer.one(job, JOB)
            return job
        begun = time.monotonic()
        changes.wait(_timeout(1.0, deadline))
        time.sleep(max(0.0, min(FRAME, FRAME - (time.monotonic() - begun))))
        job = poll_job(backend, job.id, outage) or job


def _write_change(writer: Writer, job: JobView) -> None:
    if writer.common.json:
        return
    if writer.common.ndjson or writer.common.fields:
        writer.one(job, JOB)
        return
    row = as_row(job)
    progress = progress_text(row["progress"]) if row["progress"] else ""
    note = (
        (job.requested and f"{job.requested} requested")
        or job.reason
        or (job.progress and job.progress.message)
        or ""
    )
    writer.cells((row["changed_at"], job.id, job.state, progress, note))


def _timeout(longest: float, deadline: float | None) -> float:
    return longest if deadline is None else max(0.0, min(longest, deadline - time.monotonic()))


# -- a terminal -------------------------------------------------------------------------------------------


class _Screen:
    """The live view: header, progress bars, last log lines, keys."""

    def __init__(
        self, backend: Backend, writer: Writer, changes: ChangeSignal, deadline: float | None
    ) -> None:
        self._backend = backend
        self._writer = writer
        self._changes = changes
        self._deadline = deadline
        self._lines: deque[LogView] = deque(maxlen=LINES)
        self._after = 0
        self._show_console = True
        self._confirming = False
        self._note = ""
        self._pace: deque[tuple[float, float]] = deque(maxlen=40)
        self._outage = OutageTimer()

    def show(self, job: JobView) -> JobView | None:
        """Show frames until the job has finished or the deadline has passed; None when the user quits."""
        from rich.live import Live

        self._after = max(0, self._backend.logs(job.id, after=-1, limit=1).next_after - 1)
        self._take(self._backend.logs(job.id, after=-LINES, limit=LINES).items)
        with (
            Keys() as keys,
            Live(console=self._writer.console(), auto_refresh=False, transient=False) as live,
        ):
            while True:
                live.update(self._frame(job, keys.there), refresh=True)
                if job.state in FINAL_STATES or (
                    self._deadline is not None and time.monotonic() >= self._deadline
                ):
                    return job
                for key in self._keys_until_next_frame(keys):
                    if not self._press(key, job):
                        self._note = "quit; the job continues"
                        live.update(self._frame(job, False), refresh=True)
                        return None
                job = self._look(job)

    def _keys_until_next_frame(self, keys: Keys) -> Iterator[str]:
        begun = time.monotonic()
        while time.monotonic() - begun < 1.0:
            yield from keys.pressed()
            changed = self._changes.wait(_timeout(FRAME, self._deadline))
            if changed or self._note or self._confirming:
                break
        time.sleep(max(0.0, FRAME - (time.monotonic() - begun)))
        yield from keys.pressed()

    def _look(self, job: JobView) -> JobView:
        try:
            found = poll_job(self._backend, job.id, self._outage)
            if found is not None:
                self._take(self._backend.logs(job.id, after=self._after, limit=PAGE).items)
        except (CliError, StorageUnavailable) as error:
            if not is_unreachable(error):
                raise
            found = None  # the next poll counts the outage
        if found is not None and found.progress is not None and found.state == State.PROCESSING:
            self._pace.append((time.monotonic(), found.progress.done))
        elif found is not None:
            self._pace.clear()
        return found or job

    def _take(self, lines: list[LogView]) -> None:
        if lines:
            self._lines.extend(lines)
            self._after = lines[-1].n

    def _press(self, key: str, job: JobView) -> bool:
        """Handle a key; False means quit."""
        if self._confirming:
            self._confirming = False
            self._note = "not cancelled"
            if key == "y":
                self._act(job, Action.CANCEL)
        elif key == "q":
            return False
        elif key == "l":
            self._show_console = not self._show_console
        elif key == "c":
            self._confirming = True
        elif key in ACTIONS:
            self._act(job, ACTIONS[key])
        return True

    def _act(self, job: JobView, action: Action) -> None:
        try:
            self._backend.act(job.id, action, "from holdfast job watch")
            self._note = f"{action} requested"
        except (HoldfastError, CliError) as error:
            self._note = str(error)

    def _frame(self, job: JobView, keys: bool) -> Any:
        from rich.console import Group
        from rich.text import Text

        now = datetime.now(UTC)
        state = (_state_text(job, now), STYLES.get(job.state, ""))
        head = Text.assemble((printable(job.type), "bold"), f"  {job.id}  ", state)
        head.append(f"  attempt {job.attempt}/{job.max_attempts}  queue {printable(job.queue)}")
        parts: list[Any] = [head]
        for name, progress in bars_of(job):
            main = job.progress is not None and progress["done"] == job.progress.done
            parts.append(
                Text(f"  {bar_line(name, progress, left=self._left(progress['total']) if main else None)}")
            )
        if self._show_console:
            lines = [line_text(line, utc=self._writer.common.utc) for line in self._lines]
            parts += [Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in lines]
        if job.saved_at is not None:
            parts.append(Text(f"  last checkpoint {ago(job.saved_at, now)}", "bright_black"))
        if job.state in FINAL_STATES:
            parts += _ending(job)
        elif self._confirming:
            parts.append(Text("  Cancel this job?  [y]es  any other key: no", "bold"))
        elif keys:
            parts.append(
                Text(f"  [p]ause [r]esume [c]ancel [l]ogs [q]uit   {printable(self._note)}", "bright_black")
            )
        self._note = ""
        return Group(*parts)

    def _left(self, total: float | None) -> float | None:
        """Estimated seconds left, from the pace of about the last ten seconds; None while unknown."""
        if len(self._pace) < 8 or total is None:
            return None
        (since, before), (now, done) = self._pace[0], self._pace[-1]
        if done <= before or now - since < 2:
            return None
        return (total - done) * (now - since) / (done - before)


def bars_of(job: JobView) -> list[tuple[str, dict[str, Any]]]:
    """The bars of a job by name. The main bar has no name; it is omitted when the first named bar equals it."""
    if job.progress is None:
        return []
    whole = as_row(job.progress)
    named = whole.pop("bars")
    bars: list[tuple[str, dict[str, Any]]] = [(bar["name"], bar) for bar in named]
    return bars if bars and all(bars[0][1].get(key) == whole[key] for key in whole) else [("", whole), *bars]


def _state_text(job: JobView, now: datetime) -> str:
    text = state_text(job.state, job.requested)
    since = job.started_at if job.state == State.PROCESSING and job.started_at else job.changed_at
    return text if job.state in FINAL_STATES else f"{text} {duration((now - since).total_seconds())}"


def _ending(job: JobView) -> list[Any]:
    from rich.text import Text

    if job.error is not None and job.state != State.SUCCEEDED:
        return [Text(f"  {printable(job.error.type)}: {printable(job.error.message)}", "red")]
    if job.state == State.SUCCEEDED and job.result is not None:
        return [Text(f"  result {printable(str(as_row(job)['result']))}")]
    return [Text(f"  {printable(job.reason)}")] if job.reason else []
