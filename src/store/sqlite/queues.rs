//! Queues: what they may do, what they hold.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::execution::QueueRow;
use super::fault::Fault;
use super::writer::Writer;
use crate::model::Timestamp;
use crate::store::{Hint, QueueChange, QueueStatus};

impl Writer {
    /// Adds a queue, unless it is there.
    pub(super) fn add_queue(&mut self, name: &str) -> Result<(), Fault> {
        if self.lines()?.contains_key(name) {
            return Ok(());
        }
        self.db.prepare_cached("INSERT INTO queues (name) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([name])?;
        if let Some(lines) = &mut self.cache.lines {
            lines.insert(name.to_owned(), QueueRow::default());
        }
        Ok(())
    }

    /// See [`crate::store::Store::set_queue`].
    pub(super) fn set_queue(&mut self, name: &str, change: QueueChange) -> Result<(), Fault> {
        self.add_queue(name)?;
        self.db
            .prepare_cached(
                "UPDATE queues SET paused = coalesce(?2, paused), concurrency = coalesce(?3, concurrency)
                 WHERE name = ?1",
            )?
            .execute(params![name, change.paused, change.concurrency])?;
        self.cache.lines = None;
        self.hints.push(Hint::Queue);
        Ok(())
    }

    /// Every queue with its running jobs, in memory.
    pub(super) fn lines(&mut self) -> Result<&BTreeMap<String, QueueRow>, Fault> {
        if self.cache.lines.is_none() {
            let lines = self
                .db
                .prepare_cached(
                    "SELECT name, concurrency, paused, coalesce(running, 0) FROM queues LEFT JOIN (
                         SELECT queue, count(*) AS running FROM jobs
                         WHERE due_at IS NOT NULL AND state = 'running' GROUP BY queue) ON queue = name",
                )?
                .query_map([], |row| {
                    let line =
                        QueueRow { concurrency: row.get(1)?, paused: row.get(2)?, running: row.get(3)?, served: 0 };
                    Ok((row.get(0)?, line))
                })?
                .collect::<Result<_, _>>()?;
            self.cache.lines = Some(lines);
        }
        Ok(self.cache.lines.get_or_insert_default())
    }
}

/// See [`crate::store::Store::queues`].
pub(super) fn queues(db: &Connection) -> Result<Vec<QueueStatus>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT name, concurrency, paused,
             (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND queue = name LIMIT ?1)),
             (SELECT count(*) FROM jobs WHERE due_at IS NOT NULL AND state = 'running' AND queue = name),
             (SELECT created_at FROM executions WHERE seq =
                 (SELECT min(execution) FROM jobs WHERE state = 'queued' AND queue = name))
         FROM queues ORDER BY name",
    )?;
    let status = |row: &rusqlite::Row<'_>| {
        Ok(QueueStatus {
            name: row.get(0)?,
            concurrency: row.get(1)?,
            paused: row.get(2)?,
            waiting: row.get::<_, i64>(3)?.unsigned_abs(),
            running: row.get::<_, i64>(4)?.unsigned_abs(),
            oldest: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        })
    };
    Ok(statement.query_map([QueueStatus::COUNTED], status)?.collect::<Result<_, _>>()?)
}
