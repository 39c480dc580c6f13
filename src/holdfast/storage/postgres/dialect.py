"""Where PostgreSQL differs in the SQL of the records."""

from __future__ import annotations

from holdfast.storage.records.dialect import Dialect


class PostgresDialect(Dialect):
    """Rows are locked, and a job is two rows (see `schema`)."""

    mark = "%s"
    row_lock = " FOR UPDATE"
    job_states = "runs"
