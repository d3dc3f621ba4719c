//! The ledger of events: the upload of each, the decisions about it, and filters.

use serde::{Deserialize, Serialize};

use crate::model::{ExecutionId, ObjectEvent, ObjectLocation, Timestamp};

/// Decision whether an event starts a workflow; kept in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MatchDecision {
    /// The workflow.
    pub workflow: String,
    /// True if it starts.
    pub matched: bool,
    /// Reason of the decision: the glob, the size, a workflow that is disabled.
    pub reason: String,
}

/// Outcome of recording an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// It is new; these executions were created with it.
    Recorded(Vec<ExecutionId>),
    /// The same upload was recorded before; nothing was done.
    Duplicate,
}

/// Identity of the upload that an event is about; the ledger holds each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventIdentity {
    /// Identity by itself.
    pub own: String,
    /// The other event that the same upload may have: where the ledger has it, its identity counts.
    pub companion: Option<Companion>,
}

/// Properties by which another event of the same upload is recognized, among the events of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its event name.
    pub name: &'static str,
    /// Its `ETag`.
    pub etag: Option<String>,
}

impl Companion {
    /// Most ledger entries of one object that are searched for a companion.
    pub const LOOK_BACK: u32 = 100;

    /// Returns whether `event`, of the same object, is about the same upload.
    #[must_use]
    pub fn is(&self, event: &ObjectEvent) -> bool {
        let versioned = event.object.version.as_deref().is_some_and(|version| version != "null");
        !versioned && event.name == self.name && event.object.etag == self.etag
    }
}

/// Filter of ledger entries to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Filter by object.
    pub object: Option<ObjectLocation>,
    /// Cursor: only older ones.
    pub before: Option<i64>,
    /// Largest number of results.
    pub limit: u32,
}

/// A ledger entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its place in the ledger: larger than that of every entry before that is still there.
    pub seq: i64,
    /// Time when it was recorded.
    pub at: Timestamp,
    /// The event, absent for a message that no shape fits.
    pub event: Option<ObjectEvent>,
    /// Decision of each workflow.
    pub decisions: Vec<MatchDecision>,
    /// Executions it started.
    pub executions: Vec<ExecutionId>,
    /// Later deliveries of the same upload.
    pub duplicates: u32,
    /// Reason for which a message is unreadable, for such a message.
    pub unreadable: Option<String>,
    /// The message as received (at most 4 KiB of it), for such a message.
    pub body: Option<String>,
}
