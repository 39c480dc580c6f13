"""The schema, and every migration to it in one ordered, forward-only list.

**A job is two rows.** What it *is* (`specs`) is written once; where it *stands* (`runs`) is narrow and written at every
change, so that its arguments are not copied each time. `jobs` is the view of both for all who only read. Measured on
PostgreSQL 15 with fsync, 1,000 inserts and 100 claims or ends a transaction, against one wide row for each job: inserts
34,000 against 18,000 a second, claim and end of a job 115 against 130 µs on a busy machine, two thirds of the space.

**One index for claims and lists.** `runs_lane` (state, lane, seq) hands out the oldest of a lane and lists every state; a
*lane* is a (queue, type, priority) that has ever been used, numbered in a small table that is never cleaned up, so that a
claim needs no search for what there is: it reads the heads of the lanes it may take from.

**Counts are kept.** Every transaction appends to `counts` by how much it has changed the number of jobs of a lane in a
state; `aggregate_events` folds these rows. The sum of `n` is exact at every moment, and nothing is ever written in place.

**The feed cannot skip.** Positions come from `event_seq`. Before it draws the first one, a transaction takes a shared
advisory lock whose key is the sequence's value at that moment: all its positions lie above it. `horizon()` reads the
sequence first and the locks in flight after it; every event up to the answer is committed or will never be. Read the horizon
in a statement of its own, then the events up to it. A transaction that is not ours, or has drawn nothing, does not hold it
back. A job that was enqueued within a foreign transaction (`runs.joined`) is added to the feed at that one's commit, by a
deferred trigger.
"""

from __future__ import annotations

from typing import Final

LOCK_CLASS_MARK: Final = "{lock_class}"
"""Stands in the scripts for the class of advisory locks of this schema (`lock_class`)."""

MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "0001_first",
        """
CREATE SEQUENCE job_seq;  -- never used again, so that a zombie cannot meet a new job
CREATE SEQUENCE event_seq;
SELECT nextval('event_seq');  -- from now on `last_value` has been drawn, and all that is drawn later lies above it

CREATE TABLE lanes (
    id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue     text COLLATE "C" NOT NULL,
    type      text COLLATE "C" NOT NULL,
    priority  integer NOT NULL,
    UNIQUE (queue, type, priority)
);

CREATE TABLE specs (
    seq              bigint PRIMARY KEY DEFAULT nextval('job_seq'),
    id               text COLLATE "C" NOT NULL UNIQUE,
    type             text COLLATE "C" NOT NULL,
    queue            text COLLATE "C" NOT NULL,
    priority         integer NOT NULL,
    args             text COLLATE "C" NOT NULL,
    owner            text COLLATE "C",
    tags             text COLLATE "C",
    timeout          double precision,
    unique_key       text COLLATE "C",
    idempotency_key  text COLLATE "C",
    retention        text COLLATE "C",
    origin           text COLLATE "C",
    created_at       bigint NOT NULL
);
CREATE UNIQUE INDEX specs_idempotent ON specs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX specs_owner ON specs (owner, seq) WHERE owner IS NOT NULL;

CREATE TABLE runs (
    seq               bigint PRIMARY KEY,
    lane              integer NOT NULL,
    state             text COLLATE "C" NOT NULL,
    token             integer NOT NULL DEFAULT 0,
    attempt           integer NOT NULL DEFAULT 0,
    max_attempts      integer NOT NULL,
    crashes           integer NOT NULL DEFAULT 0,
    log_lines         integer NOT NULL DEFAULT 0,
    continues         boolean NOT NULL DEFAULT false,  -- the next claim goes on with the same attempt
    joined            boolean NOT NULL DEFAULT false,  -- enqueued within a foreign transaction
    changed_at        bigint NOT NULL,
    run_at            bigint,
    started_at        bigint,
    finished_at       bigint,
    expires_at        bigint,
    saved_at          bigint,
    requested_at      bigint,
    worker            text COLLATE "C",
    reason            text COLLATE "C",
    actor             text COLLATE "C",
    requested         text COLLATE "C",
    requested_by      text COLLATE "C",
    requested_reason  text COLLATE "C",
    lock_key          text COLLATE "C",                -- the job's type and unique key, as a JSON list
    progress          text COLLATE "C",
    result            text COLLATE "C",
    error_type        text COLLATE "C",
    error_message     text COLLATE "C",
    error_traceback   text COLLATE "C"
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX runs_lane ON runs (state, lane, seq);
CREATE INDEX runs_due ON runs (run_at) WHERE state = 'scheduled';
CREATE INDEX runs_asked ON runs (worker) WHERE requested IS NOT NULL;
CREATE INDEX runs_expiry ON runs (expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX runs_unique ON runs (lock_key)
    WHERE lock_key IS NOT NULL AND state IN ('awaiting', 'enqueued', 'paused', 'processing', 'scheduled');

CREATE VIEW jobs AS
SELECT seq, specs.id, specs.type, specs.queue, runs.state, runs.reason, runs.actor, runs.requested, runs.requested_at,
       runs.requested_by, runs.requested_reason, specs.priority, specs.args, specs.owner, specs.tags, runs.progress,
       runs.result, runs.error_type, runs.error_message, runs.error_traceback, runs.attempt, runs.max_attempts, runs.crashes,
       runs.token, runs.worker, specs.timeout, specs.unique_key, specs.origin, specs.created_at, runs.changed_at,
       runs.run_at, runs.started_at, runs.finished_at, runs.expires_at, runs.saved_at, runs.lane, specs.retention
FROM runs JOIN specs USING (seq);

CREATE TABLE job_tags (
    tag  text COLLATE "C" NOT NULL,
    job  bigint NOT NULL,
    PRIMARY KEY (tag, job)
);
CREATE INDEX job_tags_job ON job_tags (job);

CREATE TABLE saved (
    job    bigint PRIMARY KEY,
    saved  text COLLATE "C" NOT NULL,
    at     bigint NOT NULL,
    count  integer NOT NULL
);

CREATE TABLE logs (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job      bigint NOT NULL,
    at       bigint NOT NULL,
    level    text COLLATE "C" NOT NULL,
    message  text COLLATE "C" NOT NULL,
    fields   text COLLATE "C",
    attempt  integer NOT NULL
);
CREATE INDEX logs_job ON logs (job, n);

-- History and feed in one: rows of kind 0 and 1 live as long as their job, the others for minutes.
CREATE TABLE events (
    seq       bigint PRIMARY KEY DEFAULT nextval('event_seq'),
    at        bigint NOT NULL,
    job       bigint,
    attempt   integer,
    kind      smallint NOT NULL,  -- 0 state, 1 request, 2 progress, 3 log, 4 removed, 5 queue, 6 worker
    state     text COLLATE "C",
    previous  text COLLATE "C",
    worker    text COLLATE "C",
    actor     text COLLATE "C",
    reason    text COLLATE "C"    -- kind 4: the id of the job that was
);
CREATE INDEX events_job ON events (job) WHERE kind < 2;
CREATE INDEX events_passing ON events (at) WHERE kind >= 2;

CREATE TABLE counts (
    lane   integer NOT NULL,
    state  text COLLATE "C" NOT NULL,
    n      bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE workers (
    id            text COLLATE "C" PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    host          text COLLATE "C" NOT NULL,
    pid           integer NOT NULL,
    version       text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL,
    queues        text COLLATE "C" NOT NULL,
    types         text COLLATE "C" NOT NULL,
    slots         integer NOT NULL,
    started_at    bigint NOT NULL,
    heartbeat_at  bigint NOT NULL,
    lost_at       bigint,
    deadline      bigint NOT NULL  -- by the clock of the server
);

CREATE TABLE leaders (
    role      text COLLATE "C" PRIMARY KEY,
    holder    text COLLATE "C",    -- NULL: nobody since the last one resigned
    term      integer NOT NULL,
    since     bigint NOT NULL,
    deadline  bigint NOT NULL
);

CREATE TABLE queues (
    name           text COLLATE "C" PRIMARY KEY,
    paused_at      bigint,
    paused_by      text COLLATE "C",
    paused_reason  text COLLATE "C"
);

CREATE TABLE types (
    name          text COLLATE "C" PRIMARY KEY,
    queue         text COLLATE "C" NOT NULL,
    schema        text COLLATE "C" NOT NULL,
    doc           text COLLATE "C" NOT NULL,
    signature     text COLLATE "C" NOT NULL,
    executor      text COLLATE "C" NOT NULL,
    max_attempts  integer NOT NULL,
    timeout       double precision,
    priority      integer NOT NULL,
    tags          text COLLATE "C",
    retention     text COLLATE "C",
    updated_at    bigint NOT NULL
);

CREATE TABLE buckets (
    at         bigint PRIMARY KEY,  -- start of ten seconds, in seconds since the epoch
    started    bigint NOT NULL DEFAULT 0,
    succeeded  bigint NOT NULL DEFAULT 0,
    failed     bigint NOT NULL DEFAULT 0,
    cancelled  bigint NOT NULL DEFAULT 0
);

CREATE TABLE meta (
    name   text COLLATE "C" PRIMARY KEY,
    value  text COLLATE "C" NOT NULL
);
INSERT INTO meta (name, value) VALUES ('rolled_up', '0'), ('needs', '1');  -- see holdfast.storage.versions

CREATE FUNCTION horizon() RETURNS bigint LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
DECLARE
    newest  bigint;
    behind  bigint;
BEGIN
    SELECT last_value INTO newest FROM event_seq;  -- before the locks: who takes one later draws above this
    SELECT max(distance) INTO behind
    FROM (SELECT (newest - objid::bigint) & 2147483647 AS distance FROM pg_locks
          WHERE locktype = 'advisory' AND classid = {lock_class}::oid AND objsubid = 2
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS held
    WHERE distance < 1073741824;  -- a key above `newest` belongs to who draws above it
    RETURN newest - coalesce(behind, 0);
END $$;

CREATE FUNCTION refuse_sealed() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({lock_class}::bigint);  -- see `seal` in the writer
    IF EXISTS (SELECT FROM meta WHERE name = 'sealed') THEN
        RAISE EXCEPTION 'This Holdfast store is sealed: nothing can be stored here any more' USING ERRCODE = '25006';
    END IF;
END $$;

-- Jobs of one shape and without keys, in one exchange, with everything that belongs to a transaction that writes. Answers
-- the time of storing.
CREATE FUNCTION store(
    ids text[], arguments text[], type text, queue text, priority integer, owner text, tags text, timeout double precision,
    retention text, origin text, actor text, max_attempts integer, run_at bigint, delay double precision, lane integer,
    told bigint, channels text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    now    bigint := coalesce(told, extract(epoch FROM clock_timestamp()) * 1000000);
    due    bigint := coalesce(now + trunc(delay * 1000000)::bigint, run_at);
    state  text := 'enqueued';
BEGIN
    PERFORM refuse_sealed();
    PERFORM pg_advisory_xact_lock_shared({lock_class}, (last_value & 2147483647)::integer) FROM event_seq;
    IF due > now THEN
        state := 'scheduled';
    ELSE
        due := NULL;
    END IF;
    WITH stored AS (
        INSERT INTO specs (id, args, type, queue, priority, owner, tags, timeout, retention, origin, created_at)
        SELECT one.id, one.args, type, queue, priority, owner, tags, timeout, retention, origin, now
        FROM unnest(ids, arguments) AS one (id, args) RETURNING seq
    ), placed AS (
        INSERT INTO runs (seq, lane, state, actor, max_attempts, run_at, changed_at)
        SELECT seq, lane, state, actor, max_attempts, due, now FROM stored
    ), listed AS (
        INSERT INTO events (at, kind, job, state, actor, attempt) SELECT now, 0, seq, state, actor, 0 FROM stored
    )
    INSERT INTO counts (lane, state, n) SELECT lane, state, count(*) FROM stored;
    IF tags IS NOT NULL THEN
        INSERT INTO job_tags (tag, job)
        SELECT DISTINCT tag, seq FROM specs, json_array_elements_text(tags::json) AS tag WHERE id = ANY (ids);
    END IF;
    IF channels <> '{}' THEN
        PERFORM pg_notify(channel, '') FROM unnest(channels) AS channel;
    END IF;
    RETURN now;
END $$;

CREATE FUNCTION tell_joined() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF current_setting('holdfast.telling', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        -- the first job of this transaction: a lock for each would fill the lock table of the server
        PERFORM refuse_sealed();
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            -- an old snapshot does not show a new seal, whose unique entry is in the way here: a serialization failure
            INSERT INTO meta (name, value) VALUES ('sealed', '') ON CONFLICT DO NOTHING;
            DELETE FROM meta WHERE name = 'sealed' AND value = '';
        END IF;
        PERFORM pg_advisory_xact_lock_shared({lock_class}, (SELECT (last_value & 2147483647)::integer FROM event_seq));
        PERFORM set_config('holdfast.telling', pg_current_xact_id()::text, true);
    END IF;
    INSERT INTO events (at, kind, job, state, actor, attempt)
    VALUES (NEW.changed_at, 0, NEW.seq, NEW.state, NEW.actor, 0);
    INSERT INTO counts (lane, state, n) VALUES (NEW.lane, NEW.state, 1);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER runs_joined AFTER INSERT ON runs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.joined) EXECUTE FUNCTION tell_joined();
""",
    ),
    (
        "0002_readable",
        """
-- A text as JSON for a search, NULL where it is none: a cast would refuse the whole statement for the sake of one row.
-- `jsonb` also refuses what is JSON and cannot be compared, such as a number beyond `numeric`, or text with NUL.
CREATE FUNCTION readable(value text) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM value::jsonb;
    RETURN value::json;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;
""",
    ),
    (
        "0003_outcomes",
        """
CREATE TABLE outcomes (
    at         bigint NOT NULL,      -- start of a minute, in seconds since the epoch
    type       text COLLATE "C" NOT NULL,
    succeeded  bigint NOT NULL,
    failed     bigint NOT NULL,      -- attempts, also those that are tried again
    PRIMARY KEY (at, type)
);
""",
    ),
)
"""(name, script), applied in order, each in one transaction with `search_path` set to our schema; `meta` counts them."""
