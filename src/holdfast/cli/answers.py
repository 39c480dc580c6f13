"""This exists so that each kind of thing is shown in the same columns by every command."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from holdfast.cli.desk import Desk
from holdfast.cli.exits import Trouble, trouble_of
from holdfast.cli.opening import open_desk
from holdfast.cli.options import Common
from holdfast.cli.output import Writer, say
from holdfast.cli.table import Column, columns_of
from holdfast.core.errors import NotFound, UnknownJobType

JOBS = (
    Column("ID", "id"),
    Column("STATE", "state"),
    Column("TYPE", "type", wide=True),
    Column("PROGRESS", "progress", rank=1),
    Column("CREATED", "created_at", rank=2),
    Column("QUEUE", "queue", wide=True, rank=3),
    Column("ATTEMPT", "attempt", rank=4),
    Column("ARGS", "args", wide=True, rank=5),
    Column("ERROR", "error.message", under=True, shows="error"),
)

JOB = columns_of(
    "id type state reason queue priority attempt max_attempts claims crashes progress saved_at worker owner tags unique_key"
    " timeout origin actor created_at run_at started_at finished_at expires_at args result error unreadable"
)

HISTORY = (
    Column("AT", "at"),
    Column("KIND", "kind"),
    Column("STATE", "state"),
    Column("REASON", "reason", wide=True, words=True, rank=1),
    Column("BY", "actor", wide=True, rank=2),
    Column("ATTEMPT", "attempt", rank=3),
    Column("WORKER", "worker", wide=True, rank=4),
)

QUEUES = (
    Column("NAME", "name", wide=True),
    Column("STATE", "state"),
    Column("ENQUEUED", "enqueued", rank=1),
    Column("PROCESSING", "processing", rank=2),
    Column("SCHEDULED", "scheduled", rank=4),
    Column("PAUSED", "paused", rank=5),
    Column("OLDEST WAIT", "oldest_wait", rank=3),
    Column("WORKERS", "workers", rank=6),
    Column("REASON", "paused_reason", wide=True, words=True, rank=7),
    Column("CONCERN", "concern", under=True),
)

TYPES = (
    Column("NAME", "name", wide=True),
    Column("QUEUE", "queue", wide=True, rank=1),
    Column("EXECUTOR", "executor", rank=4),
    Column("ATTEMPTS", "max_attempts", rank=5),
    Column("WORKERS", "workers", rank=2),
    Column("SIGNATURE", "signature", wide=True, words=True, rank=6),
    Column("WAITING", "waiting", rank=3),
    Column("CONCERN", "concern", under=True),
)

TYPE = columns_of(
    "name signature doc queue executor priority max_attempts timeout workers waiting concern args_schema"
)

WORKERS = (
    Column("ID", "id"),
    Column("NAME", "name", wide=True, rank=1),
    Column("HOST", "host", wide=True, rank=5),
    Column("PID", "pid", rank=6),
    Column("STATE", "state"),
    Column("BUSY", "busy", rank=2),
    Column("SLOTS", "slots", rank=3),
    Column("QUEUES", "queues", wide=True, rank=7),
    Column("TYPES", "types", wide=True, rank=8),
    Column("VERSION", "version", wide=True, rank=9),
    Column("HEARTBEAT", "heartbeat_at", rank=4),
)


@contextmanager
def answering(common: Common, *, makes: bool = False) -> Generator[tuple[Desk, Writer]]:
    """Whom to ask and how to write the answer, for the time of one command; where nothing is found, it is said where that
    was. `makes`: the command may make a store that is not there."""
    writer = Writer(common)  # first: options that cannot be combined are told before anything is opened
    desk = open_desk(common, makes=makes)
    try:
        yield desk, writer
        if writer.found_nothing:
            say(f"Nothing found in {desk.place}")
    except (NotFound, UnknownJobType) as error:
        trouble = trouble_of(error)
        assert trouble is not None
        where = f"Looked in {desk.place}"
        raise Trouble(
            trouble.what, f"{trouble.cure}. {where}" if trouble.cure else where, trouble.exit
        ) from error
    finally:
        desk.close()
