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
    /// Number of the run: 0 before the start, then 1, and one more with each retry.
    pub run: u32,
    /// Reason for the cancellation, once a user requested it or the time limit was exceeded.
    pub cancel: Option<String>,
    /// True if it is to stop because its time was up.
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
    /// Waiting: an activity that it needs has not ended.
    Waiting {
        /// Last attempt.
        attempt: u32,
    },
    /// In its queue.
    Queued {
        /// Last attempt.
        attempt: u32,
        /// Counts of ended attempts of this run.
        tally: Tally,
    },
    /// An attempt holds its lease.
    Running {
        /// This attempt.
        attempt: u32,
        /// Counts of ended attempts of this run.
        tally: Tally,
        /// Name of the daemon that holds it.
        worker: String,
        /// Time when it was claimed.
        since: Timestamp,
        /// True if a cancellation was requested.
        stop_requested: bool,
    },
    /// An attempt failed; the next one waits for its time.
    Retrying {
        /// Last attempt.
        attempt: u32,
        /// Counts of ended attempts of this run.
        tally: Tally,
        /// Time when it is queued again.
        until: Timestamp,
        /// Failure of the last attempt.
        failure: Failure,
    },
    /// Done, outputs published.
    Succeeded {
        /// The attempt that did it.
        attempt: u32,
        /// Result, as expressions of later activities see it under its name.
        result: Arc<Value>,
        /// Published objects.
        outputs: Arc<[OutputObject]>,
    },
    /// Failed: no attempts left, or a failure that no attempt can correct.
    Failed {
        /// Last attempt; 0 where it failed before any.
        attempt: u32,
        /// Reason.
        failure: Failure,
    },
    /// Skipped: not needed, or an activity that it needs failed.
    Skipped {
        /// Last attempt, of an earlier run.
        attempt: u32,
        /// Reason.
        reason: SkipReason,
    },
    /// Stopped on request.
    Cancelled {
        /// Last attempt.
        attempt: u32,
    },
}

/// Counts of ended attempts of this run.
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

/// Outage: storage, network, database or disk that an activity needs is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Time of the first attempt that failed by it.
    pub since: Timestamp,
    /// Attempts in succession that failed by it.
    pub failures: u32,
    /// Number of times that the outage began anew, after an attempt that ran for long or a long time in the queue.
    #[serde(default)]
    pub renewals: u32,
    /// Start of the whole outage, including the times that it began anew: time of the first failure, plus the time in
    /// the queue. Not set: [`Outage::since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// Time of the last failure. Not set: [`Outage::since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

impl Outage {
    /// An outage whose first failed attempt ended at `at`.
    #[must_use]
    pub(super) const fn new(at: Timestamp) -> Self {
        Self { since: at, failures: 1, renewals: 0, first: Some(at), last: Some(at) }
    }

    /// Total time until `now`, without the time in the queue.
    #[must_use]
    pub(super) fn lasted(&self, now: Timestamp) -> Duration {
        now.since(self.first.unwrap_or(self.since))
    }

    /// After another failure at `at`, of an attempt that was claimed at `claimed`.
    fn again(self, claimed: Timestamp, at: Timestamp) -> Self {
        let idle = claimed.since(self.last.unwrap_or(self.since));
        let late = idle >= WORKED;
        let first = self.first.unwrap_or(self.since);
        let first = Some(if late { first.after(idle.saturating_sub(LONGEST_WAIT)) } else { first });
        if late || at.since(claimed) >= WORKED {
            return Self { renewals: self.renewals + 1, first, ..Self::new(at) };
        }
        Self { failures: self.failures + 1, first, last: Some(at), ..self }
    }
}

/// Shortest run of an attempt, or time from a failure to the next claim, after which the outage must have ended in
/// between.
const WORKED: Duration = Duration::from_secs(300);

/// Longest wait between attempts during an outage: the end of the outage is noticed no later than this.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Tally {
    /// After another failure of the activity, which ends an outage.
    #[must_use]
    pub(super) fn failed(self, killed_worker: bool) -> Self {
        let crashes = self.crashes + u32::from(killed_worker);
        Self { failures: self.failures + 1, crashes, outage: None, ..self }
    }

    /// After another failure by an outage, at `at`, of an attempt that was claimed at `claimed`.
    #[must_use]
    pub(super) fn away(self, claimed: Timestamp, at: Timestamp) -> Self {
        let outage = self.outage.map_or_else(|| Outage::new(at), |outage| outage.again(claimed, at));
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

    /// Returns whether the state is final unless a user asks for a retry.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.name().is_ended()
    }

    /// Returns its published objects; none unless it succeeded.
    #[must_use]
    pub fn outputs(&self) -> &[OutputObject] {
        match self {
            Self::Succeeded { outputs, .. } => outputs,
            _ => &[],
        }
    }
}

/// Reason for which an activity was skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum SkipReason {
    /// An activity that it needs failed, or one that such an activity needs.
    NeedFailed {
        /// Name of the activity that failed.
        activity: String,
    },
    /// None of the activities that it reads has an output.
    NoInput,
    /// Its `when` is false.
    When,
}
