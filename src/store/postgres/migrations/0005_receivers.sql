-- Pending notifications by receiver, which is what a target begins with: a look passes over a receiver without room as a
-- whole, however many wait for it. Addresses can be longer than an entry of an index.
DROP INDEX outbox_due;
CREATE INDEX outbox_receivers ON outbox (md5(split_part(target, ',"on":', 1)), due_at, id) WHERE delivery = 'pending';
