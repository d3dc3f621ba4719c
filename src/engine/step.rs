//! One step: a state and one input give events; the events are folded into the next state and say what is to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::NodeIndex;
use serde_json::Value;

use super::fold::{fold_activity, fold_execution};
use super::log::{LogEntry, LogEvent};
use super::ready;
use super::retry::Attempt;
use super::state::{ActivityState, Execution};
use crate::model::plan::{Activity, NotifyOn, OnFailure, Plan};
use crate::model::{ExecutionId, ExecutionState, Failure, InputObject, JobState, OutputObject, Timestamp};

/// Facts of an execution that expressions may use besides the state.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The execution.
    pub execution: ExecutionId,
    /// Time when it was created.
    pub created_at: Timestamp,
    /// Input object.
    pub input: &'a InputObject,
    /// Values of all declared parameters.
    pub params: &'a BTreeMap<String, Value>,
}

/// Evaluator of conditions.
pub trait Evaluate {
    /// Returns whether the `when` of `activity` holds. Everything before it in the plan has ended. An error fails the
    /// activity. Called inside a transaction: it must neither wait nor panic.
    fn when(&self, plan: &Plan, activity: NodeIndex, state: &Execution, facts: &Facts<'_>) -> Result<bool, Failure>;
}

/// Parts of an execution that never change.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The frozen plan.
    pub plan: &'a Plan,
    /// Evaluator of conditions.
    pub evaluate: &'a dyn Evaluate,
    /// Facts for expressions.
    pub facts: Facts<'a>,
}

/// Input of an execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// It begins.
    Start {
        /// Cause of the start, for the log.
        cause: String,
    },
    /// A user requests to cancel it.
    Cancel {
        /// Reason.
        reason: String,
        /// Name of the user or token that asks.
        by: String,
    },
    /// The execution exceeded its time limit.
    Expire {
        /// Time limit.
        limit: Duration,
    },
    /// A user requests to run again the activities that did not succeed.
    Retry {
        /// Name of the user or token that asks.
        by: String,
        /// Parameters that are changed for it; the caller stores them.
        params: BTreeMap<String, Value>,
    },
    /// A user requests another priority for the activities that have not ended.
    Prioritize {
        /// 1–10, 10 first.
        priority: u8,
        /// Name of the user or token that asks.
        by: String,
    },
    /// Something happened to one of its activities.
    Activity {
        /// The activity.
        activity: NodeIndex,
        /// The signal.
        signal: Signal,
    },
}

/// Input of an activity.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// A worker takes it from its queue.
    Claimed {
        /// Name of the daemon that claims it.
        worker: String,
    },
    /// An attempt ended.
    Ended {
        /// Its number.
        attempt: u32,
        /// The outcome.
        outcome: Outcome,
    },
    /// The wait before the next attempt is over.
    RetryDue,
    /// An attempt has something for the log.
    Mark {
        /// Its number.
        attempt: u32,
        /// A mark ([`LogEvent::is_mark`]).
        mark: LogEvent,
    },
}

/// End of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It succeeded.
    Succeeded {
        /// Its result.
        result: Arc<Value>,
        /// Published objects.
        outputs: Arc<[OutputObject]>,
    },
    /// It failed.
    Failed {
        /// Reason.
        failure: Failure,
        /// Longest wait for storage, network, database or disk that is unavailable; with zero that is a failure like
        /// any other.
        patience: Duration,
    },
    /// The attempt was lost with its daemon.
    Lost {
        /// Known details.
        reason: String,
    },
    /// Its daemon gave it back.
    HandedBack {
        /// Reason.
        reason: String,
    },
}

/// Effect of a step, which the caller carries out in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Put the activity into its queue.
    Enqueue {
        /// The activity.
        activity: NodeIndex,
    },
    /// Send [`Signal::RetryDue`] when its time has come.
    EnqueueAt {
        /// The activity.
        activity: NodeIndex,
        /// Time.
        at: Timestamp,
    },
    /// Stop the attempt.
    Stop {
        /// Its activity.
        activity: NodeIndex,
    },
    /// The activity has ended and gets no more events.
    Settle {
        /// The activity.
        activity: NodeIndex,
    },
    /// Give the activity another place in its queue.
    Prioritize {
        /// The activity.
        activity: NodeIndex,
        /// 1–10, 10 first.
        priority: u8,
    },
    /// The activity, ended in an earlier run, waits again.
    Reset {
        /// The activity.
        activity: NodeIndex,
    },
    /// Send notifications.
    Notify(NotifyOn),
    /// The execution has ended.
    Ended(ExecutionState),
}

/// Result of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The next state.
    pub state: Execution,
    /// Entries to append to the log; folding them onto the previous state gives the next one.
    pub log: Vec<LogEntry>,
    /// Effects to carry out.
    pub effects: Vec<Effect>,
}

/// Error of an input that was refused. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The input is not possible in the state.
    #[error("cannot {input}: the {subject} {}", in_words(state))]
    Illegal {
        /// The input, as a verb.
        input: &'static str,
        /// `execution` or `activity`.
        subject: &'static str,
        /// Its state.
        state: &'static str,
    },
    /// The input belongs to an attempt that has ended.
    #[error("attempt {attempt} has already ended")]
    Stale {
        /// The attempt.
        attempt: u32,
    },
    /// An event that was decided on is invalid in the state: a bug. Its log could not be read again.
    #[error("the event `{event}` does not fit the state {state}; please report it")]
    Misfit {
        /// The event.
        event: String,
        /// The state that it met.
        state: &'static str,
    },
    /// The plan has no such activity.
    #[error("the plan has no activity with index {index}")]
    UnknownActivity {
        /// The index.
        index: usize,
    },
}

/// Returns a state as the end of a sentence.
fn in_words(state: &str) -> String {
    match state {
        "succeeded" | "failed" => format!("has already {state}"),
        "cancelled" | "skipped" => format!("was already {state}"),
        other => format!("is {other}"),
    }
}

/// Returns the next state of an execution, the entries to log, and the effects to carry out.
pub fn step(cx: &Context<'_>, state: &Execution, input: Input, now: Timestamp) -> Result<Step, StepError> {
    let (log, effects) = (Vec::new(), Vec::new());
    let mut stepping = Stepping { cx, now, state: state.clone(), log, effects, misfit: None };
    let touched = stepping.take(input)?;
    stepping.settle(touched);
    if let Some(misfit) = stepping.misfit {
        return Err(misfit);
    }
    Ok(Step { state: stepping.state, log: stepping.log, effects: stepping.effects })
}

struct Stepping<'a> {
    cx: &'a Context<'a>,
    now: Timestamp,
    state: Execution,
    log: Vec<LogEntry>,
    effects: Vec<Effect>,
    /// The first event that did not fold.
    misfit: Option<StepError>,
}

impl Stepping<'_> {
    /// Takes the input; answers with the activities that may now be decided on.
    fn take(&mut self, input: Input) -> Result<BTreeSet<NodeIndex>, StepError> {
        use ExecutionState as E;
        let illegal = |input, state: E| StepError::Illegal { input, subject: "execution", state: state.as_str() };
        match (input, self.state.state) {
            (Input::Start { cause }, E::Pending) => {
                self.record(LogEvent::Started { cause });
                Ok(self.cx.plan.graph.node_indices().collect())
            }
            (Input::Cancel { reason, by }, E::Running) => {
                self.stop(LogEvent::CancelRequested { reason, by });
                Ok(BTreeSet::new())
            }
            (Input::Expire { limit }, E::Running) => {
                self.stop(LogEvent::Expired { limit_s: limit.as_secs() });
                Ok(BTreeSet::new())
            }
            (Input::Retry { by, params }, E::Failed | E::Cancelled) => Ok(self.restart(by, params)),
            (Input::Prioritize { priority, by }, E::Running) => {
                self.prioritize(priority, &by);
                Ok(BTreeSet::new())
            }
            (Input::Activity { activity, signal }, _) => {
                let event = self.answer(activity, signal)?;
                self.record_for(activity, event);
                Ok(self.after(activity))
            }
            (Input::Start { .. }, state) => Err(illegal("start", state)),
            (Input::Cancel { .. }, state) => Err(illegal("cancel", state)),
            (Input::Expire { .. }, state) => Err(illegal("expire", state)),
            (Input::Retry { .. }, state) => Err(illegal("retry", state)),
            (Input::Prioritize { .. }, state) => Err(illegal("prioritize", state)),
        }
    }

    /// Returns the event that a signal causes for an activity in its present state.
    fn answer(&self, node: NodeIndex, signal: Signal) -> Result<LogEvent, StepError> {
        use ActivityState as A;
        let current = self.state.activity(node).ok_or(StepError::UnknownActivity { index: node.index() })?;
        let illegal = |input| StepError::Illegal { input, subject: "activity", state: current.name().as_str() };
        match (current, signal) {
            (A::Queued { .. }, Signal::Claimed { worker }) => Ok(LogEvent::Claimed { worker }),
            (A::Retrying { until, .. }, Signal::RetryDue) if *until <= self.now => Ok(LogEvent::Queued),
            (A::Running { attempt: held, tally, stop_requested, since, .. }, Signal::Ended { attempt, outcome })
                if *held == attempt =>
            {
                let attempt = Attempt {
                    tally: *tally,
                    claimed: *since,
                    stop_requested: *stop_requested,
                    policy: &self.cx.plan.graph[node].retry,
                    salt: self.salt(node, attempt),
                };
                Ok(attempt.ended(outcome, self.now))
            }
            (A::Running { attempt: held, .. }, Signal::Mark { attempt, mark }) if *held == attempt => {
                if mark.is_mark() { Ok(mark) } else { Err(illegal("add a log entry")) }
            }
            (_, Signal::Ended { attempt, .. } | Signal::Mark { attempt, .. }) => Err(StepError::Stale { attempt }),
            (_, Signal::Claimed { .. }) => Err(illegal("claim")),
            (_, Signal::RetryDue) => Err(illegal("requeue")),
        }
    }

    /// Differs between attempts of all executions, and is the same in every replay.
    fn salt(&self, node: NodeIndex, attempt: u32) -> u64 {
        let (high, low) = self.cx.facts.execution.0.as_u64_pair();
        high ^ low ^ (node.index() as u64).rotate_left(48) ^ u64::from(attempt).rotate_left(56)
    }

    /// Cancels activities that have not begun, and asks running ones to stop. A second request changes nothing.
    fn stop(&mut self, why: LogEvent) {
        if self.state.cancel.is_some() {
            return;
        }
        self.record(why);
        for node in self.cx.plan.graph.node_indices() {
            match self.state.activities[node.index()].name() {
                JobState::Waiting | JobState::Queued | JobState::Retrying => self.record_for(node, LogEvent::Cancelled),
                JobState::Running => self.record_for(node, LogEvent::Stopping),
                JobState::Succeeded | JobState::Failed | JobState::Skipped | JobState::Cancelled => {}
            }
        }
    }

    /// Begins a new run: activities that failed or were cancelled, and all that depend on them, wait again.
    fn restart(&mut self, by: String, params: BTreeMap<String, Value>) -> BTreeSet<NodeIndex> {
        let graph = &self.cx.plan.graph;
        let mut again = BTreeSet::new();
        let mut search: Vec<NodeIndex> = graph
            .node_indices()
            .filter(|node| matches!(self.state.activities[node.index()].name(), JobState::Failed | JobState::Cancelled))
            .collect();
        while let Some(node) = search.pop() {
            if again.insert(node) {
                search.extend(graph.neighbors(node));
            }
        }
        let activities = again.iter().map(|&node| graph[node].name.clone()).collect();
        self.record(LogEvent::Restarted { activities, by, params });
        self.effects.extend(again.iter().map(|&activity| Effect::Reset { activity }));
        again
    }

    /// Gives everything that has not ended another place in its queue.
    fn prioritize(&mut self, priority: u8, by: &str) {
        self.record(LogEvent::Priority { priority, by: by.to_owned() });
        let open = |node: &NodeIndex| !self.state.activities[node.index()].is_ended();
        let moved = self.cx.plan.graph.node_indices().filter(open);
        self.effects.extend(moved.map(|activity| Effect::Prioritize { activity, priority }));
    }

    /// Decides on the waiting ones of the `touched` activities, then on those that depend on activities which end by
    /// that, and last on the execution.
    fn settle(&mut self, mut touched: BTreeSet<NodeIndex>) {
        while let Some(node) = touched.pop_first() {
            if self.state.activities[node.index()].name() != JobState::Waiting {
                continue;
            }
            let Some(event) = ready::decide(self.cx, &self.state, node) else { continue };
            self.record_for(node, event);
            touched.extend(self.after(node));
        }
        let running = self.state.state == ExecutionState::Running;
        if running && self.state.activities.iter().all(ActivityState::is_ended) {
            self.record(LogEvent::Ended { state: self.verdict() });
        }
    }

    /// Returns the activities that need the activity, once it has ended.
    fn after(&self, node: NodeIndex) -> BTreeSet<NodeIndex> {
        if !self.state.activities[node.index()].is_ended() {
            return BTreeSet::new();
        }
        self.cx.plan.graph.neighbors(node).collect()
    }

    /// Returns the end of the execution, once every activity has ended.
    fn verdict(&self) -> ExecutionState {
        let states = || self.state.activities.iter().zip(self.cx.plan.graph.node_weights());
        if self.state.expired {
            return ExecutionState::Failed;
        }
        if states().any(|(state, _)| state.name() == JobState::Cancelled) {
            return ExecutionState::Cancelled;
        }
        let fails = |(state, activity): (&ActivityState, &Activity)| {
            state.name() == JobState::Failed && activity.on_failure == OnFailure::Fail
        };
        if states().any(fails) { ExecutionState::Failed } else { ExecutionState::Succeeded }
    }

    fn record(&mut self, event: LogEvent) {
        let before = self.state.state.as_str();
        if !fold_execution(&mut self.state, self.cx.plan, &event) {
            self.misfit.get_or_insert_with(|| StepError::Misfit { event: event.to_string(), state: before });
        }
        match event {
            LogEvent::Ended { state } => {
                self.effects.extend(NotifyOn::of(state).map(Effect::Notify));
                self.effects.push(Effect::Ended(state));
            }
            LogEvent::Started { .. } | LogEvent::Restarted { .. } => {
                self.effects.push(Effect::Notify(NotifyOn::Started));
            }
            _ => {}
        }
        self.append(None, None, event);
    }

    fn record_for(&mut self, node: NodeIndex, event: LogEvent) {
        let state = &mut self.state.activities[node.index()];
        let before = state.name().as_str();
        if !fold_activity(state, &event, self.now) {
            self.misfit.get_or_insert_with(|| StepError::Misfit { event: event.to_string(), state: before });
        }
        let attempt = Some(state.attempt()).filter(|&attempt| attempt > 0);
        self.effects.extend(effect(node, &event));
        self.append(Some(self.cx.plan.graph[node].name.clone()), attempt, event);
    }

    fn append(&mut self, activity: Option<String>, attempt: Option<u32>, event: LogEvent) {
        let seq = self.state.next_seq;
        self.state.next_seq += 1;
        self.log.push(LogEntry { seq, at: self.now, activity, attempt, event });
    }
}

/// Returns the effects of an activity's event.
fn effect(activity: NodeIndex, event: &LogEvent) -> Option<Effect> {
    match event {
        LogEvent::Queued | LogEvent::AttemptLost { .. } | LogEvent::HandedBack { .. } => {
            Some(Effect::Enqueue { activity })
        }
        LogEvent::AttemptFailed { retry_at, .. } => Some(Effect::EnqueueAt { activity, at: *retry_at }),
        LogEvent::Stopping => Some(Effect::Stop { activity }),
        LogEvent::Succeeded { .. } | LogEvent::Failed { .. } | LogEvent::Skipped { .. } | LogEvent::Cancelled => {
            Some(Effect::Settle { activity })
        }
        _ => None,
    }
}
