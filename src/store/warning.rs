//! Warnings: what the last attempts of an execution's activities said that a user should read.
//!
//! The log holds them; the row of an execution keeps their number, so that lists can tell it.

use crate::engine::{LogEntry, LogEvent};
use crate::model::plan::Plan;
use crate::model::{Code, Timestamp};

/// Most warnings of one execution that are read; its row has their number.
pub const WARNINGS_READ: usize = 100;

/// A warning of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Time of the warning.
    pub at: Timestamp,
    /// The activity.
    pub activity: String,
    /// Stable code; `docs/errors.md` explains it.
    pub code: Code,
    /// One sentence.
    pub message: String,
}

/// Gathers warnings from the entries of one log, in order.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<(u32, Warning)>);

impl Warnings {
    /// Takes an entry, and keeps it where it is a warning.
    pub(super) fn take(&mut self, entry: LogEntry) {
        if let (LogEvent::Warning { code, message }, Some(activity)) = (entry.event, entry.activity) {
            self.0.push((entry.attempt.unwrap_or_default(), Warning { at: entry.at, activity, code, message }));
        }
    }

    /// Returns the warnings of the last attempt of each activity; `attempts` are by node index. At most
    /// [`WARNINGS_READ`].
    pub(super) fn of_last_attempts(self, plan: &Plan, attempts: impl Fn(usize) -> u32) -> Vec<Warning> {
        let last = |name: &str| {
            let node = plan.graph.node_indices().find(|&node| plan.graph[node].name == name);
            node.map(|node| attempts(node.index()))
        };
        let current = self.0.into_iter().filter(|(attempt, warning)| last(&warning.activity) == Some(*attempt));
        current.map(|(_, warning)| warning).take(WARNINGS_READ).collect()
    }
}

/// Returns whether an entry changes how many warnings an execution has: it is one, or a new attempt makes those of the
/// last one void.
pub(super) fn changes_number(entry: &LogEntry) -> bool {
    match entry.event {
        LogEvent::Warning { .. } => true,
        LogEvent::Claimed { .. } => entry.attempt > Some(1),
        _ => false,
    }
}
