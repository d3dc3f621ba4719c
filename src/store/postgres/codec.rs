//! Values to columns and back.

use std::borrow::Cow;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::fault::Fault;
use crate::engine::LogEntry;
use crate::model::Timestamp;

pub(super) use crate::store::json::{from_json, named, to_json};

/// Text as PostgreSQL can hold it: it knows no NUL.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

/// Column of a count.
pub(super) fn int(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Column of a sequence.
pub(super) fn bigint(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A count from its column.
pub(super) fn count(row: &PgRow, column: usize) -> Result<u32, Fault> {
    Ok(row.try_get::<i32, _>(column)?.unsigned_abs())
}

/// A row that begins with (seq, at, activity, attempt, event) from `first` on.
pub(super) fn log_entry(row: &PgRow, first: usize) -> Result<LogEntry, Fault> {
    Ok(LogEntry {
        seq: row.try_get::<i64, _>(first)?.unsigned_abs(),
        at: Timestamp(row.try_get(first + 1)?),
        activity: row.try_get(first + 2)?,
        attempt: row.try_get::<Option<i32>, _>(first + 3)?.map(i32::unsigned_abs),
        event: from_json("log entry", row.try_get(first + 4)?)?,
    })
}
