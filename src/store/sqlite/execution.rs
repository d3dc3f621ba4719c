//! Loading an execution, stepping it, and writing down what the step gave.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use petgraph::graph::NodeIndex;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::codec::{self, Seq};
use super::fault::{Fault, one_row};
use super::writer::Writer;
use crate::engine::{Context, Effect, Evaluate, Execution, Facts, Input, LogEntry, Replay, StepError, step};
use crate::model::plan::{NotifyOn, Plan};
use crate::model::{ExecutionId, ExecutionState, InputObject, JobState, Timestamp};
use crate::store::{Hint, NewExecution, StoreError};

/// Executions and plans kept in memory. Jobs are claimed execution by execution, so few are at work at a time.
const EXECUTIONS: usize = 64;
const PLANS: usize = 256;

/// What the writer keeps in memory. Clearing it is always safe: everything is in the database.
pub(super) struct Cache {
    evaluate: Arc<dyn Evaluate + Send + Sync>,
    executions: HashMap<Seq, Hot>,
    plans: HashMap<i64, Arc<Plan>>,
}

/// An execution at hand.
pub(super) struct Hot {
    /// Its identifier.
    pub id: ExecutionId,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// What it works on.
    pub input: InputObject,
    /// Its parameters.
    pub params: BTreeMap<String, Value>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its state.
    pub state: Execution,
}

impl Cache {
    /// An empty cache.
    pub(super) fn new(evaluate: Arc<dyn Evaluate + Send + Sync>) -> Self {
        Self { evaluate, executions: HashMap::new(), plans: HashMap::new() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.executions.clear();
        self.plans.clear();
    }

    /// Keeps an execution at hand, unless nothing more is to come.
    pub(super) fn keep(&mut self, seq: Seq, hot: Hot) {
        if hot.state.state.is_ended() {
            return;
        }
        if self.executions.len() >= EXECUTIONS {
            self.executions.clear();
        }
        self.executions.insert(seq, hot);
    }

    fn keep_plan(&mut self, id: i64, plan: &Arc<Plan>) {
        if self.plans.len() >= PLANS {
            self.plans.clear();
        }
        self.plans.insert(id, plan.clone());
    }
}

impl Writer {
    /// Creates an execution and starts it; nothing where it is there already.
    pub(super) fn create(&mut self, new: NewExecution, event: Option<i64>, now: Timestamp) -> Result<(), Fault> {
        let exists = self.db.prepare_cached("SELECT 1 FROM executions WHERE id = ?1")?.exists([new.id.0])?;
        if exists {
            return Ok(());
        }
        if new.jobs.len() != new.plan.graph.node_count() {
            let (jobs, activities) = (new.jobs.len(), new.plan.graph.node_count());
            return Err(StoreError::Illegal(format!("{jobs} jobs for {activities} activities")).into());
        }
        let plan = self.plan_id(&new.plan)?;
        let seq = self
            .db
            .prepare_cached(
                "INSERT INTO executions (id, event, plan, workflow, state, input, params, user_data, created_at)
                 VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?6, ?7, ?8)",
            )?
            .insert(params![
                new.id.0,
                event,
                plan,
                new.plan.workflow,
                codec::to_json(&new.input)?,
                codec::to_json(&new.params)?,
                new.user_data,
                now.0,
            ])?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO jobs (execution, activity, id, state, queue, priority) VALUES (?1, ?2, ?3, 'waiting', ?4, ?5)",
        )?;
        for (job, node) in new.jobs.iter().zip(new.plan.graph.node_indices()) {
            let activity = &new.plan.graph[node];
            insert.execute(params![seq, codec::activity(node), job.0, activity.queue, activity.priority])?;
        }
        drop(insert);
        let state = Execution::new(&new.plan);
        let NewExecution { id, plan, input, params, cause, .. } = new;
        let mut hot = Hot { id, plan, input, params, created_at: now, state };
        self.step(seq, &mut hot, Input::Start { cause }, now).map_err(illegal)?;
        self.cache.keep(seq, hot);
        Ok(())
    }

    /// Steps an execution.
    pub(super) fn advance(&mut self, seq: Seq, input: Input, now: Timestamp) -> Result<(), Advance> {
        let mut hot = self.take(seq)?;
        self.step(seq, &mut hot, input, now)?;
        self.cache.keep(seq, hot);
        Ok(())
    }

    /// Steps an execution and writes down state, log, queue and outbox. After an error `hot` is not to be kept.
    pub(super) fn step(&mut self, seq: Seq, hot: &mut Hot, input: Input, now: Timestamp) -> Result<(), Advance> {
        let facts = Facts { execution: hot.id, created_at: hot.created_at, input: &hot.input, params: &hot.params };
        let context = Context { plan: &hot.plan, evaluate: &*self.cache.evaluate, facts };
        let next = step(&context, &hot.state, input, now).map_err(Advance::Refused)?;
        self.append(seq, &next.log)?;
        if next.state.state != hot.state.state {
            self.write_state(seq, next.state.state, now)?;
        }
        hot.state = next.state;
        for effect in next.effects {
            self.carry_out(seq, hot, effect, now)?;
        }
        self.hints.push(Hint::Execution(hot.id));
        Ok(())
    }

    /// An execution, out of the cache or out of the database.
    pub(super) fn take(&mut self, seq: Seq) -> Result<Hot, Fault> {
        match self.cache.executions.remove(&seq) {
            Some(hot) => Ok(hot),
            None => self.load(seq),
        }
    }

    fn load(&mut self, seq: Seq) -> Result<Hot, Fault> {
        let (id, plan_id, input, params, created_at) = self
            .db
            .prepare_cached("SELECT id, plan, input, params, created_at FROM executions WHERE seq = ?1")?
            .query_row([seq], |row| {
                Ok((
                    ExecutionId(row.get(0)?),
                    row.get::<_, i64>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, String>(3)?,
                    Timestamp(row.get(4)?),
                ))
            })?;
        let plan = match self.cache.plans.get(&plan_id) {
            Some(plan) => plan.clone(),
            None => Arc::new(codec::plan(&self.db, plan_id)?),
        };
        self.cache.keep_plan(plan_id, &plan);
        let state = load_state(&self.db, seq, &plan)?;
        let input = codec::from_json("input", &input)?;
        let params = codec::from_json("parameters", &params)?;
        Ok(Hot { id, plan, input, params, created_at, state })
    }

    /// Row of a plan, which is written where it is new.
    fn plan_id(&mut self, plan: &Arc<Plan>) -> Result<i64, Fault> {
        if let Some((&id, _)) = self.cache.plans.iter().find(|(_, known)| Arc::ptr_eq(known, plan)) {
            return Ok(id);
        }
        let body = codec::to_json(&**plan)?;
        let known = self
            .db
            .prepare_cached("SELECT id FROM plans WHERE digest = ?1 AND body = ?2")?
            .query_row(params![plan.digest, body], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => self
                .db
                .prepare_cached("INSERT INTO plans (digest, body) VALUES (?1, ?2)")?
                .insert(params![plan.digest, body])?,
        };
        self.cache.keep_plan(id, plan);
        Ok(id)
    }

    fn append(&self, execution: Seq, log: &[LogEntry]) -> Result<(), Fault> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO log (execution, seq, at, activity, attempt, mark, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for entry in log {
            insert.execute(params![
                execution,
                codec::count(entry.seq),
                entry.at.0,
                entry.activity,
                entry.attempt,
                entry.event.is_mark(),
                codec::to_json(&entry.event)?,
            ])?;
        }
        Ok(())
    }

    fn write_state(&self, seq: Seq, state: ExecutionState, now: Timestamp) -> Result<(), Fault> {
        let ended_at = state.is_ended().then_some(now.0);
        let changed = self
            .db
            .prepare_cached("UPDATE executions SET state = ?2, ended_at = ?3 WHERE seq = ?1")?
            .execute(params![seq, state.as_str(), ended_at])?;
        one_row("execution", changed)
    }

    fn carry_out(&mut self, seq: Seq, hot: &Hot, effect: Effect, now: Timestamp) -> Result<(), Fault> {
        match effect {
            Effect::Enqueue { activity } => {
                self.hints.push(Hint::Queue);
                self.write_job(seq, activity, JobState::Queued, None, None)
            }
            Effect::EnqueueAt { activity, at } => self.write_job(seq, activity, JobState::Retrying, Some(at), None),
            Effect::Reset { activity } => self.write_job(seq, activity, JobState::Waiting, None, None),
            Effect::Settle { activity } => {
                let state = hot.state.activities[activity.index()].name();
                self.write_job(seq, activity, state, None, Some(now))
            }
            Effect::Stop { activity } => {
                let changed = self
                    .db
                    .prepare_cached("UPDATE jobs SET stop = 1 WHERE execution = ?1 AND activity = ?2")?
                    .execute(params![seq, codec::activity(activity)])?;
                one_row("job", changed)
            }
            Effect::Notify(what) => self.notify(seq, hot, what, now),
            // Written with the state.
            Effect::Ended(_) => Ok(()),
        }
    }

    /// Takes a job out of a worker's hands into `state`.
    fn write_job(
        &self,
        seq: Seq,
        activity: NodeIndex,
        state: JobState,
        due_at: Option<Timestamp>,
        ended_at: Option<Timestamp>,
    ) -> Result<(), Fault> {
        let changed = self
            .db
            .prepare_cached(
                "UPDATE jobs SET state = ?3, due_at = ?4, ended_at = ?5, worker = NULL, stop = 0
                 WHERE execution = ?1 AND activity = ?2",
            )?
            .execute(params![
                seq,
                codec::activity(activity),
                state.as_str(),
                due_at.map(|at| at.0),
                ended_at.map(|at| at.0),
            ])?;
        one_row("job", changed)
    }

    fn notify(&mut self, seq: Seq, hot: &Hot, what: NotifyOn, now: Timestamp) -> Result<(), Fault> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO outbox (execution, run, position, target, state, at, due_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
        )?;
        for (position, target) in (0_i64..).zip(&hot.plan.notify).filter(|(_, target)| target.on.contains(&what)) {
            let state = match what {
                NotifyOn::Started => ExecutionState::Running,
                NotifyOn::Succeeded => ExecutionState::Succeeded,
                NotifyOn::Failed => ExecutionState::Failed,
                NotifyOn::Cancelled => ExecutionState::Cancelled,
            };
            insert.execute(params![seq, hot.state.run, position, codec::to_json(target)?, state.as_str(), now.0,])?;
            self.hints.push(Hint::Outbox);
        }
        Ok(())
    }
}

/// The state of an execution: its log, folded. Marks are passed over but for their sequence.
pub(super) fn load_state(db: &Connection, seq: Seq, plan: &Plan) -> Result<Execution, Fault> {
    let mut statement =
        db.prepare_cached("SELECT seq, at, activity, attempt, event, mark FROM log WHERE execution = ?1 ORDER BY seq")?;
    let mut rows = statement.query([seq])?;
    let mut replay = Replay::new(plan);
    let mut last = 0;
    while let Some(row) = rows.next()? {
        last = row.get::<_, i64>(0)?.unsigned_abs();
        if !row.get::<_, bool>(5)? {
            replay.apply(&codec::log_entry(row)?).map_err(|error| Fault::corrupt("log", error))?;
        }
    }
    Ok(Execution { next_seq: last + 1, ..replay.into_state() })
}

/// Why an execution did not advance.
#[derive(Debug)]
pub(super) enum Advance {
    /// The engine refused the input.
    Refused(StepError),
    /// The database failed.
    Fault(Fault),
}

impl From<Fault> for Advance {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A refusal where there is no attempt that could be late.
pub(super) fn illegal(error: Advance) -> Fault {
    match error {
        Advance::Refused(error) => StoreError::Illegal(error.to_string()).into(),
        Advance::Fault(fault) => fault,
    }
}
