-- Requests that were made under keys of their senders', so that each is carried out once.
CREATE TABLE requests (
    key TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    note TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What retention takes away of them.
CREATE INDEX requests_by_age ON requests (at);

-- Notifications that wait for somebody to look at them.
CREATE INDEX outbox_set_aside ON outbox (id) WHERE delivery = 'set_aside';
