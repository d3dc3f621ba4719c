//! Lists of executions: their filter, and the summary of each.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{ExecutionId, ExecutionState, ExecutionStatus, InputObject, JobState, Timestamp};

/// Executions of which a job runs or waits for its next attempt.
const ACTIVE: &str = "(SELECT execution FROM jobs WHERE due_at IS NOT NULL)";

/// Filter of a list of executions, newest first.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Only of these workflows; empty: of all.
    pub workflows: Vec<String>,
    /// Only in these states; empty: in any.
    pub states: Vec<ExecutionStatus>,
    /// Only with warnings.
    pub warned: bool,
    /// Only created at or after.
    pub since: Option<Timestamp>,
    /// Only older than this one (cursor).
    pub before: Option<ExecutionId>,
    /// At most so many.
    pub limit: u32,
}

/// An execution in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionSummary {
    /// Its identifier.
    pub id: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// Its state.
    pub state: ExecutionState,
    /// The object that it processes.
    pub input: InputObject,
    /// Time of its creation.
    pub created_at: Timestamp,
    /// Time of its end.
    pub ended_at: Option<Timestamp>,
    /// Warnings of the last attempts of its activities.
    #[serde(default)]
    pub warnings: u64,
    /// Its jobs in groups, in no order.
    #[serde(default)]
    pub jobs: Vec<JobGroup>,
}

/// Jobs of one execution with the same queue, state and priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobGroup {
    /// Their queue.
    pub queue: String,
    /// Their state.
    pub state: JobState,
    /// Their priority: 1–10, 10 first.
    pub priority: u8,
    /// True if the queue is paused.
    pub paused: bool,
}

impl ExecutionSummary {
    /// The state as lists and answers give it.
    #[must_use]
    pub fn status(&self) -> ExecutionStatus {
        let active = |job: &JobGroup| matches!(job.state, JobState::Running | JobState::Retrying);
        ExecutionStatus::of(self.state, self.jobs.iter().any(active))
    }

    /// The queues in which jobs of it wait, and whether each is paused.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<&str, bool> {
        let queued = self.jobs.iter().filter(|job| job.state == JobState::Queued);
        queued.map(|job| (job.queue.as_str(), job.paused)).collect()
    }

    /// Jobs that have not ended; all of them where none is left.
    fn open(&self) -> impl Iterator<Item = &JobGroup> {
        let all = self.jobs.iter().all(|job| job.state.is_ended());
        self.jobs.iter().filter(move |job| all || !job.state.is_ended())
    }

    /// The queues of activities that have not ended; after the end of the execution, those of all its jobs.
    #[must_use]
    pub fn queues(&self) -> BTreeSet<&str> {
        self.open().map(|job| job.queue.as_str()).collect()
    }

    /// The highest priority of activities that have not ended; after the end of the execution, that of all its jobs; 0
    /// without jobs.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.open().map(|job| job.priority).max().unwrap_or_default()
    }
}

/// The SQL condition that an execution is in that state.
pub(super) fn in_state(status: ExecutionStatus) -> String {
    let state = status.stored();
    match status {
        ExecutionStatus::Queued => format!("(state = '{state}' AND seq NOT IN {ACTIVE})"),
        ExecutionStatus::Running => format!("(state = '{state}' AND seq IN {ACTIVE})"),
        _ => format!("state = '{state}'"),
    }
}
