-- Every row written costs what its table asks of it. SQLite builds a temporary table for each list of an IN in a CHECK,
-- each time; comparisons cost next to nothing. Running jobs are among those with a `due_at`, which are few, and the
-- outbox's unique key also gives the order of one target: neither needs an index of its own.
--
-- Foreign keys are not enforced while this runs.

CREATE TABLE new_executions (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    event INTEGER REFERENCES events (seq) ON DELETE SET NULL,
    plan INTEGER NOT NULL REFERENCES plans (id),
    workflow TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state = 'running' OR state = 'succeeded' OR state = 'failed' OR state = 'cancelled' OR state = 'pending'
    ),
    input TEXT NOT NULL,
    params TEXT NOT NULL,
    user_data TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    deadline_at INTEGER,
    CHECK ((ended_at IS NULL) = (state = 'running' OR state = 'pending'))
) STRICT;

INSERT INTO new_executions
SELECT seq, id, event, plan, workflow, state, input, params, user_data, created_at, ended_at, deadline_at
FROM executions;
DROP TABLE executions;
ALTER TABLE new_executions RENAME TO executions;

CREATE INDEX executions_by_workflow ON executions (workflow, seq);
CREATE INDEX executions_by_state ON executions (state, seq);
CREATE INDEX executions_by_event ON executions (event) WHERE event IS NOT NULL;
CREATE INDEX executions_by_plan ON executions (plan);
CREATE INDEX executions_deadline ON executions (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX executions_ended ON executions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE new_jobs (
    execution INTEGER NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    activity INTEGER NOT NULL,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (
        state = 'running' OR state = 'succeeded' OR state = 'queued' OR state = 'waiting'
        OR state = 'retrying' OR state = 'failed' OR state = 'skipped' OR state = 'cancelled'
    ),
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 10),
    attempt INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    due_at INTEGER,
    stop INTEGER NOT NULL DEFAULT 0 CHECK (stop = 0 OR stop = 1),
    progress TEXT,
    started_at INTEGER,
    ended_at INTEGER,
    PRIMARY KEY (execution, activity),
    CHECK ((worker IS NOT NULL) = (state = 'running')),
    CHECK ((due_at IS NOT NULL) = (state = 'running' OR state = 'retrying')),
    CHECK ((ended_at IS NOT NULL) = (
        state = 'succeeded' OR state = 'failed' OR state = 'skipped' OR state = 'cancelled'
    ))
) STRICT, WITHOUT ROWID;

INSERT INTO new_jobs
SELECT execution, activity, id, state, queue, priority, attempt, worker, due_at, stop, progress, started_at, ended_at
FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;

CREATE INDEX jobs_to_claim ON jobs (queue, priority DESC, execution, activity) WHERE state = 'queued';
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE new_outbox (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    run INTEGER NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state = 'succeeded' OR state = 'running' OR state = 'failed' OR state = 'cancelled'
    ),
    at INTEGER NOT NULL,
    delivery TEXT NOT NULL DEFAULT 'pending' CHECK (
        delivery = 'pending' OR delivery = 'delivered' OR delivery = 'set_aside'
    ),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    error TEXT,
    UNIQUE (execution, position, run, state)
) STRICT;

INSERT INTO new_outbox
SELECT id, execution, run, position, target, state, at, delivery, attempts, due_at, error FROM outbox;
DROP TABLE outbox;
ALTER TABLE new_outbox RENAME TO outbox;

CREATE INDEX outbox_due ON outbox (due_at) WHERE delivery = 'pending';

-- What retention takes away of logs.
CREATE INDEX log_marks ON log (at) WHERE mark = 1;
