"""The tables, and every migration to them in one ordered, forward-only list.

What a claim reads is a small table of its own, `ready`, whose primary key is the order of claims: InnoDB has no partial
indexes, and a lane of ten thousand waiting jobs costs a claim no more than its own rows. The same way what is due, what
expires, and which unique keys are held stand in tables that only the jobs concerned have rows in, so that a plain job pays
for none of them. A job itself is one row: InnoDB changes the columns in their place, and splitting it would only add round
trips.

`events` is history and feed in one. Its numbers are not drawn from AUTO_INCREMENT, whose order is not that of commits, but
from the one row of `feed`, as the last statements of a transaction: InnoDB keeps that row locked until the transaction is
visible and lets it go before it waits for the disk, so numbers become visible in their order, without a gap, and commits
still share their flushes. Behind the same lock `counts` is kept: how many jobs are in each state, so that a million rows
are never counted.

Measured on MariaDB 10.11, each commit flushed, client and server on the same two cores with others at work: one writer
claims and settles 9,400 jobs/s in exchanges of 100, with two events for each job; 110 µs of processor time a job, 70 of them
the server's. Results and expiry differ from job to job, and a `CASE seq WHEN …` changes them faster than a join with
JSON_TABLE or a list of values does, up to 500 rows.

Every writing transaction begins with a shared lock on the one row of `seal`; making the store read-only waits for all of
them.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    *("jobs", "ready", "due", "expiry", "unique_keys", "idempotency_keys", "job_tags", "saved", "logs"),
    *(
        "events",
        "feed",
        "counts",
        "seal",
        "workers",
        "queues",
        "types",
        "buckets",
        "outcomes",
        "leaders",
        "meta",
    ),
)
"""All tables of ours but the one that says which migrations are applied."""

OPTIONS: Final = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}"

LEDGER: Final = f"""
CREATE TABLE IF NOT EXISTS holdfast_migrations (
    number      INT NOT NULL PRIMARY KEY,
    name        VARCHAR(200) NOT NULL,
    applied_at  BIGINT NOT NULL
) {OPTIONS}
"""

_NAME: Final = "VARCHAR(200)"
_KEY: Final = "VARCHAR(500)"

_JOBS = f"""
CREATE TABLE IF NOT EXISTS jobs (
    seq               BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id                {_NAME} NOT NULL,
    type              {_NAME} NOT NULL,
    queue             {_NAME} NOT NULL,
    state             VARCHAR(12) NOT NULL,
    reason            TEXT,
    actor             TEXT,
    requested         VARCHAR(12),
    requested_at      BIGINT,
    requested_by      TEXT,
    requested_reason  TEXT,
    priority          INT NOT NULL,
    args              LONGTEXT NOT NULL,
    owner             {_NAME},
    tags              MEDIUMTEXT,
    progress          MEDIUMTEXT,
    result            LONGTEXT,
    error_type        TEXT,
    error_message     MEDIUMTEXT,
    error_traceback   MEDIUMTEXT,
    attempt           INT NOT NULL DEFAULT 0,
    continues         TINYINT NOT NULL DEFAULT 0,
    max_attempts      INT NOT NULL,
    crashes           INT NOT NULL DEFAULT 0,
    token             BIGINT NOT NULL DEFAULT 0,
    worker            {_NAME},
    timeout           DOUBLE,
    unique_key        {_KEY},
    idempotency_key   {_KEY},
    retention         TEXT,
    origin            TEXT,
    log_lines         INT NOT NULL DEFAULT 0,
    created_at        BIGINT NOT NULL,
    changed_at        BIGINT NOT NULL,
    run_at            BIGINT,
    started_at        BIGINT,
    finished_at       BIGINT,
    expires_at        BIGINT,
    saved_at          BIGINT,
    UNIQUE KEY jobs_id (id),
    KEY jobs_lane (state, queue, type, seq),
    KEY jobs_owner (owner, seq)
) {OPTIONS}
"""

_SIDES = (
    f"""
CREATE TABLE IF NOT EXISTS ready (
    queue  {_NAME} NOT NULL,
    type   {_NAME} NOT NULL,
    turn   INT NOT NULL COMMENT 'the priority with its sign changed: low comes first',
    job    BIGINT NOT NULL,
    PRIMARY KEY (queue, type, turn, job)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS due (
    at   BIGINT NOT NULL,
    job  BIGINT NOT NULL,
    PRIMARY KEY (at, job)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS expiry (
    at   BIGINT NOT NULL,
    job  BIGINT NOT NULL,
    PRIMARY KEY (at, job)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS unique_keys (
    type  {_NAME} NOT NULL,
    name  {_KEY} NOT NULL,
    id    {_NAME} NOT NULL,
    PRIMARY KEY (type, name)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS idempotency_keys (
    name  {_KEY} NOT NULL,
    id    {_NAME} NOT NULL,
    PRIMARY KEY (name)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS job_tags (
    tag  {_NAME} NOT NULL,
    job  BIGINT NOT NULL,
    PRIMARY KEY (tag, job),
    KEY job_tags_job (job)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS saved (
    job    BIGINT NOT NULL PRIMARY KEY,
    saved  LONGTEXT NOT NULL,
    at     BIGINT NOT NULL,
    times  INT NOT NULL
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS logs (
    n        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    job      BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    level    VARCHAR(20) NOT NULL,
    message  MEDIUMTEXT NOT NULL,
    fields   MEDIUMTEXT,
    attempt  INT NOT NULL,
    KEY logs_job (job, n)
) {OPTIONS}
""",
)

_FEED = (
    f"""
CREATE TABLE IF NOT EXISTS events (
    seq       BIGINT NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    kind      TINYINT NOT NULL COMMENT '0 state, 1 request, 2 progress, 3 log, 4 removed, 5 queue, 6 worker',
    job       BIGINT,
    state     VARCHAR(12),
    previous  VARCHAR(12),
    reason    TEXT,
    actor     TEXT,
    attempt   INT,
    worker    {_NAME},
    KEY events_job (job, seq)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS feed (
    one     TINYINT NOT NULL PRIMARY KEY,
    newest  BIGINT NOT NULL
) {OPTIONS}
""",
    "INSERT IGNORE INTO feed (one, newest) VALUES (1, 0)",
    f"""
CREATE TABLE IF NOT EXISTS counts (
    queue  {_NAME} NOT NULL,
    type   {_NAME} NOT NULL,
    state  VARCHAR(12) NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (queue, type, state)
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS seal (
    one    TINYINT NOT NULL PRIMARY KEY,
    copy   TEXT,
    words  TEXT COMMENT 'NULL: anybody may write'
) {OPTIONS}
""",
    "INSERT IGNORE INTO seal (one) VALUES (1)",
)

_FLEET = (
    f"""
CREATE TABLE IF NOT EXISTS workers (
    id            {_NAME} NOT NULL PRIMARY KEY,
    name          {_NAME} NOT NULL,
    host          {_NAME} NOT NULL,
    pid           BIGINT NOT NULL,
    version       {_NAME} NOT NULL,
    state         VARCHAR(12) NOT NULL,
    queues        MEDIUMTEXT NOT NULL,
    types         MEDIUMTEXT NOT NULL,
    slots         INT NOT NULL,
    started_at    BIGINT NOT NULL,
    heartbeat_at  BIGINT NOT NULL,
    lost_at       BIGINT,
    deadline      BIGINT NOT NULL
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS queues (
    name           {_NAME} NOT NULL PRIMARY KEY,
    paused_at      BIGINT,
    paused_by      TEXT,
    paused_reason  TEXT
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS types (
    name          {_NAME} NOT NULL PRIMARY KEY,
    queue         {_NAME} NOT NULL,
    args_schema   LONGTEXT NOT NULL,
    doc           MEDIUMTEXT NOT NULL,
    signature     MEDIUMTEXT NOT NULL,
    executor      VARCHAR(20) NOT NULL,
    max_attempts  INT NOT NULL,
    timeout       DOUBLE,
    priority      INT NOT NULL,
    tags          TEXT,
    retention     TEXT,
    updated_at    BIGINT NOT NULL
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS buckets (
    at         BIGINT NOT NULL PRIMARY KEY COMMENT 'start of ten seconds, in seconds since the epoch',
    started    BIGINT NOT NULL,
    succeeded  BIGINT NOT NULL,
    failed     BIGINT NOT NULL,
    cancelled  BIGINT NOT NULL
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS leaders (
    role      {_NAME} NOT NULL PRIMARY KEY,
    holder    {_NAME} COMMENT 'NULL: nobody since the last one resigned',
    term      BIGINT NOT NULL,
    since     BIGINT NOT NULL,
    deadline  BIGINT NOT NULL
) {OPTIONS}
""",
    f"""
CREATE TABLE IF NOT EXISTS meta (
    name   {_NAME} NOT NULL PRIMARY KEY,
    value  BIGINT NOT NULL
) {OPTIONS}
""",
    "INSERT IGNORE INTO meta (name, value) VALUES ('rolled_up', 0), ('oldest_event', 1), ('needs', 1)",
)

_OUTCOMES = f"""
CREATE TABLE IF NOT EXISTS outcomes (
    at         BIGINT NOT NULL COMMENT 'start of a minute, in seconds since the epoch',
    type       {_NAME} NOT NULL,
    succeeded  BIGINT NOT NULL,
    failed     BIGINT NOT NULL COMMENT 'attempts, also those that are tried again',
    PRIMARY KEY (at, type)
) {OPTIONS}
"""

MIGRATIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("0001_first", (_JOBS, *_SIDES, *_FEED, *_FLEET)),
    ("0002_outcomes", (_OUTCOMES,)),
)
"""(name, statements), applied in order. The server commits each CREATE by itself, so every statement may be run again:
a start that was cut short, and two at once, end where one whole start does."""
