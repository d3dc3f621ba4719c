//! Objects that executions recorded as their outputs.

use sqlx::{PgPool, Row};

use super::codec;
use super::fault::Fault;
use crate::model::{ExecutionId, InputObject, JobId, ObjectLocation};
use crate::store::Publisher;
use crate::store::publisher::PUBLISHERS;

/// See [`crate::store::Store::publishers`].
pub(super) async fn publishers(pool: &PgPool, outputs: &[ObjectLocation]) -> Result<Vec<Publisher>, Fault> {
    let (buckets, keys) = columns(outputs);
    let rows = sqlx::query(
        "SELECT w.bucket, w.key, e.id, e.workflow, e.input, e.ended_at IS NOT NULL
         FROM unnest($1::text[], $2::text[]) AS w (bucket, key), LATERAL (
             SELECT o.execution FROM outputs o
             WHERE md5(o.bucket || '/' || o.key) = md5(w.bucket || '/' || w.key)
                 AND o.bucket = w.bucket AND o.key = w.key
             ORDER BY o.execution DESC LIMIT $3) AS made
         JOIN executions e ON e.seq = made.execution ORDER BY e.seq DESC",
    )
    .bind(buckets)
    .bind(keys)
    .bind(codec::bigint(PUBLISHERS as u64))
    .fetch_all(pool)
    .await?;
    let publisher = |row: &sqlx::postgres::PgRow| {
        let input: InputObject = codec::from_json("input", row.try_get(4)?)?;
        Ok(Publisher {
            object: ObjectLocation { bucket: row.try_get(0)?, key: row.try_get(1)? },
            execution: ExecutionId(row.try_get(2)?),
            workflow: row.try_get(3)?,
            input: input.location,
            ended: row.try_get(5)?,
        })
    };
    rows.iter().map(publisher).collect()
}

/// See [`crate::store::Store::withdraw`].
pub(super) async fn withdraw(pool: &PgPool, job: JobId, attempt: u32, outputs: &[ObjectLocation]) -> Result<(), Fault> {
    let (buckets, keys) = columns(outputs);
    sqlx::query(
        "DELETE FROM outputs o USING jobs j
         WHERE j.id = $1 AND j.attempt = $2 AND j.state = 'running' AND o.execution = j.execution
             AND (o.bucket, o.key) IN (SELECT * FROM unnest($3::text[], $4::text[]))",
    )
    .bind(job.0)
    .bind(codec::int(attempt))
    .bind(buckets)
    .bind(keys)
    .execute(pool)
    .await?;
    Ok(())
}

fn columns(outputs: &[ObjectLocation]) -> (Vec<String>, Vec<String>) {
    let column = |text: &str| codec::text(text).into_owned();
    outputs.iter().map(|output| (column(&output.bucket), column(&output.key))).unzip()
}
