//! The state of an execution: what folding its log gives.

use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::plan::Plan;
use crate::model::{ExecutionState, Failure, JobState, OutputObject, Timestamp};

/// An execution. Cloning is cheap: results and outputs are shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its state.
    pub state: ExecutionState,
    /// Which run this is: 0 before the start, then 1, and one more with each retry.
    pub run: u32,
    /// Why it is to stop, once somebody asked for it or its time was up.
    pub cancel: Option<String>,
    /// Whether it is to stop because its time was up.
    pub expired: bool,
    /// State of each activity, by node index of the plan.
    pub activities: Vec<ActivityState>,
    /// Sequence of the next log entry; the first is 1. It grows with every change and so doubles as a version.
    pub next_seq: u64,
}

impl Execution {
    /// An execution of `plan` that has not started.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            state: ExecutionState::Pending,
            run: 0,
            cancel: None,
            expired: false,
            activities: vec![ActivityState::Waiting { attempt: 0 }; plan.graph.node_count()],
            next_seq: 1,
        }
    }

    /// State of an activity, absent for an index that is not of its plan.
    #[must_use]
    pub fn activity(&self, activity: NodeIndex) -> Option<&ActivityState> {
        self.activities.get(activity.index())
    }
}

/// The state of an activity. `attempt` is the number of the last attempt, over all runs; 0 before the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ActivityState {
    /// What it needs has not ended.
    Waiting {
        /// Last attempt.
        attempt: u32,
    },
    /// In its queue.
    Queued {
        /// Last attempt.
        attempt: u32,
        /// How the attempts of this run ended.
        tally: Tally,
    },
    /// An attempt holds its lease.
    Running {
        /// This attempt.
        attempt: u32,
        /// How the attempts of this run ended.
        tally: Tally,
        /// Who has it.
        worker: String,
        /// When it was claimed.
        since: Timestamp,
        /// Whether it was asked to stop.
        stop_requested: bool,
    },
    /// An attempt failed; the next one waits for its time.
    Retrying {
        /// Last attempt.
        attempt: u32,
        /// How the attempts of this run ended.
        tally: Tally,
        /// When it is queued again.
        until: Timestamp,
        /// Why the last attempt failed.
        failure: Failure,
    },
    /// Done, outputs published.
    Succeeded {
        /// The attempt that did it.
        attempt: u32,
        /// What expressions of later activities see under its name.
        result: Arc<Value>,
        /// What it published.
        outputs: Arc<[OutputObject]>,
    },
    /// Out of attempts, or a failure that no attempt mends.
    Failed {
        /// Last attempt; 0 where it failed before any.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// Not needed, or something it needs failed.
    Skipped {
        /// Last attempt, of an earlier run.
        attempt: u32,
        /// Why.
        reason: SkipReason,
    },
    /// Stopped on request.
    Cancelled {
        /// Last attempt.
        attempt: u32,
    },
}

/// How earlier attempts of this run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Failed, crashes included.
    pub failures: u32,
    /// Failed by killing their worker.
    pub crashes: u32,
    /// Lost with their daemon.
    pub losses: u32,
    /// The outage that is waited out, from its first failure on; these count as no failures of the activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
}

/// Something that an activity needs is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Time of the first attempt that failed for it.
    pub since: Timestamp,
    /// Attempts that failed for it in succession.
    pub failures: u32,
    /// Number of times that it began anew, after an attempt that had worked for long.
    #[serde(default)]
    pub renewals: u32,
}

/// Shortest run of an attempt for which what it needs was not away all the time.
const WORKED: Duration = Duration::from_secs(300);

impl Tally {
    /// After another failure of the activity; an outage is over by that.
    #[must_use]
    pub(super) fn failed(self, killed_worker: bool) -> Self {
        let crashes = self.crashes + u32::from(killed_worker);
        Self { failures: self.failures + 1, crashes, outage: None, ..self }
    }

    /// After another failure of what it needs, at `at`, of an attempt that was claimed at `claimed`.
    #[must_use]
    pub(super) fn away(self, claimed: Timestamp, at: Timestamp) -> Self {
        let new = Outage { since: at, failures: 1, renewals: 0 };
        let outage = match self.outage {
            None => new,
            Some(old) if at.since(claimed) >= WORKED => Outage { renewals: old.renewals + 1, ..new },
            Some(old) => Outage { failures: old.failures + 1, ..old },
        };
        Self { outage: Some(outage), ..self }
    }
}

impl ActivityState {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> JobState {
        match self {
            Self::Waiting { .. } => JobState::Waiting,
            Self::Queued { .. } => JobState::Queued,
            Self::Running { .. } => JobState::Running,
            Self::Retrying { .. } => JobState::Retrying,
            Self::Succeeded { .. } => JobState::Succeeded,
            Self::Failed { .. } => JobState::Failed,
            Self::Skipped { .. } => JobState::Skipped,
            Self::Cancelled { .. } => JobState::Cancelled,
        }
    }

    /// Number of the last attempt, over all runs; 0 before the first.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Waiting { attempt }
            | Self::Queued { attempt, .. }
            | Self::Running { attempt, .. }
            | Self::Retrying { attempt, .. }
            | Self::Succeeded { attempt, .. }
            | Self::Failed { attempt, .. }
            | Self::Skipped { attempt, .. }
            | Self::Cancelled { attempt } => *attempt,
        }
    }

    /// Whether nothing follows without somebody asking for it.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.name().is_ended()
    }

    /// What it published; nothing unless it succeeded.
    #[must_use]
    pub fn outputs(&self) -> &[OutputObject] {
        match self {
            Self::Succeeded { outputs, .. } => outputs,
            _ => &[],
        }
    }
}

/// Why an activity was skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum SkipReason {
    /// Something it needs, or something that one needs, failed.
    NeedFailed {
        /// Name of the activity that failed.
        activity: String,
    },
    /// None of the activities it reads made anything.
    NoInput,
    /// Its `when` is false.
    When,
}
