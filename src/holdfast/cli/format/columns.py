"""The columns in which every command shows a job, a queue, a type or a worker."""

from __future__ import annotations

from holdfast.cli.format.table import Column, columns_of

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
    Column("REASON", "reason", wide=True, prose=True, rank=1),
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
    Column("REASON", "paused_reason", wide=True, prose=True, rank=7),
    Column("CONCERN", "concern", under=True),
)

TYPES = (
    Column("NAME", "name", wide=True),
    Column("QUEUE", "queue", wide=True, rank=1),
    Column("EXECUTOR", "executor", rank=4),
    Column("ATTEMPTS", "max_attempts", rank=5),
    Column("WORKERS", "workers", rank=2),
    Column("SIGNATURE", "signature", wide=True, prose=True, rank=6),
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
