//! Notifications: which are due, and what became of them.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Row};

use super::codec;
use super::fault::Fault;
use crate::model::{ExecutionId, ExecutionState, Timestamp};
use crate::store::notification::CANDIDATES;
use crate::store::{DELIVERY_LEASE, Delivery, DueFilter, Notification, NotificationFilter, NotificationRecord};

/// Columns of a notification, in the order [`notification`] reads them.
const NOTIFICATION: &str = "o.id, e.id, o.target, o.state, o.at, o.attempts";

/// Receiver of a notification: the beginning of its target. The index over receivers uses the same expression.
const RECEIVER: &str = "md5(split_part(target, ',\"on\":', 1))";

/// Statement that finds due notifications (due until `$1`, `$2` in all, `$4` of each receiver but those of `$3`) and locks
/// them. It goes from receiver to receiver in their index.
fn due() -> String {
    format!(
        "WITH RECURSIVE receivers (name) AS (
             (SELECT {RECEIVER} FROM outbox WHERE delivery = 'pending' ORDER BY {RECEIVER} LIMIT 1)
             UNION ALL
             SELECT (SELECT {RECEIVER} FROM outbox WHERE delivery = 'pending' AND {RECEIVER} > r.name
                     ORDER BY {RECEIVER} LIMIT 1)
             FROM receivers r WHERE r.name IS NOT NULL
         )
         SELECT c.id, split_part(c.target, ',\"on\":', 1) FROM receivers r CROSS JOIN LATERAL (
             SELECT id, target, due_at FROM outbox o
             WHERE delivery = 'pending' AND {RECEIVER} = r.name AND due_at <= $1 AND NOT EXISTS (
                 SELECT 1 FROM outbox p
                 WHERE p.execution = o.execution AND p.position = o.position AND p.id < o.id AND p.delivery = 'pending')
             ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED) c
         WHERE r.name <> ALL(SELECT md5(receiver) FROM unnest($3::text[]) AS receivers (receiver))
         ORDER BY c.due_at, c.id LIMIT $2"
    )
}

/// See [`crate::store::Store::due_notifications`].
pub(super) async fn due_notifications(
    pool: &PgPool,
    filter: &DueFilter,
    now: Timestamp,
) -> Result<Vec<Notification>, Fault> {
    let mut db = pool.begin().await?;
    // Rows locked here are skipped by other daemons, for a short time only.
    let candidates = sqlx::query(AssertSqlSafe(due()))
        .bind(now.0)
        .bind(i64::from(CANDIDATES))
        .bind(filter.full())
        .bind(i64::from(filter.per_receiver_at_most()))
        .fetch_all(&mut *db)
        .await?;
    let mut chooser = filter.chooser();
    let mut chosen: Vec<i64> = Vec::new();
    for row in &candidates {
        let id = row.try_get(0)?;
        if chooser.takes(id, row.try_get(1)?) {
            chosen.push(id);
        }
    }
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "UPDATE outbox o SET due_at = $2 FROM executions e WHERE o.id = ANY($1) AND e.seq = o.execution
         RETURNING {NOTIFICATION}"
    );
    let rows =
        sqlx::query(AssertSqlSafe(sql)).bind(chosen).bind(now.after(DELIVERY_LEASE).0).fetch_all(&mut *db).await?;
    db.commit().await?;
    let mut due = rows.iter().map(notification).collect::<Result<Vec<_>, _>>()?;
    due.sort_by_key(|notification| notification.id);
    Ok(due)
}

/// See [`crate::store::Store::undelivered`].
pub(super) async fn undelivered(
    pool: &PgPool,
    id: i64,
    error: &str,
    retry: Option<Duration>,
    now: Timestamp,
) -> Result<(), Fault> {
    let delivery = if retry.is_some() { Delivery::Pending } else { Delivery::SetAside };
    let changed = sqlx::query(
        "UPDATE outbox SET delivery = $2, attempts = attempts + 1, due_at = $3, error = $4
         WHERE id = $1 AND delivery <> 'delivered'",
    )
    .bind(id)
    .bind(delivery.as_str())
    .bind(now.after(retry.unwrap_or_default()).0)
    .bind(codec::text(error).as_ref())
    .execute(pool)
    .await?;
    if retry.is_some() {
        // Later notifications of the execution to the same receiver wait for this one, and are not tried until then.
        sqlx::query(
            "UPDATE outbox o SET due_at = p.due_at FROM outbox p
             WHERE p.id = $1 AND o.execution = p.execution AND o.position = p.position AND o.id > p.id
                 AND o.delivery = 'pending' AND o.due_at < p.due_at",
        )
        .bind(id)
        .execute(pool)
        .await?;
    }
    if changed.rows_affected() == 0 { Err(Fault::not_found("notification", id)) } else { Ok(()) }
}

/// See [`crate::store::Store::resend`].
pub(super) async fn resend(pool: &PgPool, id: i64, now: Timestamp) -> Result<(), Fault> {
    let changed = sqlx::query(
        "UPDATE outbox SET due_at = CASE WHEN delivery = 'pending' THEN due_at ELSE $2 END,
             attempts = CASE WHEN delivery = 'pending' THEN attempts ELSE 0 END, delivery = 'pending' WHERE id = $1",
    )
    .bind(id)
    .bind(now.0)
    .execute(pool)
    .await?;
    if changed.rows_affected() == 0 { Err(Fault::not_found("notification", id)) } else { Ok(()) }
}

/// See [`crate::store::Store::notifications`].
pub(super) async fn notifications(pool: &PgPool, filter: NotificationFilter) -> Result<Vec<NotificationRecord>, Fault> {
    // One statement per set of conditions, so that each can use its index.
    let mut sql = format!(
        "SELECT {NOTIFICATION}, o.delivery, o.due_at, o.error FROM outbox o JOIN executions e ON e.seq = o.execution
         WHERE ($1::uuid IS NULL OR TRUE) AND ($2::bigint IS NULL OR TRUE)"
    );
    if filter.execution.is_some() {
        sql.push_str(" AND o.execution = (SELECT seq FROM executions WHERE id = $1)");
    }
    if let Some(delivery) = filter.delivery {
        // A literal, so that the planner can use the partial index over these alone.
        sql.push_str(" AND o.delivery = '");
        sql.push_str(delivery.as_str());
        sql.push('\'');
    }
    if filter.before.is_some() {
        sql.push_str(" AND o.id < $2");
    }
    sql.push_str(" ORDER BY o.id DESC LIMIT $3");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(filter.execution.map(|id| id.0))
        .bind(filter.before)
        .bind(i64::from(filter.limit))
        .fetch_all(pool)
        .await?;
    let record = |row: &PgRow| {
        let delivery = codec::named("delivery", row.try_get(6)?, Delivery::parse)?;
        Ok(NotificationRecord {
            notification: notification(row)?,
            delivery,
            due_at: (delivery == Delivery::Pending).then_some(Timestamp(row.try_get(7)?)),
            error: row.try_get(8)?,
        })
    };
    rows.iter().map(record).collect()
}

fn notification(row: &PgRow) -> Result<Notification, Fault> {
    Ok(Notification {
        id: row.try_get(0)?,
        execution: ExecutionId(row.try_get(1)?),
        target: codec::from_json("notification target", row.try_get(2)?)?,
        state: codec::named("execution state", row.try_get(3)?, ExecutionState::parse)?,
        at: Timestamp(row.try_get(4)?),
        attempts: codec::count(row, 5)?,
    })
}
