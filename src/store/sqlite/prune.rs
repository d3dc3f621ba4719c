//! Retention: what is old goes, a batch at a time.

use std::collections::BTreeSet;

use rusqlite::params;

use super::fault::Fault;
use super::writer::Writer;
use crate::model::Timestamp;
use crate::store::{Pruned, Retention};

impl Writer {
    /// See [`crate::store::Store::prune`].
    pub(super) fn prune(&mut self, retention: Retention, limit: u32, now: Timestamp) -> Result<Pruned, Fault> {
        let plans: Vec<i64> = self
            .db
            .prepare_cached(
                "DELETE FROM executions WHERE seq IN (
                     SELECT seq FROM executions e WHERE ended_at < ?1 AND NOT EXISTS (
                         SELECT 1 FROM outbox WHERE execution = e.seq AND delivery = 'pending')
                     ORDER BY ended_at LIMIT ?2) RETURNING plan",
            )?
            .query_map(params![now.before(retention.executions).0, limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if !plans.is_empty() {
            let mut forget = self.db.prepare_cached(
                "DELETE FROM plans WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM executions WHERE plan = ?1)",
            )?;
            for plan in plans.iter().collect::<BTreeSet<_>>() {
                forget.execute([plan])?;
            }
            drop(forget);
            // Nothing in memory may outlive its rows.
            self.cache.clear();
        }
        let marks = self
            .db
            .prepare_cached(
                "DELETE FROM log WHERE (execution, seq) IN (
                     SELECT l.execution, l.seq FROM log l JOIN executions e ON e.seq = l.execution
                     WHERE l.mark = 1 AND l.at < ?1 AND e.ended_at IS NOT NULL ORDER BY l.at LIMIT ?2)",
            )?
            .execute(params![now.before(retention.logs).0, limit])?;
        let events = self
            .db
            .prepare_cached(
                "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute(params![now.before(retention.events).0, limit])?;
        let requests = self
            .db
            .prepare_cached(
                "DELETE FROM requests WHERE key IN (SELECT key FROM requests WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute(params![now.before(retention.requests).0, limit])?;
        Ok(Pruned {
            executions: plans.len() as u64,
            marks: marks as u64,
            events: events as u64,
            requests: requests as u64,
        })
    }
}
