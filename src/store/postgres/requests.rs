//! Requests that were made under keys of their senders'.

use sqlx::{PgPool, Row};

use super::codec;
use super::fault::Fault;
use crate::model::Timestamp;
use crate::store::Request;

/// See [`crate::store::Store::remember`].
pub(super) async fn remember(pool: &PgPool, request: &Request, now: Timestamp) -> Result<Option<Request>, Fault> {
    let key = codec::text(&request.key);
    // Of two that come together, one waits here until the other's is committed.
    let made =
        sqlx::query("INSERT INTO requests (key, digest, note, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(key.as_ref())
            .bind(request.digest.as_slice())
            .bind(&request.note)
            .bind(now.0)
            .execute(pool)
            .await?;
    if made.rows_affected() > 0 {
        return Ok(None);
    }
    let known = sqlx::query("SELECT digest, note FROM requests WHERE key = $1").bind(key.as_ref()).fetch_optional(pool);
    let Some(row) = known.await? else { return Ok(None) };
    let digest: Vec<u8> = row.try_get(0)?;
    let digest = digest.try_into().unwrap_or_default();
    Ok(Some(Request { key: request.key.clone(), digest, note: row.try_get(1)? }))
}
