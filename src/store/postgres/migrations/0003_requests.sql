-- Requests that were made under keys of their senders', so that each is carried out once.
CREATE TABLE requests (
    key TEXT NOT NULL PRIMARY KEY,
    digest BYTEA NOT NULL CHECK (length(digest) = 32),
    note TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- What retention takes away of them.
CREATE INDEX requests_by_age ON requests (at);

-- Plans of single jobs go with their executions, which are therefore looked up by their plan.
CREATE INDEX executions_by_plan ON executions (plan);

-- Notifications that wait for somebody to look at them.
CREATE INDEX outbox_set_aside ON outbox (id) WHERE delivery = 'set_aside';
