-- Pending notifications by receiver, which is what a target begins with: a look passes over a receiver without room as a
-- whole, however many wait for it.
DROP INDEX outbox_due;
CREATE INDEX outbox_receivers ON outbox (substr(target, 1, instr(target, ',"on":') - 1), due_at, id)
WHERE delivery = 'pending';
