//! The daemon's knowledge of a lease that it has.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

/// Answer whether an attempt may still publish: its lease holds, as far as this daemon knows, and nobody asked it to
/// stop.
///
/// **Invariant**: measured by the monotonic clock, which goes on while the process is stopped, from before the question
/// that prolonged the lease; so a daemon that slept through the end of a lease notices before it asks anybody.
#[derive(Debug)]
pub(super) struct LeaseGuard {
    until: Mutex<Instant>,
    abandoned: CancellationToken,
}

impl LeaseGuard {
    /// Valid until that moment at least; `abandoned` ends it early.
    pub(super) fn new(until: Instant, abandoned: CancellationToken) -> Self {
        Self { until: Mutex::new(until), abandoned }
    }

    /// The lease was prolonged.
    pub(super) fn until(&self, at: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// The lease was lost.
    pub(super) fn abandon(&self) {
        self.abandoned.cancel();
    }

    /// Returns whether the attempt may still publish.
    pub(super) fn holds(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.abandoned.is_cancelled() && Instant::now() < until
    }
}
