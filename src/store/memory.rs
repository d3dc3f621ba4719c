//! Cache of a writer: running executions, plans, and the executions of claimed jobs.
//!
//! **Invariant**: forgetting is always safe, because everything is in the database; a writer forgets all of it whenever
//! a transaction is not committed.

use std::sync::Arc;

use petgraph::graph::NodeIndex;

use super::recent::Recent;
use super::unit::{CachedExecution, Seq};
use crate::model::JobId;
use crate::model::plan::Plan;

/// Entries of each of the two generations, enough that new executions that wait do not push out the running ones.
const EXECUTIONS: usize = 512;
const PLANS: usize = 128;
const PLACES: usize = 8_192;

/// See the module.
#[derive(Debug)]
pub(super) struct Memory {
    executions: Recent<Seq, CachedExecution>,
    plans: Recent<i64, Arc<Plan>>,
    places: Recent<JobId, (Seq, NodeIndex)>,
}

impl Memory {
    /// Knows nothing.
    pub(super) fn new() -> Self {
        Self { executions: Recent::new(EXECUTIONS), plans: Recent::new(PLANS), places: Recent::new(PLACES) }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.executions.clear();
        self.plans.clear();
        self.places.clear();
    }

    /// Keeps an execution, unless nothing more is to come.
    pub(super) fn keep(&mut self, hot: CachedExecution) {
        if !hot.state.state.is_ended() {
            self.executions.insert(hot.seq, hot);
        }
    }

    /// Takes an execution out; the caller puts it back once its changes are committed.
    pub(super) fn take(&mut self, seq: Seq) -> Option<CachedExecution> {
        self.executions.remove(&seq)
    }

    /// Keeps the plan of a row.
    pub(super) fn keep_plan(&mut self, id: i64, plan: &Arc<Plan>) {
        self.plans.insert(id, Arc::clone(plan));
    }

    /// The plan of a row.
    pub(super) fn plan(&mut self, id: i64) -> Option<Arc<Plan>> {
        self.plans.get(&id).cloned()
    }

    /// The row of a plan.
    pub(super) fn plan_id(&self, plan: &Arc<Plan>) -> Option<i64> {
        self.plans.iter().find(|(_, known)| Arc::ptr_eq(known, plan)).map(|(&id, _)| id)
    }

    /// Keeps where a job belongs, which never changes.
    pub(super) fn keep_place(&mut self, job: JobId, place: (Seq, NodeIndex)) {
        self.places.insert(job, place);
    }

    /// Returns the execution and the activity of a job.
    pub(super) fn place(&mut self, job: JobId) -> Option<(Seq, NodeIndex)> {
        self.places.get(&job).copied()
    }
}
