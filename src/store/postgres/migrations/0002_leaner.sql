-- A foreign key asks about every row on its own, which costs more than the row. Rows are written only under the lock on
-- their execution, so what they refer to is there; when executions go, one statement per table takes theirs along.

ALTER TABLE log DROP CONSTRAINT log_execution_fkey;
ALTER TABLE jobs DROP CONSTRAINT jobs_execution_fkey;
ALTER TABLE outputs DROP CONSTRAINT outputs_execution_fkey;
ALTER TABLE outbox DROP CONSTRAINT outbox_execution_fkey;

CREATE FUNCTION forget_executions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM log USING gone WHERE log.execution = gone.seq;
    DELETE FROM jobs USING gone WHERE jobs.execution = gone.seq;
    DELETE FROM outputs USING gone WHERE outputs.execution = gone.seq;
    DELETE FROM outbox USING gone WHERE outbox.execution = gone.seq;
    RETURN NULL;
END
$$;

CREATE TRIGGER executions_forgotten AFTER DELETE ON executions
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_executions();

-- Executions come in the order of time: a few bytes per thousand of them answer "since when".
CREATE INDEX executions_created ON executions USING brin (created_at);

-- The unique key gives the order of one receiver as well.
DROP INDEX outbox_order;

-- What retention takes away of logs.
CREATE INDEX log_marks ON log (at) WHERE mark;
