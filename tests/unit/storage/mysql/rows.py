"""Rows for the tests of searches, as they are, in an open transaction of a real server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from holdfast.storage.mysql.connection import Connection
from holdfast.storage.mysql.literals import rows
from tests.unit.storage.search_rows import PLAIN, Job, texts

COLUMNS = ", ".join((*PLAIN, "args", "tags", "progress", "changed_at", "max_attempts"))


def put(db: Connection, jobs: Iterable[Job]) -> list[int]:
    """Store the jobs and the rows that belong to them; returns their seqs."""
    several = list(jobs)
    if not several:
        return []
    with db.cursor() as cursor:
        plain = ((*(getattr(job, name) for name in PLAIN), *texts(job).values(), 0, 11) for job in several)
        cursor.execute(f"INSERT INTO jobs ({COLUMNS}) VALUES {rows(plain)}")
        first = cursor.lastrowid
        placed = list(enumerate(several, first))
        counted = Counter((job.queue, job.type, job.state) for job in several)
        cursor.execute(f"INSERT INTO counts VALUES {rows((*lane, n) for lane, n in counted.items())}")
        if tags := [(tag, seq) for seq, job in placed for tag in job.tags]:
            cursor.execute(f"INSERT INTO job_tags VALUES {rows(tags)}")
        if due := [(job.run_at, seq) for seq, job in placed if job.state == "scheduled" and job.run_at]:
            cursor.execute(f"INSERT INTO due VALUES {rows(due)}")
        again = [(job.created_at, seq) for seq, job in placed if job.state == "enqueued"]
        again += [(at, seq) for seq, job in placed for at in job.enqueued_again]
        if events := [(n, at, 0, seq, "enqueued") for n, (at, seq) in enumerate(again, 1)]:
            cursor.execute(f"INSERT INTO events (seq, at, kind, job, state) VALUES {rows(events)}")
    return [seq for seq, _ in placed]
