//! A unit of work: cached executions are stepped in memory, and the changes are collected row by row, so that a
//! store can write it in as few statements as its database likes.
//!
//! **Invariant**: several changes of one row are one write of what it becomes. No SQL here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::NodeIndex;
use serde_json::Value;

use super::{Claim, Hint, warning};
use crate::engine::{
    ActivityState, Context, Effect, Evaluate, Execution, Facts, Input, LogEntry, LogEvent, Signal, StepError, step,
};
use crate::model::plan::{NotifyOn, NotifyTarget, Plan};
use crate::model::{ExecutionId, ExecutionState, InputObject, JobId, JobState, Timestamp};
use crate::telemetry::metrics;

/// Row of an execution: its place in the order of submission.
pub(super) type Seq = i64;

/// A cached execution.
#[derive(Clone, Debug)]
pub(super) struct CachedExecution {
    /// Its row.
    pub(super) seq: Seq,
    /// Its identifier.
    pub(super) id: ExecutionId,
    /// Its plan.
    pub(super) plan: Arc<Plan>,
    /// Input object.
    pub(super) input: InputObject,
    /// Its parameters.
    pub(super) params: BTreeMap<String, Value>,
    /// Time when it was created.
    pub(super) created_at: Timestamp,
    /// Its state.
    pub(super) state: Execution,
}

/// New content of a row of the queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct JobChange {
    /// Its next state; absent: it keeps that, and everything that belongs to it.
    pub(super) to: Option<JobState>,
    /// The attempt that was claimed.
    pub(super) attempt: Option<u32>,
    /// Name of the daemon that claimed it.
    pub(super) worker: Option<String>,
    /// Time of the next check.
    pub(super) due_at: Option<Timestamp>,
    /// Time when it was claimed; the first claim counts.
    pub(super) started_at: Option<Timestamp>,
    /// Time when it ended.
    pub(super) ended_at: Option<Timestamp>,
    /// True if its attempt shall stop.
    pub(super) stop: bool,
    /// Its next priority.
    pub(super) priority: Option<u8>,
}

/// A notification to queue.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OutboxRow {
    /// Its execution.
    pub(super) execution: Seq,
    /// Run of the execution.
    pub(super) run: u32,
    /// Place of the target in the plan.
    pub(super) position: u32,
    /// Receiver.
    pub(super) target: NotifyTarget,
    /// The reported state.
    pub(super) state: ExecutionState,
}

/// Changes to write.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Log entries, in order per execution.
    pub(super) log: Vec<(Seq, LogEntry)>,
    /// States of executions, and when they ended.
    pub(super) executions: BTreeMap<Seq, (ExecutionState, Option<Timestamp>)>,
    /// Until when executions may run; absent: as long as they take.
    pub(super) deadlines: BTreeMap<Seq, Option<Timestamp>>,
    /// Parameters of executions that are changed.
    pub(super) params: BTreeMap<Seq, BTreeMap<String, Value>>,
    /// Jobs by queue that begin to run, less those that do so no longer.
    pub(super) running: BTreeMap<String, i64>,
    /// Rows of the queue.
    pub(super) jobs: BTreeMap<(Seq, u32), JobChange>,
    /// Notifications.
    pub(super) outbox: Vec<OutboxRow>,
    /// Executions whose warnings must be recounted.
    pub(super) warned: BTreeSet<Seq>,
    /// Hints to send after the commit.
    pub(super) hints: Vec<Hint>,
}

impl Changes {
    /// Steps an execution. After an error nothing has changed.
    pub(super) fn step(
        &mut self,
        evaluate: &dyn Evaluate,
        hot: &mut CachedExecution,
        input: Input,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let facts = Facts { execution: hot.id, created_at: hot.created_at, input: &hot.input, params: &hot.params };
        let next = step(&Context { plan: &hot.plan, evaluate, facts }, &hot.state, input, now)?;
        for ((before, after), activity) in
            hot.state.activities.iter().zip(&next.state.activities).zip(hot.plan.graph.node_weights())
        {
            let runs = |state: &ActivityState| i64::from(state.name() == JobState::Running);
            let change = runs(after) - runs(before);
            if change != 0 {
                *self.running.entry(activity.queue.clone()).or_default() += change;
            }
        }
        for entry in &next.log {
            count(&hot.plan, &entry.event);
        }
        if next.log.iter().any(warning::changes_number) {
            self.warned.insert(hot.seq);
        }
        self.log.extend(next.log.into_iter().map(|entry| (hot.seq, entry)));
        if next.state.state != hot.state.state {
            let state = next.state.state;
            self.executions.insert(hot.seq, (state, state.is_ended().then_some(now)));
            if let Some(limit) = hot.plan.deadline {
                self.deadlines.insert(hot.seq, (!state.is_ended()).then(|| now.after(limit)));
            }
        } else if next.state.cancel.is_some() && hot.state.cancel.is_none() {
            // It stops already: its deadline asks for nothing more.
            self.deadlines.insert(hot.seq, None);
        }
        hot.state = next.state;
        for effect in next.effects {
            self.carry_out(hot, effect, now);
        }
        self.hints.push(Hint::Execution(hot.id));
        Ok(())
    }

    /// Steps an execution so that `worker` holds the lease of one of its jobs.
    pub(super) fn claim(
        &mut self,
        evaluate: &dyn Evaluate,
        hot: &mut CachedExecution,
        (job, activity): (JobId, NodeIndex),
        (worker, lease): (&str, Duration),
        now: Timestamp,
    ) -> Result<Claim, StepError> {
        let signal = Signal::Claimed { worker: worker.to_owned() };
        self.step(evaluate, hot, Input::Activity { activity, signal }, now)?;
        let attempt = hot.state.activities[activity.index()].attempt();
        let row = self.row(hot.seq, activity);
        *row = JobChange {
            to: Some(JobState::Running),
            attempt: Some(attempt),
            worker: Some(worker.to_owned()),
            due_at: Some(now.after(lease)),
            started_at: row.started_at.or(Some(now)),
            ended_at: None,
            stop: false,
            priority: row.priority,
        };
        Ok(Claim {
            job,
            execution: hot.id,
            activity: activity.index(),
            attempt,
            plan: Arc::clone(&hot.plan),
            input: hot.input.clone(),
            params: hot.params.clone(),
            created_at: hot.created_at,
            state: hot.state.clone(),
        })
    }

    /// Changes parameters of an execution.
    pub(super) fn set_params(&mut self, hot: &mut CachedExecution, params: &BTreeMap<String, Value>) {
        if !params.is_empty() {
            hot.params.extend(params.clone());
            self.params.insert(hot.seq, hot.params.clone());
        }
    }

    fn carry_out(&mut self, hot: &CachedExecution, effect: Effect, now: Timestamp) {
        match effect {
            Effect::Enqueue { activity } => {
                self.hints.push(Hint::Queue);
                self.put(hot.seq, activity, JobState::Queued, None, None);
            }
            Effect::EnqueueAt { activity, at } => self.put(hot.seq, activity, JobState::Retrying, Some(at), None),
            Effect::Reset { activity } => self.put(hot.seq, activity, JobState::Waiting, None, None),
            Effect::Settle { activity } => {
                let state = hot.state.activities[activity.index()].name();
                self.put(hot.seq, activity, state, None, Some(now));
            }
            Effect::Stop { activity } => self.row(hot.seq, activity).stop = true,
            Effect::Prioritize { activity, priority } => self.row(hot.seq, activity).priority = Some(priority),
            Effect::Notify(what) => self.notify(hot, what),
            // Written with the state.
            Effect::Ended(_) => self.hints.push(Hint::Ended(hot.id)),
        }
    }

    fn row(&mut self, execution: Seq, activity: NodeIndex) -> &mut JobChange {
        self.jobs.entry((execution, column(activity))).or_default()
    }

    /// Takes a job out of a worker's hands into `state`.
    fn put(
        &mut self,
        execution: Seq,
        activity: NodeIndex,
        state: JobState,
        due_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
    ) {
        let row = self.row(execution, activity);
        *row = JobChange { to: Some(state), due_at, ended_at, worker: None, stop: false, ..row.clone() };
    }

    fn notify(&mut self, hot: &CachedExecution, what: NotifyOn) {
        let state = match what {
            NotifyOn::Started => ExecutionState::Running,
            NotifyOn::Succeeded => ExecutionState::Succeeded,
            NotifyOn::Failed => ExecutionState::Failed,
            NotifyOn::Cancelled => ExecutionState::Cancelled,
        };
        for (position, target) in (0..).zip(&hot.plan.notify).filter(|(_, target)| target.on.contains(&what)) {
            let (execution, run) = (hot.seq, hot.state.run);
            self.outbox.push(OutboxRow { execution, run, position, target: target.clone(), state });
            self.hints.push(Hint::Outbox);
        }
    }
}

/// Updates metrics. If a transaction is lost, its decisions are made, and counted, again.
fn count(plan: &Plan, event: &LogEvent) {
    match event {
        LogEvent::AttemptLost { .. } => metrics::leases_lost(1),
        LogEvent::Ended { state } => metrics::execution_ended(&plan.workflow, state.as_str()),
        _ => {}
    }
}

/// Column of an activity.
pub(super) fn column(node: NodeIndex) -> u32 {
    u32::try_from(node.index()).unwrap_or(u32::MAX)
}
