//! Notifications: which are due, and what became of them.

use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::codec;
use super::fault::Fault;
use super::writer::Writer;
use crate::model::{ExecutionId, ExecutionState, Timestamp};
use crate::store::notification::CANDIDATES;
use crate::store::{Delivery, DueFilter, Hint, Notification, NotificationFilter, NotificationRecord};

/// Columns of a notification, in the order [`notification`] reads them.
const NOTIFICATION: &str = "o.id, e.id, o.target, o.state, o.at, o.attempts";

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

    /// See [`crate::store::Store::resend`].
    pub(super) fn resend(&mut self, id: i64, now: Timestamp) -> Result<(), Fault> {
        let changed = self
            .db
            .prepare_cached(
                "UPDATE outbox SET due_at = iif(delivery = 'pending', due_at, ?2),
                     attempts = iif(delivery = 'pending', attempts, 0), delivery = 'pending' WHERE id = ?1",
            )?
            .execute(params![id, now.0])?;
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

/// See [`crate::store::Store::due_notifications`].
pub(super) fn due_notifications(
    db: &Connection,
    filter: &DueFilter,
    now: Timestamp,
) -> Result<Vec<Notification>, Fault> {
    // What a target begins with is its receiver.
    let mut statement = db.prepare_cached(&format!(
        "SELECT {NOTIFICATION}, substr(o.target, 1, instr(o.target, ',\"on\":') - 1) AS receiver
         FROM outbox o JOIN executions e ON e.seq = o.execution
         WHERE o.delivery = 'pending' AND o.due_at <= ?1 AND receiver NOT IN (SELECT value FROM json_each(?3))
             AND NOT EXISTS (
                 SELECT 1 FROM outbox p
                 WHERE p.execution = o.execution AND p.position = o.position AND p.id < o.id AND p.delivery = 'pending')
         ORDER BY o.due_at, o.id LIMIT ?2"
    ))?;
    let mut rows = statement.query(params![now.0, CANDIDATES, codec::to_json(&filter.full())?])?;
    let mut chooser = filter.chooser();
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        if chooser.takes(row.get(0)?, &row.get::<_, String>(6)?) {
            due.push(notification(row)?);
        }
    }
    Ok(due)
}

/// See [`crate::store::Store::notifications`].
pub(super) fn notifications(db: &Connection, filter: NotificationFilter) -> Result<Vec<NotificationRecord>, Fault> {
    // One statement per set of conditions, so that each can use its index.
    let mut sql = format!(
        "SELECT {NOTIFICATION}, o.delivery, o.due_at, o.error FROM outbox o JOIN executions e ON e.seq = o.execution
         WHERE 1"
    );
    if filter.execution.is_some() {
        sql.push_str(" AND o.execution = (SELECT seq FROM executions WHERE id = ?1)");
    }
    if let Some(delivery) = filter.delivery {
        // Written out, so that an index over these alone is one that serves.
        sql.push_str(" AND o.delivery = '");
        sql.push_str(delivery.as_str());
        sql.push('\'');
    }
    if filter.before.is_some() {
        sql.push_str(" AND o.id < ?2");
    }
    sql.push_str(" ORDER BY o.id DESC LIMIT ?3");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![filter.execution.map(|id| id.0), filter.before, filter.limit])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let delivery = codec::named("delivery", &row.get::<_, String>(6)?, Delivery::parse)?;
        page.push(NotificationRecord {
            notification: notification(row)?,
            delivery,
            due_at: (delivery == Delivery::Pending).then_some(Timestamp(row.get(7)?)),
            error: row.get(8)?,
        });
    }
    Ok(page)
}

fn notification(row: &Row<'_>) -> Result<Notification, Fault> {
    Ok(Notification {
        id: row.get(0)?,
        execution: ExecutionId(row.get(1)?),
        target: codec::from_json("notification target", &row.get::<_, String>(2)?)?,
        state: codec::named("execution state", &row.get::<_, String>(3)?, ExecutionState::parse)?,
        at: Timestamp(row.get(4)?),
        attempts: row.get(5)?,
    })
}
