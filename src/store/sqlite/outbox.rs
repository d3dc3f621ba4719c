//! Notifications: which are due, and what became of them.

use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::codec;
use super::fault::Fault;
use super::writer::Writer;
use crate::model::{ExecutionId, ExecutionState, Timestamp};
use crate::store::notification::CANDIDATES;
use crate::store::{Delivery, DueFilter, Hint, Notification, NotificationFilter, NotificationRecord};

/// Receiver of a notification: the beginning of its target. The index over receivers uses the same expression.
const RECEIVER: &str = "substr(target, 1, instr(target, ',\"on\":') - 1)";

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
        if retry.is_some() {
            // Later notifications of the execution to the same receiver wait for this one, and are not tried until
            // then.
            self.db
                .prepare_cached(
                    "UPDATE outbox AS o SET due_at = p.due_at FROM outbox p
                     WHERE p.id = ?1 AND o.execution = p.execution AND o.position = p.position AND o.id > p.id
                         AND o.delivery = 'pending' AND o.due_at < p.due_at",
                )?
                .execute([id])?;
        }
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
    let mut statement = db.prepare_cached(&due())?;
    let full = codec::to_json(&filter.full())?;
    let mut rows = statement.query(params![now.0, CANDIDATES, full, filter.per_receiver_at_most()])?;
    let mut chooser = filter.chooser();
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        if chooser.takes(row.get(0)?, &row.get::<_, String>(6)?) {
            due.push(notification(row)?);
        }
    }
    Ok(due)
}

/// Statement that finds due notifications (due until `?1`, `?2` in all, `?4` of each receiver but those of `?3`). It goes
/// from receiver to receiver in their index.
fn due() -> String {
    format!(
        "WITH RECURSIVE receivers (name) AS (
             SELECT * FROM (
                 SELECT {RECEIVER} FROM outbox WHERE delivery = 'pending' ORDER BY {RECEIVER} LIMIT 1)
             UNION ALL
             SELECT (SELECT {RECEIVER} FROM outbox WHERE delivery = 'pending' AND {RECEIVER} > name
                     ORDER BY {RECEIVER} LIMIT 1)
             FROM receivers WHERE name IS NOT NULL
         )
         SELECT {NOTIFICATION}, r.name
         FROM receivers r CROSS JOIN outbox o ON o.id IN (
             SELECT id FROM outbox c
             WHERE delivery = 'pending' AND {RECEIVER} = r.name AND due_at <= ?1 AND NOT EXISTS (
                 SELECT 1 FROM outbox p
                 WHERE p.execution = c.execution AND p.position = c.position AND p.id < c.id AND p.delivery = 'pending')
             ORDER BY due_at, id LIMIT ?4)
         CROSS JOIN executions e ON e.seq = o.execution
         WHERE r.name NOT IN (SELECT value FROM json_each(?3))
         ORDER BY o.due_at, o.id LIMIT ?2"
    )
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
        // A literal, so that the planner can use the partial index over these alone.
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

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::model::plan::NotifyChannel;

    /// Steps of SQLite's virtual machine for one query, with so many due notifications of a receiver without room.
    fn steps(waiting: u32) -> i32 {
        let db = crate::store::sqlite::open::writer(None).unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        let target = |name: &str| format!(r#"{{"to":{{"webhook":"{name}"}},"on":["started"]}}"#);
        let insert = "INSERT INTO outbox (execution, run, position, target, state, at, due_at)
                      VALUES (?1, 1, 0, ?2, 'running', 0, ?1)";
        for execution in 0..waiting {
            db.prepare_cached(insert).unwrap().execute(params![execution, target("dead")]).unwrap();
        }
        for execution in waiting..waiting + 3 {
            db.prepare_cached(insert).unwrap().execute(params![execution, target("quick")]).unwrap();
        }
        let dead = DueFilter {
            limit: 128,
            per_receiver: 8,
            taken: vec![(NotifyChannel::Webhook("dead".to_owned()), 8)],
            under_way: Vec::new(),
        };
        let mut statement = db.prepare(&due()).unwrap();
        let full = codec::to_json(&dead.full()).unwrap();
        assert!(target("dead").starts_with(&dead.full()[0]));
        let mut rows = statement.query(params![i64::MAX, CANDIDATES, full, 8]).unwrap();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        statement.get_status(StatementStatus::VmStep)
    }

    #[test]
    fn field_fault_owncast_1504_a_look_costs_the_same_however_many_wait_for_a_dead_receiver() {
        let (few, many) = (steps(10), steps(2_000));
        assert!(few > 0 && many < few * 2, "{few} steps, then {many}");
    }
}
