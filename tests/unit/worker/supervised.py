"""A supervisor at work on a store of its own, with worker processes that end when the test says so."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from holdfast.core.job import ClaimRequest
from holdfast.core.settings import Settings
from holdfast.runtime.process_locks import ProcessLocks
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.writes import Claim, Insert, RegisterWorker
from holdfast.testing import FakeClock
from holdfast.testing.factories import TYPE, new_job, worker_row
from holdfast.worker.starting import Process
from holdfast.worker.supervisor import Supervisor
from tests.unit.worker.executors.helpers import until

SETTINGS = Settings(lease=30, heartbeat_interval=0.02, cancel_grace=1, stop_grace=2)


class Program(Process):
    """A worker process that only notes what it is sent, and ends with the code that the test gives it."""

    def __init__(self) -> None:
        super().__init__(0, None)
        self.lines: list[bytes] = []
        self.signals: list[int] = []
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def signal(self, number: int) -> None:
        if self.code.done():
            raise ProcessLookupError
        self.signals.append(number)
        if number == signal.SIGKILL:
            self.code.set_result(-number)

    def is_stopped(self) -> bool:
        return self.stopped

    async def wait(self) -> int:
        return await self.code

    @property
    def worker(self) -> str:
        """The id that the supervisor has given it."""
        return str(json.loads(self.lines[0])["worker"])

    @property
    def heartbeats(self) -> int:
        return sum(line.startswith(b"heartbeat") for line in self.lines)


class Starter:
    """Starts programs, all of which it keeps."""

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self.closed = False

    async def start(self, guard: int) -> Program | None:
        if self.closed:
            return None
        self.programs.append(Program())
        return self.programs[-1]

    def close(self) -> None:
        self.closed = True

    def reap(self) -> None:
        return


class Bench:
    """A supervisor at work on a store of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self.clock = FakeClock()
        self.store = SqliteStore(folder / "jobs.db", clock=self.clock, lease_clock=self.clock)
        self.store.open()
        self.gateway = Gateway(self.store, lambda topics: None)
        self.locks = ProcessLocks(folder / "processes")
        self.starter = Starter()
        starter: Any = self.starter
        self.supervisor = Supervisor(
            "app",
            SETTINGS,
            self.gateway,
            self.store,
            count=count,
            name="here",
            starter=starter,
            locks=self.locks,
        )
        self.running = asyncio.create_task(self.supervisor.run())

    async def started(self, number: int = 1) -> Program:
        """The process that was started as this one."""
        await until(lambda: len(self.starter.programs) >= number and self.starter.programs[number - 1].lines)
        return self.starter.programs[number - 1]

    async def registered(self, number: int = 1) -> Program:
        """The same; it has come up, and a heartbeat was confirmed for it."""
        program = await self.started(number)
        await self.write(RegisterWorker(worker_row(program.worker), lease=SETTINGS.lease))
        await until(lambda: program.heartbeats)
        return program

    async def with_a_job(self, number: int = 1, **fields: Any) -> tuple[Program, str]:
        """The same, with a job that it has claimed."""
        program = await self.registered(number)
        job = new_job(**fields)
        await self.write(Insert([job]))
        await self.write(Claim(ClaimRequest(program.worker, 1, frozenset({TYPE}), ())))
        assert self.state(job.id) == "processing"
        return program, job.id

    async def write(self, write: Any) -> Any:
        return await self.gateway.run_async(write)

    def state(self, job: str) -> str:
        record = self.store.job(job)
        assert record is not None
        return record.state
