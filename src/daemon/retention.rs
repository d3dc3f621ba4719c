//! Pruning of expired records, a batch at a time, so that other operations do not wait for it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Host;
use super::scheduler::pause;
use crate::model::Coded;
use crate::store::{Pruned, Retention};

/// Rows of a batch.
const BATCH: u32 = 500;
/// Interval between two prunings.
const LOOK: Duration = Duration::from_secs(60);
/// Between batches, while there is more.
const BREATH: Duration = Duration::from_millis(100);

/// Prunes expired records, until `stop`.
pub(super) async fn run(host: std::sync::Arc<Host>, retention: Retention, stop: CancellationToken) {
    let mut wait = LOOK;
    while pause(wait, &stop).await {
        wait = match host.store.prune(retention, BATCH, host.clock.now()).await {
            Ok(Pruned { executions, marks, events, requests }) => {
                if executions + marks + events + requests > 0 {
                    tracing::info!(executions, marks, events, requests, "pruned expired records");
                }
                if executions.max(marks).max(events).max(requests) >= u64::from(BATCH) { BREATH } else { LOOK }
            }
            Err(error) => {
                tracing::error!(error = %error.with_code(), source = ?std::error::Error::source(&error), "cannot prune expired records; retrying");
                LOOK
            }
        };
    }
}
