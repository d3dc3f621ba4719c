//! Requeuing of jobs with expired leases and of due retries.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Host;
use super::scheduler::pause;
use crate::model::Coded;

/// Longest wait between two checks.
const LONGEST: Duration = Duration::from_secs(1);
/// Shortest wait between two checks.
const SHORTEST: Duration = Duration::from_millis(20);

/// Requeues jobs with expired leases or due retries, until `stop`.
pub async fn run(host: Arc<Host>, stop: CancellationToken) {
    loop {
        let now = host.clock.now();
        let wait = match host.store.reap(now).await {
            Ok((moved, next)) => {
                if moved > 0 {
                    tracing::info!(jobs = moved, "requeued jobs whose retry was due or whose lease expired");
                }
                next.map_or(LONGEST, |wait| wait.clamp(SHORTEST, LONGEST))
            }
            Err(error) => {
                tracing::error!(error = %error.with_code(), source = ?std::error::Error::source(&error), "cannot requeue jobs with expired leases; retrying");
                LONGEST
            }
        };
        host.inputs.trim();
        if !pause(wait, &stop).await {
            return;
        }
    }
}
