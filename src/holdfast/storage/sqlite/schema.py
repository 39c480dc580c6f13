"""The tables, and every migration to them in one ordered, forward-only list."""

from __future__ import annotations

from typing import cast

import apsw

from holdfast.storage.versions import Standing

MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "0001_first",
        """
CREATE TABLE jobs (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, so that a zombie cannot meet a new job
    id                TEXT NOT NULL UNIQUE,
    type              TEXT NOT NULL,
    queue             TEXT NOT NULL,
    state             TEXT NOT NULL,
    reason            TEXT,
    actor             TEXT,
    requested         TEXT,
    requested_at      INTEGER,
    requested_by      TEXT,
    requested_reason  TEXT,
    priority          INTEGER NOT NULL,
    args              TEXT NOT NULL,
    owner             TEXT,
    tags              TEXT,
    progress          TEXT,
    result            TEXT,
    error_type        TEXT,
    error_message     TEXT,
    error_traceback   TEXT,
    attempt           INTEGER NOT NULL DEFAULT 0,
    continues         INTEGER NOT NULL DEFAULT 0,         -- 1: the next claim goes on with the same attempt
    max_attempts      INTEGER NOT NULL,
    crashes           INTEGER NOT NULL DEFAULT 0,
    token             INTEGER NOT NULL DEFAULT 0,
    worker            TEXT,
    timeout           REAL,
    unique_key        TEXT,
    idempotency_key   TEXT,
    retention         TEXT,
    origin            TEXT,
    log_lines         INTEGER NOT NULL DEFAULT 0,
    created_at        INTEGER NOT NULL,
    changed_at        INTEGER NOT NULL,
    run_at            INTEGER,
    started_at        INTEGER,
    finished_at       INTEGER,
    expires_at        INTEGER,
    saved_at          INTEGER
) STRICT;
-- Claims: one run of entries for each (queue, type), in the order in which they are taken.
CREATE INDEX jobs_ready ON jobs (queue, type, priority DESC, seq) WHERE state = 'enqueued';
CREATE INDEX jobs_due ON jobs (run_at) WHERE state = 'scheduled';
CREATE INDEX jobs_asked ON jobs (worker) WHERE requested IS NOT NULL;
CREATE INDEX jobs_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL;
-- The states stand in alphabetical order, as in the statements: only so does SQLite see that the index serves them.
CREATE UNIQUE INDEX jobs_unique ON jobs (type, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('awaiting', 'enqueued', 'paused', 'processing', 'scheduled');
CREATE UNIQUE INDEX jobs_idempotent ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Lists: whatever is asked of state, queue and type, each lane in the order of creation. One index instead of one for each
-- filter: a search joins lanes, an insert writes one entry.
CREATE INDEX jobs_lane ON jobs (state, queue, type, seq);
CREATE INDEX jobs_owner ON jobs (owner, seq) WHERE owner IS NOT NULL;

CREATE TABLE job_tags (
    tag  TEXT NOT NULL,
    job  INTEGER NOT NULL,
    PRIMARY KEY (tag, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_tags_job ON job_tags (job);

CREATE TABLE saved (
    job    INTEGER PRIMARY KEY,
    saved  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    count  INTEGER NOT NULL
) STRICT;

CREATE TABLE logs (
    n        INTEGER PRIMARY KEY,
    job      INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    level    TEXT NOT NULL,
    message  TEXT NOT NULL,
    fields   TEXT,
    attempt  INTEGER NOT NULL
) STRICT;
CREATE INDEX logs_job ON logs (job, n);

-- History and feed in one: rows of kind 0 and 1 live as long as their job, the others for minutes.
-- One writer at a time makes the order of seq the order of commits, so a reader may resume from any seq.
CREATE TABLE events (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    kind      INTEGER NOT NULL,  -- 0 state, 1 request, 2 progress, 3 log, 4 removed, 5 queue, 6 worker
    job       INTEGER,
    state     TEXT,
    previous  TEXT,
    reason    TEXT,
    actor     TEXT,
    attempt   INTEGER,
    worker    TEXT
) STRICT;
CREATE INDEX events_job ON events (job) WHERE kind < 2;
CREATE INDEX events_passing ON events (at) WHERE kind >= 2;

-- Recorded by the database itself, so that no statement can change a state without its history.
CREATE TRIGGER job_stored AFTER INSERT ON jobs BEGIN
    INSERT INTO events (at, kind, job, state, reason, actor, attempt)
    VALUES (NEW.created_at, 0, NEW.seq, NEW.state, NEW.reason, NEW.actor, 0);
END;
CREATE TRIGGER job_moved AFTER UPDATE OF state ON jobs BEGIN
    INSERT INTO events (at, kind, job, state, previous, reason, actor, attempt, worker)
    VALUES (NEW.changed_at, 0, NEW.seq, NEW.state, OLD.state, NEW.reason, NEW.actor, NEW.attempt, NEW.worker);
END;
CREATE TRIGGER job_asked AFTER UPDATE OF requested_at ON jobs WHEN NEW.state = 'processing' BEGIN
    INSERT INTO events (at, kind, job, state, previous, reason, actor, attempt, worker)
    VALUES (NEW.requested_at, 1, NEW.seq, NEW.requested, NEW.state, NEW.requested_reason, NEW.requested_by, NEW.attempt,
            NEW.worker);
END;
CREATE TRIGGER job_progressed AFTER UPDATE OF progress ON jobs WHEN NEW.state = OLD.state BEGIN
    INSERT INTO events (at, kind, job, state) VALUES (NEW.changed_at, 2, NEW.seq, NEW.state);
END;
CREATE TRIGGER job_removed AFTER DELETE ON jobs BEGIN
    -- first of all: were the newest events those of this job, their seq would be given to others when they are gone
    INSERT INTO events (at, kind, job, previous, reason)
    VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000, 4, OLD.seq, OLD.state, OLD.id);
    DELETE FROM events WHERE job = OLD.seq AND kind < 2;
    DELETE FROM saved WHERE job = OLD.seq;
    DELETE FROM logs WHERE job = OLD.seq;
    DELETE FROM job_tags WHERE job = OLD.seq;
END;

CREATE TABLE workers (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    host          TEXT NOT NULL,
    pid           INTEGER NOT NULL,
    version       TEXT NOT NULL,
    state         TEXT NOT NULL,
    queues        TEXT NOT NULL,
    types         TEXT NOT NULL,
    slots         INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    heartbeat_at  INTEGER NOT NULL,
    lost_at       INTEGER,
    boot          TEXT NOT NULL,     -- all processes share one host: a lease is a time on its boot clock,
    deadline      INTEGER NOT NULL   -- which no change of the wall clock moves and every reboot ends
) STRICT;

CREATE TABLE queues (
    name           TEXT PRIMARY KEY,
    paused_at      INTEGER,
    paused_by      TEXT,
    paused_reason  TEXT
) STRICT;

CREATE TABLE types (
    name          TEXT PRIMARY KEY,
    queue         TEXT NOT NULL,
    schema        TEXT NOT NULL,
    doc           TEXT NOT NULL,
    signature     TEXT NOT NULL,
    executor      TEXT NOT NULL,
    max_attempts  INTEGER NOT NULL,
    timeout       REAL,
    priority      INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE buckets (
    at         INTEGER PRIMARY KEY,  -- start of ten seconds, in seconds since the epoch
    started    INTEGER NOT NULL DEFAULT 0,
    succeeded  INTEGER NOT NULL DEFAULT 0,
    failed     INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE meta (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT;
INSERT INTO meta (name, value) VALUES ('rolled_up', '0');
""",
    ),
    (
        "0002_fleet",
        """
-- Jobs that wait stand in jobs_ready already; a lane of its own for the running ones, as small as the fleet, keeps their
-- entries from being written into the large index and taken out again.
CREATE INDEX jobs_running ON jobs (queue, type, seq) WHERE state = 'processing';
DROP INDEX jobs_lane;
CREATE INDEX jobs_lane ON jobs (state, queue, type, seq) WHERE state NOT IN ('enqueued', 'processing');
ALTER TABLE types ADD COLUMN tags TEXT;
ALTER TABLE types ADD COLUMN retention TEXT;
INSERT INTO meta (name, value) VALUES ('needs', '2');  -- see holdfast.storage.versions
CREATE TABLE leaders (
    role      TEXT PRIMARY KEY,
    holder    TEXT,                  -- NULL: nobody since the last one resigned
    term      INTEGER NOT NULL,
    since     INTEGER NOT NULL,
    boot      TEXT NOT NULL,         -- the lease, as that of a worker
    deadline  INTEGER NOT NULL
) STRICT;
""",
    ),
    (
        "0003_outcomes",
        """
CREATE TABLE outcomes (
    at         INTEGER NOT NULL,     -- start of a minute, in seconds since the epoch
    type       TEXT NOT NULL,
    succeeded  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,     -- attempts, also those that are tried again
    PRIMARY KEY (at, type)
) STRICT, WITHOUT ROWID;
""",
    ),
    (
        "0004_one_sequence",
        """
-- A job takes the number of the event of its insert. Events are never numbered twice, so AUTOINCREMENT, which dirties a
-- page of its own at each insert, is not needed; and the first event of a job is found by its number, so it needs no entry
-- in the index. An insert dirties four pages instead of six.
PRAGMA writable_schema=ON;
UPDATE sqlite_schema SET sql = replace(sql, 'PRIMARY KEY AUTOINCREMENT', 'PRIMARY KEY')
WHERE type = 'table' AND name = 'jobs';
PRAGMA writable_schema=RESET;
DROP TRIGGER job_stored;
CREATE TRIGGER job_stored AFTER INSERT ON jobs BEGIN
    INSERT INTO events (seq, at, kind, job, state, reason, actor, attempt)  -- loaded jobs bring their own numbers
    VALUES (iif(NEW.seq > coalesce((SELECT max(seq) FROM events), 0), NEW.seq, NULL), NEW.created_at, 0, NEW.seq, NEW.state,
            NEW.reason, NEW.actor, 0);
END;
DROP INDEX events_job;
CREATE INDEX events_job ON events (job) WHERE kind < 2 AND seq <> job;
CREATE VIEW history AS
    SELECT seq, at, kind, job, state, previous, reason, actor, attempt, worker FROM events WHERE kind < 2 AND seq <> job
    UNION ALL
    SELECT seq, at, kind, job, state, previous, reason, actor, attempt, worker FROM events WHERE kind < 2 AND seq = job;
UPDATE meta SET value = '4' WHERE name = 'needs';  -- an insert of an older program would number a job by itself
""",
    ),
    (
        "0005_counts",
        """
-- How many jobs there are, as of the event `counted` (see holdfast.storage.sqlite.counts).
CREATE TABLE counts (
    queue  TEXT NOT NULL,
    type   TEXT NOT NULL,
    state  TEXT NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (queue, type, state)
) STRICT, WITHOUT ROWID;
INSERT INTO counts (queue, type, state, n) SELECT queue, type, state, count(*) FROM jobs GROUP BY queue, type, state;
INSERT INTO meta (name, value) SELECT 'counted', CAST(coalesce(max(seq), 0) AS TEXT) FROM events;
-- An event that is removed before it was counted is counted now.
CREATE TRIGGER event_removed AFTER DELETE ON events
WHEN OLD.kind = 0 AND OLD.seq > (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'counted')
BEGIN
    INSERT INTO counts (queue, type, state, n) SELECT queue, type, OLD.state, 1 FROM jobs WHERE seq = OLD.job
    ON CONFLICT (queue, type, state) DO UPDATE SET n = n + 1;
    INSERT INTO counts (queue, type, state, n)
    SELECT queue, type, OLD.previous, -1 FROM jobs WHERE seq = OLD.job AND OLD.previous IS NOT NULL
    ON CONFLICT (queue, type, state) DO UPDATE SET n = n - 1;
END;
DROP TRIGGER job_removed;
CREATE TRIGGER job_removed BEFORE DELETE ON jobs BEGIN
    -- first of all, and above the number of the job: neither that nor those of its events are given to others
    INSERT INTO events (seq, at, kind, job, previous, reason)
    VALUES (1 + max(OLD.seq, (SELECT coalesce(max(seq), 0) FROM events)),
            CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000, 4, OLD.seq, OLD.state, OLD.id);
    DELETE FROM events WHERE seq IN (SELECT seq FROM history WHERE job = OLD.seq);
    INSERT INTO counts (queue, type, state, n) VALUES (OLD.queue, OLD.type, OLD.state, -1)
    ON CONFLICT (queue, type, state) DO UPDATE SET n = n - 1;
    DELETE FROM saved WHERE job = OLD.seq;
    DELETE FROM logs WHERE job = OLD.seq;
    DELETE FROM job_tags WHERE job = OLD.seq;
END;
""",
    ),
)
"""(name, script), applied in order, each in one transaction; `PRAGMA user_version` counts those that are applied."""


def standing(db: apsw.Connection) -> Standing:
    """Where the schema of a file stands."""
    applied = cast(int, next(db.execute("PRAGMA user_version"))[0])
    noted = next(db.execute("SELECT value FROM meta WHERE name = 'needs'"), None) if applied else None
    return Standing(applied, int(str(noted[0])) if noted else 0)
