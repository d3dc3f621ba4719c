-- Warnings of the last attempts of its activities: how many. The log holds them.
ALTER TABLE executions ADD COLUMN warnings BIGINT NOT NULL DEFAULT 0;

UPDATE executions SET warnings = (
    SELECT count(*) FROM log l
    JOIN (SELECT activity, max(attempt) AS last FROM log WHERE execution = executions.seq GROUP BY activity) a
        ON a.activity = l.activity AND a.last = l.attempt
    WHERE l.execution = executions.seq AND l.mark AND l.event LIKE '{"type":"warning"%'
)
WHERE seq IN (SELECT execution FROM log WHERE mark AND event LIKE '{"type":"warning"%');

-- Those that have any.
CREATE INDEX executions_warned ON executions (seq) WHERE warnings > 0;
