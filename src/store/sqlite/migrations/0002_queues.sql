-- Queues have a row each, and each its own line.
CREATE TABLE queues (
    name TEXT NOT NULL PRIMARY KEY,
    concurrency INTEGER NOT NULL DEFAULT 0 CHECK (concurrency >= 0),
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1))
) STRICT, WITHOUT ROWID;

INSERT INTO queues (name) SELECT DISTINCT queue FROM jobs;

DROP INDEX jobs_to_claim;
CREATE INDEX jobs_to_claim ON jobs (queue, priority DESC, execution, activity) WHERE state = 'queued';
CREATE INDEX jobs_running ON jobs (queue) WHERE state = 'running';

-- When a running execution has run long enough.
ALTER TABLE executions ADD COLUMN deadline_at INTEGER;

CREATE INDEX executions_deadline ON executions (deadline_at) WHERE deadline_at IS NOT NULL;

-- What retention takes away.
CREATE INDEX executions_ended ON executions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX events_by_age ON events (at);
