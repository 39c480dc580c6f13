"""This exists so that each kind of thing is shown in the same columns by every command."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from holdfast.cli.desk import Desk
from holdfast.cli.exits import Trouble, trouble_of
from holdfast.cli.opening import open_desk
from holdfast.cli.options import Common
from holdfast.cli.output import Column, Writer, columns_of, say
from holdfast.core.errors import NotFound, UnknownJobType

JOBS = (
    Column("ID", "id"),
    Column("STATE", "state"),
    Column("TYPE", "type", wide=True),
    Column("PROGRESS", "progress"),
    Column("CREATED", "created_at"),
    Column("QUEUE", "queue", wide=True),
    Column("ATTEMPT", "attempt"),
    Column("ARGS", "args", wide=True),
    Column("ERROR", "error.message", wide=True),
)

JOB = columns_of(
    "id type state reason queue priority attempt max_attempts claims crashes progress saved_at worker owner tags unique_key"
    " timeout origin actor created_at run_at started_at finished_at expires_at args result error unreadable"
)

HISTORY = (
    Column("AT", "at"),
    Column("KIND", "kind"),
    Column("STATE", "state"),
    Column("REASON", "reason", wide=True),
    Column("BY", "actor"),
    Column("ATTEMPT", "attempt"),
    Column("WORKER", "worker", wide=True),
)

QUEUES = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("ENQUEUED", "enqueued"),
    Column("PROCESSING", "processing"),
    Column("SCHEDULED", "scheduled"),
    Column("PAUSED", "paused"),
    Column("OLDEST WAIT", "oldest_wait"),
    Column("WORKERS", "workers"),
    Column("REASON", "paused_reason", wide=True),
)

TYPES = (
    Column("NAME", "name"),
    Column("QUEUE", "queue"),
    Column("EXECUTOR", "executor"),
    Column("ATTEMPTS", "max_attempts"),
    Column("WORKERS", "workers"),
    Column("SIGNATURE", "signature", wide=True),
)

TYPE = columns_of("name signature doc queue executor priority max_attempts timeout workers args_schema")

WORKERS = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("HOST", "host", wide=True),
    Column("PID", "pid"),
    Column("STATE", "state"),
    Column("BUSY", "busy"),
    Column("SLOTS", "slots"),
    Column("QUEUES", "queues", wide=True),
    Column("TYPES", "types", wide=True),
    Column("VERSION", "version"),
    Column("HEARTBEAT", "heartbeat_at"),
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
