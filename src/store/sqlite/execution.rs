//! Loading an execution, stepping it, and writing down what the step gave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::NodeIndex;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codec;
use super::fault::{Fault, one_row};
use super::writer::Writer;
use crate::engine::{Evaluate, Execution, Input, LogEntry, Replay, StepError};
use crate::model::plan::Plan;
use crate::model::{ExecutionId, JobId, JobState, Timestamp};
use crate::store::memory::Memory;
use crate::store::unit::{CachedExecution, Changes, JobChange, OutboxRow, Seq, column};
use crate::store::{Claim, NewExecution, StoreError};

/// Cache of the writer. Clearing it is always safe: everything is in the database.
pub(super) struct Cache {
    evaluate: Arc<dyn Evaluate + Send + Sync>,
    /// Executions, plans and places.
    pub memory: Memory,
    /// Row of the next execution; absent until one is created.
    next_seq: Option<Seq>,
    /// Every queue; `None` until the first claim.
    pub lines: Option<BTreeMap<String, QueueRow>>,
    /// Claims made, to serve queues in turn.
    pub claims: u64,
}

/// A queue, as far as claiming asks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueueRow {
    /// Most jobs at once; 0: no limit.
    pub concurrency: u32,
    /// True if nothing is claimed from it.
    pub paused: bool,
    /// Jobs of it that run.
    pub running: i64,
    /// Claims that had been made when it was last served.
    pub served: u64,
}

impl QueueRow {
    /// Jobs that can be claimed from it now.
    pub(super) fn room(&self) -> usize {
        match self.concurrency {
            _ if self.paused => 0,
            0 => usize::MAX,
            most => usize::try_from(i64::from(most) - self.running).unwrap_or(0),
        }
    }
}

impl Cache {
    /// An empty cache.
    pub(super) fn new(evaluate: Arc<dyn Evaluate + Send + Sync>) -> Self {
        Self { evaluate, memory: Memory::new(), next_seq: None, lines: None, claims: 0 }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        self.next_seq = None;
        self.lines = None;
    }
}

impl Writer {
    /// Creates an execution and starts it; nothing where it is there already.
    pub(super) fn create(&mut self, new: &NewExecution, event: Option<i64>, now: Timestamp) -> Result<(), Fault> {
        // What an event starts is as new as the event.
        if event.is_none() && self.db.prepare_cached("SELECT 1 FROM executions WHERE id = ?1")?.exists([new.id.0])? {
            return Ok(());
        }
        if new.jobs.len() != new.plan.graph.node_count() {
            let (jobs, activities) = (new.jobs.len(), new.plan.graph.node_count());
            return Err(StoreError::Illegal(format!(
                "an execution of {activities} activities needs as many jobs, not {jobs}"
            ))
            .into());
        }
        let plan = self.plan_id(&new.plan)?;
        for queue in new.plan.graph.node_weights().map(|activity| &activity.queue).collect::<BTreeSet<_>>() {
            self.add_queue(queue)?;
        }
        let seq = self.next_seq()?;
        let mut hot = CachedExecution {
            seq,
            id: new.id,
            plan: Arc::clone(&new.plan),
            input: new.input.clone(),
            params: new.params.clone(),
            created_at: now,
            state: Execution::new(&new.plan),
        };
        // It is started before it is written, so that each of its rows is written once.
        let mut changes = Changes::default();
        let start = Input::Start { cause: new.cause.clone() };
        changes
            .step(&*self.cache.evaluate, &mut hot, start, now)
            .map_err(|error| illegal(AdvanceError::Refused(error)))?;
        let (state, ended_at) = changes.executions.remove(&seq).unwrap_or((hot.state.state, None));
        self.db
            .prepare_cached(
                "INSERT INTO executions
                     (seq, id, event, plan, workflow, state, input, params, user_data, created_at, ended_at, deadline_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                seq,
                new.id.0,
                event,
                plan,
                new.plan.workflow,
                state.as_str(),
                codec::to_json(&new.input)?,
                codec::to_json(&new.params)?,
                new.user_data,
                now.0,
                ended_at.map(|at| at.0),
                changes.deadlines.remove(&seq).flatten().map(|at| at.0),
            ])?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO jobs (execution, activity, id, state, queue, priority, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for (job, node) in new.jobs.iter().zip(new.plan.graph.node_indices()) {
            let activity = &new.plan.graph[node];
            let started = changes.jobs.remove(&(seq, column(node))).unwrap_or_default();
            let state = started.to.unwrap_or(JobState::Waiting).as_str();
            let ended_at = started.ended_at.map(|at| at.0);
            insert.execute(params![seq, column(node), job.0, state, activity.queue, activity.priority, ended_at])?;
        }
        drop(insert);
        self.write(changes, now)?;
        self.cache.memory.keep(hot);
        Ok(())
    }

    /// The row of a new execution.
    fn next_seq(&mut self) -> Result<Seq, Fault> {
        let seq = match self.cache.next_seq {
            Some(seq) => seq,
            None => self
                .db
                .prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM executions")?
                .query_row([], |row| row.get(0))?,
        };
        self.cache.next_seq = Some(seq + 1);
        Ok(seq)
    }

    /// Steps an execution.
    pub(super) fn advance(&mut self, seq: Seq, input: Input, now: Timestamp) -> Result<(), AdvanceError> {
        let mut hot = self.take(seq)?;
        self.step(&mut hot, input, now)?;
        self.cache.memory.keep(hot);
        Ok(())
    }

    /// Steps an execution and writes down state, log, queue and outbox. After an error `hot` is not to be kept.
    pub(super) fn step(&mut self, hot: &mut CachedExecution, input: Input, now: Timestamp) -> Result<(), AdvanceError> {
        let mut changes = Changes::default();
        if let Input::Retry { params, .. } = &input {
            changes.set_params(hot, params);
        }
        changes.step(&*self.cache.evaluate, hot, input, now).map_err(AdvanceError::Refused)?;
        self.write(changes, now)?;
        Ok(())
    }

    /// Steps an execution so that `claimant` holds the lease of one of its jobs.
    pub(super) fn step_claim(
        &mut self,
        hot: &mut CachedExecution,
        job: (JobId, NodeIndex),
        claimant: (&str, Duration),
        now: Timestamp,
    ) -> Result<Claim, AdvanceError> {
        let mut changes = Changes::default();
        let claim = changes.claim(&*self.cache.evaluate, hot, job, claimant, now).map_err(AdvanceError::Refused)?;
        self.write(changes, now)?;
        Ok(claim)
    }

    /// An execution, out of the cache or out of the database.
    pub(super) fn take(&mut self, seq: Seq) -> Result<CachedExecution, Fault> {
        match self.cache.memory.take(seq) {
            Some(hot) => Ok(hot),
            None => self.load(seq),
        }
    }

    fn load(&mut self, seq: Seq) -> Result<CachedExecution, Fault> {
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
        let plan = match self.cache.memory.plan(plan_id) {
            Some(plan) => plan,
            None => Arc::new(codec::plan(&self.db, plan_id)?),
        };
        self.cache.memory.keep_plan(plan_id, &plan);
        let state = load_state(&self.db, seq, &plan)?;
        let input = codec::from_json("input", &input)?;
        let params = codec::from_json("parameters", &params)?;
        Ok(CachedExecution { seq, id, plan, input, params, created_at, state })
    }

    /// Row of a plan, which is written where it is new.
    fn plan_id(&mut self, plan: &Arc<Plan>) -> Result<i64, Fault> {
        if let Some(id) = self.cache.memory.plan_id(plan) {
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
        self.cache.memory.keep_plan(id, plan);
        Ok(id)
    }

    /// Writes down what steps changed.
    fn write(&mut self, changes: Changes, now: Timestamp) -> Result<(), Fault> {
        let Changes { log, executions, deadlines, params, running, jobs, outbox, warned, hints } = changes;
        self.append(&log)?;
        for seq in warned {
            self.count_warnings(seq)?;
        }
        for (seq, (state, ended_at)) in executions {
            let changed = self
                .db
                .prepare_cached("UPDATE executions SET state = ?2, ended_at = ?3 WHERE seq = ?1")?
                .execute(params![seq, state.as_str(), ended_at.map(|at| at.0)])?;
            one_row("execution", changed)?;
        }
        for (seq, deadline) in deadlines {
            self.db
                .prepare_cached("UPDATE executions SET deadline_at = ?2 WHERE seq = ?1")?
                .execute(params![seq, deadline.map(|at| at.0)])?;
        }
        for (seq, params) in params {
            self.db
                .prepare_cached("UPDATE executions SET params = ?2 WHERE seq = ?1")?
                .execute(params![seq, codec::to_json(&params)?])?;
        }
        for (job, change) in jobs {
            self.write_job(job, &change)?;
        }
        for told in outbox {
            self.tell(&told, now)?;
        }
        if let Some(lines) = &mut self.cache.lines {
            for (queue, change) in running {
                lines.entry(queue).or_default().running += change;
            }
        }
        self.hints.extend(hints);
        Ok(())
    }

    fn append(&self, log: &[(Seq, LogEntry)]) -> Result<(), Fault> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO log (execution, seq, at, activity, attempt, mark, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for (execution, entry) in log {
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

    /// Counts the warnings of the last attempts anew.
    fn count_warnings(&self, seq: Seq) -> Result<(), Fault> {
        self.db
            .prepare_cached(
                "UPDATE executions SET warnings = (
                     SELECT count(*) FROM log l
                     JOIN (SELECT activity, max(attempt) AS last FROM log WHERE execution = ?1 GROUP BY activity) a
                         ON a.activity = l.activity AND a.last = l.attempt
                     WHERE l.execution = ?1 AND l.mark = 1 AND l.event LIKE '{\"type\":\"warning\"%')
                 WHERE seq = ?1",
            )?
            .execute([seq])?;
        Ok(())
    }

    fn write_job(&self, (seq, activity): (Seq, u32), change: &JobChange) -> Result<(), Fault> {
        let changed = match change.to {
            Some(state) => self
                .db
                .prepare_cached(
                    "UPDATE jobs SET state = ?3, due_at = ?4, ended_at = ?5, worker = ?6, stop = ?7,
                         priority = coalesce(?8, priority), attempt = coalesce(?9, attempt),
                         started_at = coalesce(started_at, ?10), progress = iif(?9 IS NULL, progress, NULL)
                     WHERE execution = ?1 AND activity = ?2",
                )?
                .execute(params![
                    seq,
                    activity,
                    state.as_str(),
                    change.due_at.map(|at| at.0),
                    change.ended_at.map(|at| at.0),
                    change.worker,
                    change.stop,
                    change.priority,
                    change.attempt,
                    change.started_at.map(|at| at.0),
                ])?,
            None => self
                .db
                .prepare_cached(
                    "UPDATE jobs SET stop = stop OR ?3, priority = coalesce(?4, priority)
                     WHERE execution = ?1 AND activity = ?2",
                )?
                .execute(params![seq, activity, change.stop, change.priority])?,
        };
        Ok(one_row("job", changed)?)
    }

    fn tell(&self, told: &OutboxRow, now: Timestamp) -> Result<(), Fault> {
        self.db
            .prepare_cached(
                "INSERT INTO outbox (execution, run, position, target, state, at, due_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            )?
            .execute(params![
                told.execution,
                told.run,
                told.position,
                codec::to_json(&told.target)?,
                told.state.as_str(),
                now.0,
            ])?;
        Ok(())
    }
}

/// The state of an execution: its log, folded. Marks are passed over but for their sequence.
pub(super) fn load_state(db: &Connection, seq: Seq, plan: &Plan) -> Result<Execution, Fault> {
    load(db, seq, plan, |_| Ok(()))
}

/// Returns the same with the marks of progress.
pub(super) fn load(
    db: &Connection,
    seq: Seq,
    plan: &Plan,
    mut mark: impl FnMut(&Row<'_>) -> Result<(), Fault>,
) -> Result<Execution, Fault> {
    let mut statement =
        db.prepare_cached("SELECT seq, at, activity, attempt, event, mark FROM log WHERE execution = ?1 ORDER BY seq")?;
    let mut rows = statement.query([seq])?;
    let mut replay = Replay::new(plan);
    let mut last = 0;
    while let Some(row) = rows.next()? {
        last = row.get::<_, i64>(0)?.unsigned_abs();
        if row.get(5)? {
            mark(row)?;
        } else {
            replay.apply(&codec::log_entry(row)?).map_err(|error| Fault::corrupt("log", error))?;
        }
    }
    Ok(Execution { next_seq: last + 1, ..replay.into_state() })
}

/// Error of advancing an execution.
#[derive(Debug)]
pub(super) enum AdvanceError {
    /// The engine refused the input.
    Refused(StepError),
    /// The database failed.
    Fault(Fault),
}

impl From<Fault> for AdvanceError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A refusal where there is no attempt that could be late.
pub(super) fn illegal(error: AdvanceError) -> Fault {
    match error {
        AdvanceError::Refused(error) => StoreError::from(error).into(),
        AdvanceError::Fault(fault) => fault,
    }
}
