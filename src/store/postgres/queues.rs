//! Queues and retention: operations that load no execution.

use sqlx::{PgPool, Row};

use super::codec;
use super::fault::Fault;
use crate::model::Timestamp;
use crate::store::{Pruned, QueueChange, QueueStatus, Retention};

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
    let plans: Vec<i64> = sqlx::query_scalar(
        "DELETE FROM executions WHERE seq IN (
             SELECT seq FROM executions e WHERE ended_at < $1 AND NOT EXISTS (
                 SELECT 1 FROM outbox WHERE execution = e.seq AND delivery = 'pending')
             ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING plan",
    )
    .bind(now.before(retention.executions).0)
    .bind(i64::from(limit))
    .fetch_all(pool)
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
    let requests = sqlx::query(
        "DELETE FROM requests WHERE key IN (
             SELECT key FROM requests WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(now.before(retention.requests).0)
    .bind(i64::from(limit))
    .execute(pool)
    .await?;
    // A daemon that has such a plan in memory, and is about to use it, gets a foreign key error and writes it again.
    sqlx::query("DELETE FROM plans WHERE id = ANY($1) AND NOT EXISTS (SELECT 1 FROM executions WHERE plan = plans.id)")
        .bind(&plans)
        .execute(pool)
        .await?;
    Ok(Pruned {
        executions: plans.len() as u64,
        marks: marks.rows_affected(),
        events: events.rows_affected(),
        requests: requests.rows_affected(),
    })
}
