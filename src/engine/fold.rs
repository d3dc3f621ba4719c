//! Folding the log: the only code that changes a state.
//!
//! **Invariant**: [`super::step()`] decides on events and folds them here, so a replayed log cannot differ from the
//! state that it was written with.

use std::collections::HashMap;

use petgraph::graph::NodeIndex;

use super::log::{LogEntry, LogEvent};
use super::state::{ActivityState, Execution, Tally};
use crate::model::plan::Plan;
use crate::model::{ExecutionState, Timestamp};

/// Error of replaying a log: it was changed by hand, or belongs to another plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log entry {seq} ({event}) is invalid in the state {state}")]
pub struct ReplayError {
    /// The entry.
    pub seq: u64,
    /// Its event.
    pub event: String,
    /// The state of the activity, or of the execution, that it met.
    pub state: String,
}

/// Returns the state that a log leads to. Marks may be left out of it.
pub fn replay<'a>(plan: &Plan, log: impl IntoIterator<Item = &'a LogEntry>) -> Result<Execution, ReplayError> {
    let mut replay = Replay::new(plan);
    for entry in log {
        replay.apply(entry)?;
    }
    Ok(replay.into_state())
}

/// A replay, entry by entry.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    plan: &'a Plan,
    activities: HashMap<&'a str, usize>,
    state: Execution,
}

impl<'a> Replay<'a> {
    /// Before the first entry.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        let index = |node: NodeIndex| (plan.graph[node].name.as_str(), node.index());
        Self { plan, activities: plan.graph.node_indices().map(index).collect(), state: Execution::new(plan) }
    }

    /// The state after the entries so far.
    #[must_use]
    pub const fn state(&self) -> &Execution {
        &self.state
    }

    /// The state after all entries.
    #[must_use]
    pub fn into_state(self) -> Execution {
        self.state
    }

    /// Folds the next entry.
    pub fn apply(&mut self, entry: &LogEntry) -> Result<(), ReplayError> {
        let activity = entry.activity.as_deref().map(|name| self.activities.get(name));
        let fits = entry.seq >= self.state.next_seq
            && match activity {
                None => fold_execution(&mut self.state, self.plan, &entry.event),
                Some(None) => false,
                Some(Some(&index)) => fold_activity(&mut self.state.activities[index], &entry.event, entry.at),
            };
        if !fits {
            let met = activity
                .flatten()
                .map_or(self.state.state.as_str(), |&index| self.state.activities[index].name().as_str());
            return Err(ReplayError { seq: entry.seq, event: entry.event.to_string(), state: met.to_owned() });
        }
        self.state.next_seq = entry.seq + 1;
        Ok(())
    }
}

/// Folds an event of the execution itself; false where it does not fit.
pub(super) fn fold_execution(state: &mut Execution, plan: &Plan, event: &LogEvent) -> bool {
    use ExecutionState as E;
    match (state.state, event) {
        (E::Pending, LogEvent::Started { .. }) => {
            state.state = E::Running;
            state.run = 1;
        }
        (E::Running, LogEvent::CancelRequested { reason, .. }) => state.cancel = Some(reason.clone()),
        (E::Running, LogEvent::Expired { .. }) => {
            state.cancel = Some(event.to_string());
            state.expired = true;
        }
        (E::Running, LogEvent::Ended { state: end }) if end.is_ended() => state.state = *end,
        (E::Failed | E::Cancelled, LogEvent::Restarted { activities, .. }) => {
            state.state = E::Running;
            state.run += 1;
            state.cancel = None;
            state.expired = false;
            for name in activities {
                let Some(node) = plan.find(name) else { return false };
                let attempt = state.activities[node.index()].attempt();
                state.activities[node.index()] = ActivityState::Waiting { attempt };
            }
        }
        (_, event) => return event.is_mark(),
    }
    true
}

/// Folds an event of one activity; false where it does not fit.
pub(super) fn fold_activity(activity: &mut ActivityState, event: &LogEvent, at: Timestamp) -> bool {
    use ActivityState as A;
    let next = match (&*activity, event) {
        (A::Waiting { attempt }, LogEvent::Queued) => A::Queued { attempt: *attempt, tally: Tally::default() },
        (A::Retrying { attempt, tally, .. }, LogEvent::Queued) => A::Queued { attempt: *attempt, tally: *tally },
        (A::Queued { attempt, tally }, LogEvent::Claimed { worker }) => {
            A::Running { attempt: attempt + 1, tally: *tally, worker: worker.clone(), since: at, stop_requested: false }
        }
        (A::Running { attempt, tally, worker, since, .. }, LogEvent::Stopping) => {
            A::Running { attempt: *attempt, tally: *tally, worker: worker.clone(), since: *since, stop_requested: true }
        }
        (A::Running { attempt, tally, since, .. }, LogEvent::AttemptFailed { failure, retry_at, outage }) => {
            A::Retrying {
                attempt: *attempt,
                tally: if *outage { tally.away(*since, at) } else { tally.failed(failure.killed_worker()) },
                until: *retry_at,
                failure: failure.clone(),
            }
        }
        (A::Running { attempt, tally, .. }, LogEvent::AttemptLost { .. }) => {
            A::Queued { attempt: *attempt, tally: Tally { losses: tally.losses + 1, ..*tally } }
        }
        (A::Running { attempt, tally, .. }, LogEvent::HandedBack { .. }) => {
            A::Queued { attempt: *attempt, tally: *tally }
        }
        (A::Running { attempt, .. }, LogEvent::Succeeded { result, outputs }) => {
            A::Succeeded { attempt: *attempt, result: result.clone(), outputs: outputs.clone() }
        }
        (A::Waiting { attempt } | A::Running { attempt, .. }, LogEvent::Failed { failure }) => {
            A::Failed { attempt: *attempt, failure: failure.clone() }
        }
        (A::Waiting { attempt }, LogEvent::Skipped { reason }) => {
            A::Skipped { attempt: *attempt, reason: reason.clone() }
        }
        (A::Waiting { .. } | A::Queued { .. } | A::Running { .. } | A::Retrying { .. }, LogEvent::Cancelled) => {
            A::Cancelled { attempt: activity.attempt() }
        }
        (_, event) => return event.is_mark(),
    };
    *activity = next;
    true
}
