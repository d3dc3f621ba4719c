-- Times are microseconds since 1970-01-01T00:00:00Z, identifiers 16-byte UUIDs, structured values JSON.

-- Frozen plans, each once: most executions of a workflow share one.
CREATE TABLE plans (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX plans_by_digest ON plans (digest);

-- The ledger: every upload that was announced, and every message that no shape fits.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    bucket TEXT,
    key TEXT,
    event TEXT,
    decisions TEXT NOT NULL,
    duplicates INTEGER NOT NULL DEFAULT 0,
    unreadable TEXT,
    body TEXT,
    CHECK ((event IS NULL) = (unreadable IS NOT NULL)),
    CHECK ((event IS NULL) = (bucket IS NULL))
) STRICT;

CREATE INDEX events_by_object ON events (bucket, key, seq);

-- Sequence numbers are the order of submission.
CREATE TABLE executions (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    event INTEGER REFERENCES events (seq) ON DELETE SET NULL,
    plan INTEGER NOT NULL REFERENCES plans (id),
    workflow TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
    input TEXT NOT NULL,
    params TEXT NOT NULL,
    user_data TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK ((ended_at IS NULL) = (state IN ('pending', 'running')))
) STRICT;

CREATE INDEX executions_by_workflow ON executions (workflow, seq);
CREATE INDEX executions_by_state ON executions (state, seq);
CREATE INDEX executions_by_event ON executions (event) WHERE event IS NOT NULL;
CREATE INDEX executions_by_plan ON executions (plan);

-- The log is the truth: an execution is loaded by folding its entries, marks left out. Its key also makes two writers
-- of one next entry collide.
CREATE TABLE log (
    execution INTEGER NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    seq INTEGER NOT NULL CHECK (seq >= 1),
    at INTEGER NOT NULL,
    activity TEXT,
    attempt INTEGER,
    mark INTEGER NOT NULL CHECK (mark IN (0, 1)),
    event TEXT NOT NULL,
    PRIMARY KEY (execution, seq)
) STRICT, WITHOUT ROWID;

-- The queue: one row per activity. `due_at` is when somebody must look at the row again: the end of a running job's
-- lease, the next attempt of a retrying one.
CREATE TABLE jobs (
    execution INTEGER NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    activity INTEGER NOT NULL,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (
        state IN ('waiting', 'queued', 'running', 'retrying', 'succeeded', 'failed', 'skipped', 'cancelled')
    ),
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 10),
    attempt INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    due_at INTEGER,
    stop INTEGER NOT NULL DEFAULT 0 CHECK (stop IN (0, 1)),
    progress TEXT,
    started_at INTEGER,
    ended_at INTEGER,
    PRIMARY KEY (execution, activity),
    CHECK ((worker IS NOT NULL) = (state = 'running')),
    CHECK ((due_at IS NOT NULL) = (state IN ('running', 'retrying'))),
    CHECK ((ended_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'skipped', 'cancelled')))
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_to_claim ON jobs (priority DESC, execution, activity) WHERE state = 'queued';
CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

-- Who published what: an upload event of such an object comes from Reelmill itself.
CREATE TABLE outputs (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    execution INTEGER NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    PRIMARY KEY (bucket, key, execution)
) STRICT, WITHOUT ROWID;

CREATE INDEX outputs_by_execution ON outputs (execution);

-- Notifications. `position` is the place of the target in the plan; its key makes each be queued once.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions (seq) ON DELETE CASCADE,
    run INTEGER NOT NULL,
    position INTEGER NOT NULL,
    target TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    at INTEGER NOT NULL,
    delivery TEXT NOT NULL DEFAULT 'pending' CHECK (delivery IN ('pending', 'delivered', 'set_aside')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    error TEXT,
    UNIQUE (execution, position, run, state)
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at) WHERE delivery = 'pending';
CREATE INDEX outbox_order ON outbox (execution, position, id) WHERE delivery = 'pending';
