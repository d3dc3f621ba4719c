//! Queues, the outbox, and retention: what needs no execution at hand.

use std::time::Duration;

use sqlx::{PgPool, Row};

use super::codec;
use super::fault::Fault;
use crate::model::{ExecutionId, ExecutionState, Timestamp};
use crate::store::{DELIVERY_LEASE, Notification, Pruned, QueueChange, QueueStatus, Retention};

/// See [`crate::store::Store::queues`].
pub(super) async fn queues(pool: &PgPool) -> Result<Vec<QueueStatus>, Fault> {
    let rows = sqlx::query(
        "SELECT name, concurrency, paused,
             (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND queue = name LIMIT $1) AS waiting),
             (SELECT count(*) FROM jobs WHERE state = 'running' AND queue = name),
             (SELECT created_at FROM executions WHERE seq =
                 (SELECT min(execution) FROM jobs WHERE state = 'queued' AND queue = name))
         FROM queues ORDER BY name",
    )
    .bind(i64::from(QueueStatus::COUNTED))
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(QueueStatus {
                name: row.try_get(0)?,
                concurrency: codec::count(row, 1)?,
                paused: row.try_get(2)?,
                waiting: row.try_get::<i64, _>(3)?.unsigned_abs(),
                running: row.try_get::<i64, _>(4)?.unsigned_abs(),
                oldest: row.try_get::<Option<i64>, _>(5)?.map(Timestamp),
            })
        })
        .collect()
}

/// See [`crate::store::Store::set_queue`].
pub(super) async fn set_queue(pool: &PgPool, name: &str, change: QueueChange) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO queues (name, paused, concurrency) VALUES ($1, coalesce($2, FALSE), coalesce($3, 0))
         ON CONFLICT (name) DO UPDATE SET
             paused = coalesce($2, queues.paused), concurrency = coalesce($3, queues.concurrency)",
    )
    .bind(codec::text(name).as_ref())
    .bind(change.paused)
    .bind(change.concurrency.map(codec::int))
    .execute(pool)
    .await?;
    Ok(())
}

/// See [`crate::store::Store::prune`].
pub(super) async fn prune(pool: &PgPool, retention: Retention, limit: u32, now: Timestamp) -> Result<Pruned, Fault> {
    let executions = sqlx::query(
        "DELETE FROM executions WHERE seq IN (
             SELECT seq FROM executions e WHERE ended_at < $1 AND NOT EXISTS (
                 SELECT 1 FROM outbox WHERE execution = e.seq AND delivery = 'pending')
             ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(now.before(retention.executions).0)
    .bind(i64::from(limit))
    .execute(pool)
    .await?;
    let marks = sqlx::query(
        "DELETE FROM log WHERE (execution, seq) IN (
             SELECT l.execution, l.seq FROM log l JOIN executions e ON e.seq = l.execution
             WHERE l.mark AND l.at < $1 AND e.ended_at IS NOT NULL ORDER BY l.at LIMIT $2)",
    )
    .bind(now.before(retention.logs).0)
    .bind(i64::from(limit))
    .execute(pool)
    .await?;
    let events = sqlx::query(
        "DELETE FROM events WHERE seq IN (
             SELECT seq FROM events WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(now.before(retention.events).0)
    .bind(i64::from(limit))
    .execute(pool)
    .await?;
    Ok(Pruned { executions: executions.rows_affected(), marks: marks.rows_affected(), events: events.rows_affected() })
}

/// See [`crate::store::Store::due_notifications`].
pub(super) async fn due_notifications(pool: &PgPool, limit: u32, now: Timestamp) -> Result<Vec<Notification>, Fault> {
    let rows = sqlx::query(
        "WITH due AS (
             SELECT id FROM outbox o
             WHERE delivery = 'pending' AND due_at <= $1 AND NOT EXISTS (
                 SELECT 1 FROM outbox p
                 WHERE p.execution = o.execution AND p.position = o.position AND p.id < o.id AND p.delivery = 'pending')
             ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)
         UPDATE outbox o SET due_at = $3 FROM due, executions e
         WHERE o.id = due.id AND e.seq = o.execution
         RETURNING o.id, e.id, o.target, o.state, o.at, o.attempts",
    )
    .bind(now.0)
    .bind(i64::from(limit))
    .bind(now.after(DELIVERY_LEASE).0)
    .fetch_all(pool)
    .await?;
    let mut due = Vec::with_capacity(rows.len());
    for row in &rows {
        due.push(Notification {
            id: row.try_get(0)?,
            execution: ExecutionId(row.try_get(1)?),
            target: codec::from_json("notification target", row.try_get(2)?)?,
            state: codec::named("execution state", row.try_get(3)?, ExecutionState::parse)?,
            at: Timestamp(row.try_get(4)?),
            attempts: codec::count(row, 5)?,
        });
    }
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
    let delivery = if retry.is_some() { "pending" } else { "set_aside" };
    let changed = sqlx::query(
        "UPDATE outbox SET delivery = $2, attempts = attempts + 1, due_at = $3, error = $4
         WHERE id = $1 AND delivery <> 'delivered'",
    )
    .bind(id)
    .bind(delivery)
    .bind(now.after(retry.unwrap_or_default()).0)
    .bind(codec::text(error).as_ref())
    .execute(pool)
    .await?;
    if changed.rows_affected() == 0 { Err(Fault::not_found("notification", id)) } else { Ok(()) }
}
