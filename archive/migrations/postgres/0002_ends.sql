ALTER TABLE lts_tasks ADD COLUMN orphan TEXT NOT NULL DEFAULT '';
ALTER TABLE lts_tasks ADD COLUMN exported BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE lts_events ADD COLUMN orphan TEXT NOT NULL DEFAULT '';
ALTER TABLE lts_events ADD COLUMN exported BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE lts_cursors ADD COLUMN archive TEXT NOT NULL DEFAULT '';
ALTER TABLE lts_cursors ADD COLUMN waiting_from TEXT NOT NULL DEFAULT '';
CREATE INDEX lts_tasks_orphan ON lts_tasks (pool, ended_at, key) WHERE ended_at IS NOT NULL AND orphan <> '';
CREATE INDEX lts_tasks_exported ON lts_tasks (pool, ended_at, key) WHERE ended_at IS NOT NULL AND exported;
