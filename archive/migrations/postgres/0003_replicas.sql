CREATE TABLE lts_replicas (
    pool    TEXT NOT NULL,
    replica TEXT NOT NULL,
    host    TEXT NOT NULL,
    ip      TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (pool, replica)
);
CREATE INDEX lts_replicas_seen ON lts_replicas (pool, seen_at);
