//! What became of a notification.

use std::time::Duration;

use rusqlite::params;

use super::fault::Fault;
use super::writer::Writer;
use crate::model::Timestamp;
use crate::store::Hint;

impl Writer {
    /// See [`crate::store::Store::delivered`].
    pub(super) fn delivered(&mut self, id: i64) -> Result<(), Fault> {
        let changed = self
            .db
            .prepare_cached(
                "UPDATE outbox SET delivery = 'delivered', attempts = attempts + 1, error = NULL WHERE id = ?1",
            )?
            .execute([id])?;
        self.attempted(id, changed)
    }

    /// See [`crate::store::Store::undelivered`].
    pub(super) fn undelivered(
        &mut self,
        id: i64,
        error: &str,
        retry: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let delivery = if retry.is_some() { "pending" } else { "set_aside" };
        let changed = self
            .db
            .prepare_cached(
                "UPDATE outbox SET delivery = ?2, attempts = attempts + 1, due_at = ?3, error = ?4
                 WHERE id = ?1 AND delivery <> 'delivered'",
            )?
            .execute(params![id, delivery, now.after(retry.unwrap_or_default()).0, error])?;
        self.attempted(id, changed)
    }

    /// The next notification of the same execution and target may be due now.
    fn attempted(&mut self, id: i64, changed: usize) -> Result<(), Fault> {
        if changed == 0 {
            return Err(Fault::not_found("notification", id));
        }
        self.hints.push(Hint::Outbox);
        Ok(())
    }
}
