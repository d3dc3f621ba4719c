//! Intake: from "an object was created", in whatever shape it comes, to executions in the store.
//!
//! [`shapes`] decodes messages, [`identity`] says which deliveries are one upload, [`accept`] matches an event against
//! the active workflows and writes everything down in one transaction, [`backlog`] refuses what would wait too long,
//! [`by_hand`] starts what no event asks for, [`sqs`] takes messages from a queue, [`parked`] keeps those that have to
//! wait.
//!
//! **Invariant**: an event is acknowledged only after it is recorded; a delivery that comes again starts nothing
//! again; an object that an execution published never starts the workflow that it came from.
//!
//! Deliberately absent: reading the object's media, which is the first activity's work.

mod accept;
pub mod backlog;
mod by_hand;
mod identity;
mod parked;
pub mod shapes;
pub mod sqs;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use self::backlog::Backlog;
use self::parked::WaitReason;
use crate::model::{Clock, Code, Coded, Failure, Ids, ObjectEvent};
use crate::objects::{EventSink, ObjectError, SharedObjects};
use crate::store::{SharedStore, StoreError};
use crate::workflow::Workflow;

/// The workflows that are active now.
pub trait Catalog: Send + Sync {
    /// All of them, as one version that stays the same while it is held.
    fn active(&self) -> Arc<Vec<Arc<Workflow>>>;

    /// The files that do not compile now.
    fn broken(&self) -> Arc<Vec<BrokenFile>>;
}

/// A workflow file with errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenFile {
    /// Name of its workflow; that of the file if there was never a valid version.
    pub workflow: String,
    /// Number of errors.
    pub errors: usize,
    /// True if an earlier version of the workflow is active.
    pub is_active: bool,
    /// Folder of the file.
    pub folder: String,
}

impl fmt::Display for BrokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = if self.errors == 1 { "error" } else { "errors" };
        write!(f, "its file has {} {errors} (reelmill validate {})", self.errors, self.folder)
    }
}

/// End of the reason of a workflow that starts in an earlier version.
pub const EARLIER_VERSION: &str = "(an earlier version; its file is broken)";

/// Dependencies of intake.
#[derive(Clone)]
pub struct Intake {
    /// Store of events and executions.
    pub store: SharedStore,
    /// Workflows.
    pub catalog: Arc<dyn Catalog>,
    /// Object storage.
    pub objects: SharedObjects,
    /// Limit of waiting jobs.
    pub backlog: Arc<Backlog>,
    /// Source of identifiers for new records.
    pub ids: Arc<dyn Ids>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Error of recording an event; the event must be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The store could not record the event.
    #[error("the event could not be recorded")]
    Store(#[from] StoreError),
    /// The object's metadata could not be read.
    #[error("the object's metadata could not be read from storage")]
    Objects(#[from] ObjectError),
    /// The queue is full.
    #[error("queue {queue} is full: {waiting} jobs wait; send the event again later")]
    Full {
        /// The queue.
        queue: String,
        /// Jobs that wait in it.
        waiting: u64,
    },
}

impl Coded for IntakeError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Store(_) => "EVT0001",
            Self::Objects(_) => "EVT0002",
            Self::Full { .. } => "EVT0005",
        })
    }
}

impl IntakeError {
    /// Returns whether every other event would fail in the same way, until that passes.
    const fn stops_all(&self) -> bool {
        matches!(self, Self::Store(StoreError::Database { .. }))
    }

    /// The line in which the event waits, where others can go on.
    fn waits_for(&self) -> Option<WaitReason> {
        match self {
            Self::Full { queue, .. } => Some(WaitReason::Queue(queue.clone())),
            Self::Objects(error) if error.is_outage() => Some(WaitReason::Storage),
            Self::Objects(_) | Self::Store(_) => None,
        }
    }
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        let failure = Self::infrastructure(error.code(), error.to_string());
        match &error {
            IntakeError::Store(cause) => failure.caused_by_coded(cause),
            IntakeError::Objects(cause) => failure.caused_by_coded(cause),
            IntakeError::Full { .. } => failure,
        }
    }
}

/// Used by local buckets, which send an event for every object, outputs of executions included. Objects in buckets that
/// no workflow watches are not recorded.
#[async_trait]
impl EventSink for Intake {
    async fn admit(&self, event: &ObjectEvent) -> Result<(), Failure> {
        Ok(self.make_room(event).await?)
    }

    async fn created(&self, event: ObjectEvent) -> Result<(), Failure> {
        let bucket = &event.object.location.bucket;
        let watched = |workflow: &Arc<Workflow>| workflow.trigger.as_ref().is_some_and(|t| t.bucket == *bucket);
        let workflows = self.catalog.active();
        if workflows.iter().any(watched) {
            self.accept_admitted(event).await?;
        } else if !workflows.iter().any(|workflow| workflow.buckets().any(|named| named == bucket)) {
            // Objects in a bucket of outputs are most likely outputs.
            tracing::info!(object = %event.object.location, "upload started no execution: no workflow names its bucket");
        }
        Ok(())
    }
}
