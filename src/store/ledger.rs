//! The ledger of events: which upload each announces, what became of it, and what is asked of it.

use serde::{Deserialize, Serialize};

use crate::model::{ExecutionId, ObjectEvent, ObjectLocation, Timestamp};

/// What became of a match between an event and a workflow; kept in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MatchDecision {
    /// The workflow.
    pub workflow: String,
    /// Whether it starts.
    pub matched: bool,
    /// Why, or why not: the glob, the size, disabled.
    pub reason: String,
}

/// What recording an event did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// It is new; these executions were created with it.
    Recorded(Vec<ExecutionId>),
    /// The same upload was recorded before; nothing was done.
    Duplicate,
}

/// Which upload an event announces; the ledger holds each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventIdentity {
    /// What it is by itself.
    pub own: String,
    /// The other announcement that the same upload may have: where the ledger has it, its identity counts.
    pub companion: Option<Companion>,
}

/// What another announcement of the same upload looks like, among the events of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its event name.
    pub name: &'static str,
    /// Its `ETag`.
    pub etag: Option<String>,
}

impl Companion {
    /// Ledger entries of one object among which a companion is looked for.
    pub const LOOK_BACK: u32 = 100;

    /// Whether `event`, of the same object, is it.
    #[must_use]
    pub fn is(&self, event: &ObjectEvent) -> bool {
        let versioned = event.object.version.as_deref().is_some_and(|version| version != "null");
        !versioned && event.name == self.name && event.object.etag == self.etag
    }
}

/// Which entries of the ledger to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only of this object.
    pub object: Option<ObjectLocation>,
    /// Only older than this one (cursor).
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A ledger entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its place in the ledger: larger than that of every entry before that is still there.
    pub seq: i64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The event, absent for a message that no shape fits.
    pub event: Option<ObjectEvent>,
    /// What each workflow made of it.
    pub decisions: Vec<MatchDecision>,
    /// Executions it started.
    pub executions: Vec<ExecutionId>,
    /// Later deliveries of the same upload.
    pub duplicates: u32,
    /// Why no shape fits, for such a message.
    pub unreadable: Option<String>,
    /// The message as received (at most 4 KiB of it), for such a message.
    pub body: Option<String>,
}
