CREATE TABLE lts_tasks (
    key           INTEGER PRIMARY KEY,
    pool          TEXT NOT NULL,
    id            TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    queue         TEXT NOT NULL,
    task_group    TEXT NOT NULL,
    state         TEXT NOT NULL,
    code          TEXT NOT NULL,
    error         TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    replica       TEXT NOT NULL,
    started_at    INTEGER,
    ended_at      INTEGER,
    wait_ms       INTEGER NOT NULL,
    run_ms        INTEGER NOT NULL,
    result        BLOB,
    result_bytes  INTEGER NOT NULL,
    headers       TEXT NOT NULL,
    record_version INTEGER NOT NULL,
    payload       BLOB,
    priority      INTEGER NOT NULL,
    unique_key    TEXT NOT NULL,
    failures      INTEGER NOT NULL,
    lost          INTEGER NOT NULL,
    progress      BLOB,
    created_known BOOLEAN NOT NULL,
    complete      BOOLEAN NOT NULL,
    pos_ms        INTEGER NOT NULL,
    pos_seq       INTEGER NOT NULL
);
CREATE UNIQUE INDEX lts_tasks_generation ON lts_tasks (pool, id, created_at, generation);
CREATE INDEX lts_tasks_newest ON lts_tasks (pool, id, pos_ms, pos_seq);
CREATE INDEX lts_tasks_ended ON lts_tasks (pool, ended_at, key, state, kind) WHERE ended_at IS NOT NULL;
CREATE INDEX lts_tasks_state ON lts_tasks (pool, state, ended_at, key) WHERE ended_at IS NOT NULL;
CREATE INDEX lts_tasks_kind ON lts_tasks (pool, kind, state, ended_at, key, queue) WHERE ended_at IS NOT NULL;
CREATE INDEX lts_tasks_queue ON lts_tasks (pool, queue, state, ended_at, key) WHERE ended_at IS NOT NULL;
CREATE INDEX lts_tasks_code ON lts_tasks (pool, code, state, ended_at, key) WHERE ended_at IS NOT NULL;
CREATE INDEX lts_tasks_group ON lts_tasks (pool, task_group, state, ended_at, key, kind, queue) WHERE ended_at IS NOT NULL AND task_group <> '';
CREATE INDEX lts_tasks_error ON lts_tasks (pool, ended_at, key) WHERE ended_at IS NOT NULL AND error <> '';
CREATE INDEX lts_tasks_live ON lts_tasks (pool, key) WHERE ended_at IS NULL;

CREATE TABLE lts_attempts (
    task       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    replica    TEXT NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    slow_at    INTEGER,
    wait_ms    INTEGER NOT NULL,
    run_ms     INTEGER NOT NULL,
    code       TEXT NOT NULL,
    error      TEXT NOT NULL,
    log        TEXT NOT NULL,
    log_size   INTEGER NOT NULL,
    PRIMARY KEY (task, attempt)
) WITHOUT ROWID;

CREATE TABLE lts_events (
    task         INTEGER NOT NULL,
    pos_ms       INTEGER NOT NULL,
    pos_seq      INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    state        TEXT NOT NULL,
    code         TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    replica      TEXT NOT NULL,
    wait_ms      INTEGER NOT NULL,
    run_ms       INTEGER NOT NULL,
    error        TEXT NOT NULL,
    kind         TEXT NOT NULL,
    queue        TEXT NOT NULL,
    task_group   TEXT NOT NULL,
    result       BLOB,
    result_bytes INTEGER NOT NULL,
    headers      TEXT NOT NULL,
    PRIMARY KEY (task, pos_ms, pos_seq, version)
) WITHOUT ROWID;

CREATE TABLE lts_cursors (
    pool       TEXT PRIMARY KEY,
    cursor     TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE lts_gaps (
    key           INTEGER PRIMARY KEY,
    pool          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    after_cursor  TEXT NOT NULL,
    next_cursor   TEXT NOT NULL,
    until_cursor  TEXT NOT NULL,
    found_at      INTEGER NOT NULL,
    reconciled_at INTEGER,
    archived      INTEGER NOT NULL,
    unknown       INTEGER NOT NULL
);
CREATE INDEX lts_gaps_pool ON lts_gaps (pool, found_at);
