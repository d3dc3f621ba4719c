//! Values to columns and back.

use rusqlite::{Connection, Row};

use super::fault::Fault;
use crate::engine::LogEntry;
use crate::model::Timestamp;
use crate::model::plan::Plan;

pub(super) use crate::store::json::{from_json, named, to_json};

/// Column of a count.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A stored plan.
pub(super) fn plan(db: &Connection, id: i64) -> Result<Plan, Fault> {
    let body: String = db.prepare_cached("SELECT body FROM plans WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
    Ok(from_json("plan", &body)?)
}

/// A row that begins with (seq, at, activity, attempt, event).
pub(super) fn log_entry(row: &Row<'_>) -> Result<LogEntry, Fault> {
    Ok(LogEntry {
        seq: row.get::<_, i64>(0)?.unsigned_abs(),
        at: Timestamp(row.get(1)?),
        activity: row.get(2)?,
        attempt: row.get(3)?,
        event: from_json("log entry", row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?)?,
    })
}
