//! Many commands, one transaction, a handful of statements.
//!
//! A batch goes through phases, each over all commands: events are written to the ledger, executions locked and loaded,
//! stepped in memory, and what changed is written; then claims see what was queued, and are written likewise. Waiting
//! for a lock happens only in the order of rows, and before anything is claimed; claims skip what is locked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::NodeIndex;
use sqlx::{PgConnection, Row};

use super::ClockSource;
use super::codec;
use super::command::{Advance, Command, Target};
use super::fault::Fault;
use super::load::Cache;
use crate::engine::{ActivityState, Execution, Input, Outcome, Signal, StepError};
use crate::model::{ExecutionId, JobId, ObjectLocation, Timestamp};
use crate::store::unit::{CachedExecution, Changes, Seq, column};
use crate::store::{Hint, NewExecution, StoreError};

/// Jobs and executions that one reaping checks.
const REAP: i64 = 500;

/// A job that is due for a check.
struct DueJob {
    execution: Seq,
    activity: NodeIndex,
    attempt: u32,
    running: bool,
}

/// A batch under way.
pub(super) struct Batch<'a> {
    /// The transaction's connection.
    pub(super) db: &'a mut PgConnection,
    /// Cached executions and plans of earlier batches.
    pub(super) cache: &'a mut Cache,
    /// The database's time, where that counts.
    clock: Option<Timestamp>,
    /// Locked executions.
    pub(super) hot: HashMap<Seq, CachedExecution>,
    /// Executions that this batch creates.
    pub(super) created: BTreeMap<Seq, CreatedExecution>,
    /// Changes to write.
    pub(super) changes: Changes,
    /// Objects that attempts are going to publish.
    pub(super) outputs: BTreeSet<(Seq, ObjectLocation)>,
    /// Hints of changes that are written already.
    hints: Vec<Hint>,
}

/// Content of the row of a new execution besides its state.
#[derive(Debug)]
pub(super) struct CreatedExecution {
    /// Row of its event.
    pub(super) event: Option<i64>,
    /// Row of its plan.
    pub(super) plan: i64,
    /// The user's text.
    pub(super) user_data: Option<String>,
    /// Its jobs, by activity.
    pub(super) jobs: Vec<JobId>,
}

impl<'a> Batch<'a> {
    /// A batch in the transaction of `db`.
    pub(super) async fn begin(
        db: &'a mut PgConnection,
        cache: &'a mut Cache,
        time: ClockSource,
    ) -> Result<Self, Fault> {
        let clock = match time {
            ClockSource::Caller => None,
            ClockSource::Database => Some(super::read::now(&mut *db).await?),
        };
        Ok(Self {
            db,
            cache,
            clock,
            hot: HashMap::new(),
            created: BTreeMap::new(),
            changes: Changes::default(),
            outputs: BTreeSet::new(),
            hints: Vec::new(),
        })
    }

    /// The time that counts, where the caller's is `now`.
    pub(super) fn now(&self, now: Timestamp) -> Timestamp {
        self.clock.unwrap_or(now)
    }

    /// Runs the commands and stages their answers.
    pub(super) async fn run(&mut self, commands: &mut [Command]) -> Result<(), Fault> {
        commands.iter_mut().for_each(Command::forget);
        let mut starts = self.record_events(commands).await?;
        for command in commands.iter_mut() {
            if let Command::Start { execution, now, reply } = command {
                reply.stage(well_formed(execution));
                if matches!(reply.result, Some(Ok(()))) {
                    starts.push((execution.as_ref().clone(), None, self.now(*now)));
                }
            }
        }
        self.create(starts).await?;
        self.advance_all(commands).await?;
        self.flush().await?;
        self.deliver(commands).await?;
        self.claim_all(commands).await?;
        self.flush().await?;
        self.claim_beside_all(commands).await?;
        self.flush().await
    }

    /// Returns the hints to send; executions stay cached.
    pub(super) fn end(mut self) -> Vec<Hint> {
        for (_, hot) in self.hot.drain() {
            self.cache.memory.keep(hot);
        }
        self.hints.append(&mut self.changes.hints);
        self.hints
    }

    /// Creates executions that are not there yet, and starts them.
    async fn create(&mut self, starts: Vec<(NewExecution, Option<i64>, Timestamp)>) -> Result<(), Fault> {
        if starts.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = starts.iter().map(|(new, ..)| new.id.0).collect();
        let known: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM executions WHERE id = ANY($1)")
            .bind(&ids)
            .fetch_all(&mut *self.db)
            .await?;
        let mut known: BTreeSet<_> = known.into_iter().collect();
        let new: Vec<_> = starts.into_iter().filter(|(new, ..)| known.insert(new.id.0)).collect();
        let plans: Vec<_> = new.iter().map(|(new, ..)| Arc::clone(&new.plan)).collect();
        let plans = self.plan_ids(&plans).await?;
        let queues = new
            .iter()
            .flat_map(|(new, ..)| new.plan.graph.node_weights().map(|activity| activity.queue.clone()))
            .collect();
        self.add_queues(queues).await?;
        let seqs: Vec<i64> = sqlx::query_scalar(
            "SELECT nextval(pg_get_serial_sequence('executions', 'seq')) FROM generate_series(1, $1)",
        )
        .bind(codec::bigint(new.len() as u64))
        .fetch_all(&mut *self.db)
        .await?;
        for (((new, event, now), plan), seq) in new.into_iter().zip(plans).zip(seqs) {
            let state = Execution::new(&new.plan);
            let NewExecution { id, jobs, plan: body, input, params, user_data, cause } = new;
            let mut hot = CachedExecution { seq, id, plan: body, input, params, created_at: now, state };
            let evaluate = self.cache.evaluate();
            self.changes.step(&*evaluate, &mut hot, Input::Start { cause }, now).map_err(illegal)?;
            self.created.insert(seq, CreatedExecution { event, plan, user_data, jobs });
            self.hot.insert(seq, hot);
        }
        Ok(())
    }

    /// Steps executions as commands say.
    async fn advance_all(&mut self, commands: &mut [Command]) -> Result<(), Fault> {
        let targets: Vec<Target> = commands
            .iter()
            .filter_map(|command| if let Command::Advance { target, .. } = command { Some(*target) } else { None })
            .collect();
        let places = self.find(&targets).await?;
        let wanted: BTreeSet<Seq> = places.values().map(|(seq, _)| *seq).collect();
        let reaped = commands.iter().find_map(|command| match command {
            Command::Reap { now, .. } => Some(self.now(*now)),
            _ => None,
        });
        let overdue = match reaped {
            None => Vec::new(),
            Some(now) => self.overdue(now).await?,
        };
        self.lock(wanted).await?;
        self.lock_free(&overdue).await?;
        for command in commands.iter_mut() {
            let Command::Advance { target, advance, now, reply } = command else { continue };
            let now = self.now(*now);
            reply.stage(match (places.get(target), *target) {
                (Some(&(seq, activity)), _) => self.advance(*target, seq, activity, advance, now),
                (None, Target::Job(id)) => Err(StoreError::NotFound { what: "job", id: id.to_string() }),
                (None, Target::Execution(id)) => Err(StoreError::NotFound { what: "execution", id: id.to_string() }),
            });
        }
        if let Some(now) = reaped {
            let moved = self.take_back(&overdue, now).await?;
            // What the reaping itself queues again is not yet written, and not due either.
            let next = self.next_due(now, &overdue).await?;
            let mut moved = Some(moved);
            for command in commands.iter_mut() {
                if let Command::Reap { reply, .. } = command {
                    reply.stage(Ok((moved.take().unwrap_or(0), next)));
                }
            }
        }
        Ok(())
    }

    /// Steps one locked execution.
    fn advance(
        &mut self,
        target: Target,
        seq: Seq,
        activity: NodeIndex,
        advance: &Advance,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hot =
            self.hot.get_mut(&seq).ok_or_else(|| StoreError::NotFound { what: "execution", id: seq.to_string() })?;
        let input = match advance {
            Advance::Signal(signal) => Input::Activity { activity, signal: signal.clone() },
            Advance::Order(input) => input.clone(),
            Advance::Publish { attempt, outputs } => {
                let held = matches!(
                    hot.state.activity(activity),
                    Some(ActivityState::Running { attempt: held, .. }) if held == attempt
                );
                let Target::Job(job) = target else {
                    return Err(StoreError::Illegal(
                        "cannot publish: outputs belong to a job, not to an execution".to_owned(),
                    ));
                };
                if !held {
                    return Err(StoreError::Stale { job, attempt: *attempt });
                }
                self.outputs.extend(outputs.iter().map(|output| (seq, output.clone())));
                return Ok(());
            }
        };
        let evaluate = self.cache.evaluate();
        let changed = if let Input::Retry { params, .. } = &input { params.clone() } else { BTreeMap::new() };
        let before = hot.params.clone();
        self.changes.set_params(hot, &changed);
        self.changes.step(&*evaluate, hot, input, now).map_err(|error| {
            if !changed.is_empty() {
                hot.params = before;
                self.changes.params.remove(&seq);
            }
            match (error, target) {
                (StepError::Stale { attempt }, Target::Job(job)) => StoreError::Stale { job, attempt },
                (error, _) => StoreError::Illegal(error.to_string()),
            }
        })
    }

    /// Rows of executions, and nodes of jobs, that commands are about.
    async fn find(&mut self, targets: &[Target]) -> Result<HashMap<Target, (Seq, NodeIndex)>, Fault> {
        let mut places = HashMap::with_capacity(targets.len());
        let (mut jobs, mut executions) = (Vec::new(), Vec::new());
        for &target in targets {
            match target {
                Target::Job(job) => match self.cache.memory.place(job) {
                    Some(place) => {
                        places.insert(target, place);
                    }
                    None => jobs.push(job.0),
                },
                Target::Execution(id) => executions.push(id.0),
            }
        }
        if !jobs.is_empty() {
            let rows = sqlx::query("SELECT id, execution, activity FROM jobs WHERE id = ANY($1)")
                .bind(jobs)
                .fetch_all(&mut *self.db)
                .await?;
            for row in rows {
                let place = (row.try_get(1)?, NodeIndex::from(codec::count(&row, 2)?));
                places.insert(Target::Job(JobId(row.try_get(0)?)), place);
            }
        }
        if !executions.is_empty() {
            let rows = sqlx::query("SELECT id, seq FROM executions WHERE id = ANY($1)")
                .bind(executions)
                .fetch_all(&mut *self.db)
                .await?;
            for row in rows {
                let target = Target::Execution(ExecutionId(row.try_get(0)?));
                places.insert(target, (row.try_get(1)?, NodeIndex::end()));
            }
        }
        Ok(places)
    }

    /// Executions of which something is overdue.
    async fn overdue(&mut self, now: Timestamp) -> Result<Vec<Seq>, Fault> {
        let overdue = sqlx::query_scalar(
            "SELECT DISTINCT execution FROM (
                 (SELECT execution FROM jobs WHERE due_at <= $1 ORDER BY due_at LIMIT $2)
                 UNION ALL
                 (SELECT seq FROM executions WHERE deadline_at <= $1 ORDER BY deadline_at LIMIT $2)) AS overdue",
        )
        .bind(now.0)
        .bind(REAP)
        .fetch_all(&mut *self.db)
        .await?;
        Ok(overdue)
    }

    /// Ends expired leases and waits of locked executions, and executions that exceeded their deadline; returns their
    /// number. Whether they are due is checked again, now that the rows are locked.
    async fn take_back(&mut self, executions: &[Seq], now: Timestamp) -> Result<u32, Fault> {
        if executions.is_empty() {
            return Ok(0);
        }
        let rows = sqlx::query(
            "SELECT execution, activity, attempt, state = 'running' FROM jobs
             WHERE execution = ANY($1) AND due_at <= $2 ORDER BY due_at",
        )
        .bind(executions)
        .bind(now.0)
        .fetch_all(&mut *self.db)
        .await?;
        let mut moved = 0;
        for row in rows {
            let due = DueJob {
                execution: row.try_get(0)?,
                activity: NodeIndex::from(codec::count(&row, 1)?),
                attempt: codec::count(&row, 2)?,
                running: row.try_get(3)?,
            };
            moved += self.take_one_back(&due, now)?;
        }
        let late: Vec<Seq> = sqlx::query_scalar(
            "SELECT seq FROM executions WHERE seq = ANY($1) AND deadline_at <= $2 ORDER BY deadline_at",
        )
        .bind(executions)
        .bind(now.0)
        .fetch_all(&mut *self.db)
        .await?;
        for seq in late {
            let Some(hot) = self.hot.get_mut(&seq) else { continue };
            let limit = hot.plan.deadline.unwrap_or_default();
            let evaluate = self.cache.evaluate();
            if self.changes.step(&*evaluate, hot, Input::Expire { limit }, now).is_ok() {
                moved += 1;
            }
        }
        Ok(moved)
    }

    fn take_one_back(&mut self, due: &DueJob, now: Timestamp) -> Result<u32, Fault> {
        let Some(hot) = self.hot.get_mut(&due.execution) else { return Ok(0) };
        // A command of this batch may have moved it already.
        if self.changes.jobs.get(&(due.execution, column(due.activity))).is_some_and(|change| change.to.is_some()) {
            return Ok(0);
        }
        let outcome = Outcome::Lost { reason: "its lease expired".to_owned() };
        let signal = if due.running { Signal::Ended { attempt: due.attempt, outcome } } else { Signal::RetryDue };
        let evaluate = self.cache.evaluate();
        let input = Input::Activity { activity: due.activity, signal };
        self.changes.step(&*evaluate, hot, input, now).map_err(illegal)?;
        Ok(1)
    }

    async fn next_due(&mut self, now: Timestamp, handled: &[Seq]) -> Result<Option<Duration>, Fault> {
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT min(at) FROM (
                 SELECT min(due_at) AS at FROM jobs WHERE due_at IS NOT NULL AND (due_at > $1 OR execution <> ALL($2))
                 UNION ALL
                 SELECT min(deadline_at) FROM executions
                 WHERE deadline_at IS NOT NULL AND (deadline_at > $1 OR seq <> ALL($2))) AS next",
        )
        .bind(now.0)
        .bind(handled)
        .fetch_one(&mut *self.db)
        .await?;
        let written = self.changes.jobs.values().filter_map(|change| change.due_at).map(|at| at.0);
        Ok(written.chain(next).min().map(|at| Timestamp(at).since(now)))
    }

    async fn deliver(&mut self, commands: &mut [Command]) -> Result<(), Fault> {
        let ids: Vec<i64> = commands
            .iter()
            .filter_map(|command| if let Command::Delivered { id, .. } = command { Some(*id) } else { None })
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let done: Vec<i64> = sqlx::query_scalar(
            "UPDATE outbox SET delivery = 'delivered', attempts = attempts + 1, error = NULL
             WHERE id = ANY($1) RETURNING id",
        )
        .bind(ids)
        .fetch_all(&mut *self.db)
        .await?;
        for command in commands {
            if let Command::Delivered { id, reply } = command {
                let not_found = || StoreError::NotFound { what: "notification", id: id.to_string() };
                reply.stage(done.contains(id).then_some(()).ok_or_else(not_found));
            }
        }
        // The next notification of the same execution and target may be due now.
        self.hints.push(Hint::Outbox);
        Ok(())
    }

    /// Writes what changed so far.
    pub(super) async fn flush(&mut self) -> Result<(), Fault> {
        let changes = std::mem::take(&mut self.changes);
        let created = std::mem::take(&mut self.created);
        let outputs = std::mem::take(&mut self.outputs);
        super::flush::flush(self.db, &self.hot, changes, created, outputs, &mut self.hints).await
    }
}

/// Refuses an invalid execution.
pub(super) fn well_formed(new: &NewExecution) -> Result<(), StoreError> {
    let (jobs, activities) = (new.jobs.len(), new.plan.graph.node_count());
    if jobs == activities {
        Ok(())
    } else {
        Err(StoreError::Illegal(format!("an execution of {activities} activities needs as many jobs, not {jobs}")))
    }
}

/// A refusal that no command caused.
pub(super) fn illegal(error: StepError) -> Fault {
    StoreError::from(error).into()
}
