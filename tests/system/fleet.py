"""A real fleet on a store of its own, of which a test can kill any process; it leaves none behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from holdfast.app import Parts
from holdfast.client.handle import JobHandle
from holdfast.core.records import HistoryRecord, JobRecord, WorkerRecord
from holdfast.core.states import FINAL_STATES
from holdfast.storage.writes import Heartbeat, Rescue
from tests.system import commands
from tests.system.commands import HOLDFAST, ROOT
from tests.system.jobs.app import make_app

T = TypeVar("T")

APP = "tests.system.jobs.app:app"
FOLDER = "HOLDFAST_TEST_FOLDER"
"""Where jobs leave their effects and find their barriers; also the mark by which the processes of a fleet are known."""

TIMEOUT = 30.0
"""Seconds that a fact may take on a busy machine. A test that passes never waits so long."""

NEVER_LOST = 60
"""Seconds of lease that no living process of a test fails to renew, however busy the machine is. Where a lease has to end,
`Fleet.lose` and `Fleet.expire` end it."""


class NotInTime(AssertionError):
    """A fact did not become true."""


def until(fact: Callable[[], T], what: str, *, within: float = TIMEOUT, every: float = 0.02) -> T:
    """Look again and again until `fact` returns something true, and return that. Looking takes a quarter of a core at
    most: it must not slow down what it waits for."""
    began = looked = time.monotonic()
    while not (value := fact()):
        now = time.monotonic()
        if now > began + within:
            raise NotInTime(f"not within {within:g} s: {what}; last look: {value!r}")
        time.sleep(max(every, 3 * (now - looked)))
        looked = time.monotonic()
    return value


class Supervisor:
    """One `holdfast worker` process (or `scheduler`, or `web`), leader of a process group of its own."""

    def __init__(self, role: str, process: commands.Process, log: Path) -> None:
        self.role = role
        self.process = process
        self.pid = process.pid
        self.log = log

    def signal(self, number: int, *, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.pid, number)

    def ended(self, within: float = TIMEOUT) -> int:
        """Wait for its end. Returns the exit code."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise NotInTime(f"the supervisor did not end within {within:g} s\n{self.words()}") from None

    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def lines(self, *parts: str) -> list[str]:
        """What it and its workers have logged, lines that contain all of `parts`."""
        return [line for line in self.words().splitlines() if all(part in line for part in parts)]


class Fleet:
    """A store, and the processes that work on it. Settings are given as HOLDFAST_* environment, as a user would."""

    def __init__(self, folder: Path, *, data_dir: Path | None = None, **settings: object) -> None:
        self.folder = folder
        self.effects_file = folder / "effects.jsonl"
        self.effects_file.touch()
        self.data_dir = data_dir or folder / "data"
        defaults: dict[str, object] = {
            "workers": 1,
            "heartbeat_interval": 0.5,
            "lease": NEVER_LOST,
            "cancel_grace": 1,
            "stop_grace": 5,
        }
        self.settings = {**defaults, "data_dir": self.data_dir, **settings}
        place = {
            name: str(self.settings[name]) for name in ("data_dir", "database_url") if name in self.settings
        }
        self.app = make_app(**place)
        self.supervisors: list[Supervisor] = []

    # -- processes --------------------------------------------------------------------------------------------------------

    def start(
        self,
        role: str = "worker",
        *,
        ready: bool = True,
        host: str = "",
        behind: Sequence[str] = (),
        app: str = APP,
        **settings: object,
    ) -> Supervisor:
        """Start a supervisor, or another part of Holdfast; `ready`: wait until it says so. `host`: on a host of this name,
        which has no network in common with us (where the machine allows it; else beside us). `behind`: words that stand
        before the command."""
        environment = self._environment(settings)
        log = self.folder / f"supervisor-{len(self.supervisors) + 1}.log"
        before = (*behind, *_on_host(host))
        process: commands.Process
        with log.open("wb") as out:
            if before:
                process = subprocess.Popen(
                    (*before, *HOLDFAST, role, "--app", app),
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            else:
                process = commands.start(
                    (role, "--app", app), cwd=ROOT, env=environment, stdout=out, stderr=out
                )
        supervisor = Supervisor(role, process, log)
        self.supervisors.append(supervisor)
        if ready:
            until(lambda: self._is_up(supervisor), "the fleet is up")
        return supervisor

    def _is_up(self, supervisor: Supervisor) -> bool:
        assert supervisor.process.poll() is None, supervisor.words()
        return f"Holdfast {supervisor.role} is ready" in supervisor.words()

    def holdfast(self, *command: str, app: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the command line to its end."""
        environment = self._environment({}) | ({"HOLDFAST_APP": app} if app else {})
        return commands.run(command, cwd=ROOT, env=environment, timeout=120)

    def _environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        given = {**self.settings, **settings}
        environment |= {"HOLDFAST_" + name.upper(): str(value) for name, value in given.items()}
        return environment | {FOLDER: str(self.folder)}

    def processes(self) -> set[int]:
        """Every living process that belongs to this fleet: supervisors, workers, children of jobs."""
        mark = f"{FOLDER}={self.folder}".encode() + b"\0"
        # what was forked shows another environment, that of the process which forked it; but it has its supervisor's session
        sessions = {supervisor.pid for supervisor in self.supervisors}
        found: set[int] = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    state, session = _state_and_session(entry)
                    if state != "Z" and (session in sessions or mark in (entry / "environ").read_bytes()):
                        found.add(int(entry.name))
                except OSError:
                    continue  # it has ended meanwhile
        return found - {os.getpid()}

    def stand_still(self, *pids: int) -> None:
        """Stop processes (SIGSTOP), none of them in the middle of a transaction: no other process could write until it is
        killed for that, or the server gives it up. On a server, where that is not seen, once nothing has happened for a
        while."""
        seen = -1
        while "database_url" in self.settings and (newest := self.parts.store.last_event()) != seen:
            seen = newest
            time.sleep(0.3)
        for pid in pids:
            kill(pid, signal.SIGSTOP)
        while (turn := self.parts.store.write_lock_holder()) is not None and turn[0] in pids:
            kill(turn[0], signal.SIGCONT)
            time.sleep(0.005)
            kill(turn[0], signal.SIGSTOP)

    def destroy(self) -> None:
        """End everything, whatever state it is in."""
        deadline = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in left:
                kill(pid)
            time.sleep(0.02)
        for supervisor in self.supervisors:
            supervisor.process.wait(10)

    # -- the store --------------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> Parts:
        return self.app.open()

    def enqueue(self, type_: str, args: Mapping[str, Any] | None = None, **options: Any) -> JobHandle:
        return self.app.enqueue(type_, args, **options)

    def enqueue_many(self, type_: str, args: Iterable[Mapping[str, Any]], **options: Any) -> list[JobHandle]:
        return self.app.enqueue_many(type_, args, **options)

    def job(self, job: JobHandle | str) -> JobRecord:
        record = self.parts.store.job(job if isinstance(job, str) else job.id)
        assert record is not None
        return record

    def history(self, job: JobHandle | str) -> list[HistoryRecord]:
        return self.parts.store.history(job if isinstance(job, str) else job.id)

    def path(self, job: JobHandle | str) -> list[str]:
        """The states of a job, oldest first."""
        return [row.state for row in self.history(job) if row.kind == "state"]

    def workers(self, *states: str) -> list[WorkerRecord]:
        """Worker processes in the store; those in `states`, by default the live ones."""
        return [worker for worker in self.parts.store.workers() if worker.state in (states or ("live",))]

    def ended(self, jobs: Iterable[JobHandle], *, within: float = TIMEOUT) -> list[JobRecord]:
        """Wait until all jobs have ended. Returns them."""
        waiting = {job.id: job for job in jobs}
        order = list(waiting)
        done: dict[str, JobRecord] = {}

        def all_done() -> bool:
            for start in range(0, len(waiting), 1000):
                for record in self.parts.store.jobs(list(waiting)[start : start + 1000]):
                    if record.state in FINAL_STATES:
                        done[record.id] = record
            for job_id in done:
                waiting.pop(job_id, None)
            return not waiting

        try:
            until(all_done, "every job has ended", within=within, every=0.05)
        except NotInTime as error:
            rows = [self.job(job_id) for job_id in list(waiting)[:5]]
            raise NotInTime(f"{error}; {len(waiting)} left, such as {rows}") from None
        return [done[job_id] for job_id in order]

    def in_state(self, job: JobHandle, *states: str, within: float = TIMEOUT) -> JobRecord:
        """Wait until a job is in one of `states`."""

        def there() -> JobRecord | None:
            record = self.job(job)
            return record if record.state in states else None

        try:
            return until(there, f"{job.id} is {' or '.join(states)}", within=within)
        except NotInTime as error:
            raise NotInTime(f"{error}: {self.job(job)} {self.history(job)}") from None

    def worker_of(self, job: JobHandle) -> WorkerRecord:
        """The worker process that is processing a job."""
        record = self.in_state(job, "processing")
        return next(worker for worker in self.parts.store.workers() if worker.id == record.worker)

    def expire(self, *workers: WorkerRecord) -> None:
        """End the leases of workers now. Only of stopped or dead ones: the others renew theirs with the next heartbeat."""
        self.parts.gateway.run(Heartbeat([worker.id for worker in workers], lease=-1.0))

    def lose(self, *workers: WorkerRecord) -> None:
        """Take workers for dead, as the leader does at the end of their leases: their jobs are requeued."""
        self.parts.gateway.run(Rescue([worker.id for worker in workers]))

    # -- what the jobs leave ----------------------------------------------------------------------------------------------

    def effects(self, job: JobHandle | str | None = None, what: str | None = None) -> list[dict[str, Any]]:
        """What jobs have written, in the order in which it reached the file."""
        job_id = job.id if isinstance(job, JobHandle) else job
        whole, _, _ = self.effects_file.read_bytes().rpartition(b"\n")  # the last line may be on its way
        found: Sequence[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
        return [e for e in found if job_id in (None, e["job"]) and what in (None, e["what"])]

    def effect(self, job: JobHandle, what: str, *, within: float = TIMEOUT) -> dict[str, Any]:
        """Wait for an effect of a job. Returns the newest."""
        return until(lambda: self.effects(job, what), f"{job.id} has reached {what!r}", within=within)[-1]

    def allow(self, barrier: str) -> None:
        """Let jobs that wait at `barrier` continue."""
        (self.folder / f"barrier-{barrier}").touch()


@cache
def hosts_can_be_made() -> bool:
    """Whether the kernel lets us make namespaces."""
    return subprocess.run(_APART, capture_output=True).returncode == 0


def _on_host(name: str) -> tuple[str, ...]:
    if not name or not hosts_can_be_made():
        return ()
    alone = (
        'mount -t tmpfs none /dev/shm && hostname "$0" && exec "$@"'  # lock files of other hosts are not seen
    )
    return (*_APART[:-1], "sh", "-c", alone, name)


_APART = ("unshare", "--uts", "--net", "--mount", "true")


def kill(pid: int, number: int = signal.SIGKILL) -> bool:
    """Send a signal; False when the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _state_and_session(process: Path) -> tuple[str, int]:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[3])
