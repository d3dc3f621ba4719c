//! Values to columns and back.

use rusqlite::{Connection, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use crate::engine::LogEntry;
use crate::model::Timestamp;
use crate::model::plan::Plan;

/// A value as JSON.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::corrupt("value", error))
}

/// A value from JSON; `what` names it in the error.
pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::corrupt(what, error))
}

/// A column that holds one of a set of names.
pub(super) fn named<T>(what: &'static str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
    parse(text).ok_or_else(|| Fault::corrupt(what, UnknownName { name: text.to_owned() }))
}

#[derive(Debug, thiserror::Error)]
#[error("unknown name {name}")]
struct UnknownName {
    name: String,
}

/// Column of a count.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A stored plan.
pub(super) fn plan(db: &Connection, id: i64) -> Result<Plan, Fault> {
    let body: String = db.prepare_cached("SELECT body FROM plans WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
    from_json("plan", &body)
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
