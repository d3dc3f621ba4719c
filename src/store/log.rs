//! Reading a log to its end, whatever its length.

use super::{Store, StoreError};
use crate::engine::LogEntry;
use crate::model::ExecutionId;

/// Log entries per request to the store.
const PAGE: u32 = 1_000;

/// The whole log of an execution; empty if there is no such execution.
pub async fn whole_log(store: &dyn Store, id: ExecutionId) -> Result<Vec<LogEntry>, StoreError> {
    let mut log: Vec<LogEntry> = Vec::new();
    loop {
        let page = store.log(id, log.last().map_or(0, |last| last.seq), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        log.extend(page);
        if is_last {
            return Ok(log);
        }
    }
}
