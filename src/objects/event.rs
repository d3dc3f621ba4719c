//! Receiver of events of Reelmill's own object storage.

use async_trait::async_trait;

use crate::model::{Failure, ObjectEvent};

/// Receiver of "object created" events.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Returns whether the event can be persisted now; called before the object becomes visible. `event` is the event
    /// that [`EventSink::created`] will get, without its sequencer and time. By default nothing is refused.
    async fn admit(&self, _event: &ObjectEvent) -> Result<(), Failure> {
        Ok(())
    }

    /// Persists the event. The upload is acknowledged only after this answered `Ok`, and the same event may come again.
    async fn created(&self, event: ObjectEvent) -> Result<(), Failure>;
}
