//! Where object storage of our own tells that an object was created.

use async_trait::async_trait;

use crate::model::{Failure, ObjectEvent};

/// Receiver of "object created" events.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Persists the event. The upload is acknowledged only after this answered `Ok`, and the same event may come again.
    async fn created(&self, event: ObjectEvent) -> Result<(), Failure>;
}
