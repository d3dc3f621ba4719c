//! The queue: claims, leases, ends of attempts.

use std::time::Duration;

use petgraph::graph::NodeIndex;
use rusqlite::{OptionalExtension, Row, params};

use super::codec;
use super::execution::{AdvanceError, QueueRow, illegal};
use super::fault::Fault;
use super::writer::Writer;
use crate::engine::{ActivityState, Input, LogEvent, Outcome, Signal, StepError};
use crate::model::{ExecutionId, JobId, ObjectLocation, Timestamp};
use crate::store::unit::Seq;
use crate::store::{Claim, Claimant, Heartbeat, Hint, Progress, StoreError};

impl Writer {
    /// See [`crate::store::Store::claim`].
    pub(super) fn claim(
        &mut self,
        claimant: &Claimant,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<Claim>, Fault> {
        let mut open: Vec<(i64, u64, String)> = self
            .lines()?
            .iter()
            .filter(|(name, line)| line.room() > 0 && claimant.serves(name))
            .map(|(name, line)| (line.running, line.served, name.clone()))
            .collect();
        open.sort();
        for (_, _, queue) in open {
            let Some((seq, activity, job)) = self.first_in(&queue)? else { continue };
            let mut hot = self.take(seq)?;
            let claim = self.step_claim(&mut hot, (job, activity), (&claimant.name, lease), now).map_err(illegal)?;
            self.cache.memory.keep(hot);
            self.cache.memory.keep_place(job, (seq, activity));
            self.cache.claims += 1;
            let served = self.cache.claims;
            if let Some(line) = self.cache.lines.as_mut().and_then(|lines| lines.get_mut(&queue)) {
                line.served = served;
            }
            return Ok(Some(claim));
        }
        Ok(None)
    }

    /// See [`crate::store::Store::claim_beside`].
    pub(super) fn claim_beside(
        &mut self,
        job: JobId,
        (activities, limit): (&[usize], usize),
        claimant: (&str, Duration),
        now: Timestamp,
    ) -> Result<Vec<Claim>, Fault> {
        let (seq, queue, priority): (Seq, String, u8) = self
            .db
            .prepare_cached("SELECT execution, queue, priority FROM jobs WHERE id = ?1")?
            .query_row([job.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?
            .ok_or_else(|| Fault::not_found("job", job))?;
        let room = self.lines()?.get(&queue).map_or(0, QueueRow::room).min(limit);
        let waiting: Vec<(NodeIndex, JobId)> = self
            .db
            .prepare_cached(
                "SELECT activity, id FROM jobs
                 WHERE execution = ?1 AND state = 'queued' AND attempt = 0 AND queue = ?2 AND priority = ?3
                 ORDER BY activity",
            )?
            .query_map(params![seq, queue, priority], |row| {
                Ok((NodeIndex::from(row.get::<_, u32>(0)?), JobId(row.get(1)?)))
            })?
            .collect::<Result<_, _>>()?;
        let mut claims = Vec::new();
        let mut hot = self.take(seq)?;
        for (activity, job) in waiting.into_iter().filter(|(node, _)| activities.contains(&node.index())).take(room) {
            claims.push(self.step_claim(&mut hot, (job, activity), claimant, now).map_err(illegal)?);
            self.cache.memory.keep_place(job, (seq, activity));
        }
        self.cache.memory.keep(hot);
        Ok(claims)
    }

    fn first_in(&self, queue: &str) -> Result<Option<(Seq, NodeIndex, JobId)>, Fault> {
        let first = self
            .db
            .prepare_cached(
                "SELECT execution, activity, id FROM jobs WHERE state = 'queued' AND queue = ?1
                 ORDER BY priority DESC, execution, activity LIMIT 1",
            )?
            .query_row([queue], |row| Ok((row.get(0)?, NodeIndex::from(row.get::<_, u32>(1)?), JobId(row.get(2)?))))
            .optional()?;
        Ok(first)
    }

    /// See [`crate::store::Store::heartbeat`].
    pub(super) fn heartbeat(
        &mut self,
        job: JobId,
        attempt: u32,
        lease: Duration,
        progress: Option<Progress>,
        now: Timestamp,
    ) -> Result<Heartbeat, Fault> {
        let progress = progress.map(|progress| codec::to_json(&progress)).transpose()?;
        let held = self
            .db
            .prepare_cached(
                "UPDATE jobs SET due_at = ?3, progress = coalesce(?4, progress)
                 WHERE id = ?1 AND attempt = ?2 AND state = 'running' RETURNING execution, stop",
            )?
            .query_row(params![job.0, attempt, now.after(lease).0, progress], |row| {
                Ok((row.get::<_, Seq>(0)?, row.get::<_, bool>(1)?))
            })
            .optional()?;
        let Some((seq, stop)) = held else { return Ok(Heartbeat::Lost) };
        if progress.is_some() {
            let id = self.execution_id(seq)?;
            self.hints.push(Hint::Execution(id));
        }
        Ok(if stop { Heartbeat::Stop } else { Heartbeat::Continue })
    }

    /// See [`crate::store::Store::begin_publish`].
    pub(super) fn begin_publish(&mut self, job: JobId, attempt: u32, outputs: &[ObjectLocation]) -> Result<(), Fault> {
        let (seq, activity) = self.place(job)?;
        if !self.holds(seq, activity, attempt)? {
            return Err(StoreError::Stale { job, attempt }.into());
        }
        let mut insert = self.db.prepare_cached(
            "INSERT INTO outputs (bucket, key, execution) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        for output in outputs {
            insert.execute(params![output.bucket, output.key, seq])?;
        }
        Ok(())
    }

    /// See [`crate::store::Store::withdraw`].
    pub(super) fn withdraw(&mut self, job: JobId, attempt: u32, outputs: &[ObjectLocation]) -> Result<(), Fault> {
        let (seq, activity) = self.place(job)?;
        if !self.holds(seq, activity, attempt)? {
            return Ok(());
        }
        let mut delete =
            self.db.prepare_cached("DELETE FROM outputs WHERE bucket = ?1 AND key = ?2 AND execution = ?3")?;
        for output in outputs {
            delete.execute(params![output.bucket, output.key, seq])?;
        }
        Ok(())
    }

    /// Returns whether this attempt holds the lease.
    fn holds(&mut self, seq: Seq, activity: NodeIndex, attempt: u32) -> Result<bool, Fault> {
        let hot = self.take(seq)?;
        let held = matches!(
            hot.state.activity(activity),
            Some(ActivityState::Running { attempt: held, .. }) if *held == attempt
        );
        self.cache.memory.keep(hot);
        Ok(held)
    }

    /// Ends an attempt. See [`crate::store::Store::succeed`] and [`crate::store::Store::fail`].
    pub(super) fn end(&mut self, job: JobId, attempt: u32, outcome: &Outcome, now: Timestamp) -> Result<(), Fault> {
        let (seq, activity) = self.place(job)?;
        let signal = Signal::Ended { attempt, outcome: outcome.clone() };
        self.advance(seq, Input::Activity { activity, signal }, now).map_err(|error| match error {
            AdvanceError::Refused(StepError::Stale { attempt }) => StoreError::Stale { job, attempt }.into(),
            other => illegal(other),
        })
    }

    /// See [`crate::store::Store::note`].
    pub(super) fn note(&mut self, job: JobId, attempt: u32, mark: &LogEvent, now: Timestamp) -> Result<(), Fault> {
        let (seq, activity) = self.place(job)?;
        let signal = Signal::Mark { attempt, mark: mark.clone() };
        match self.advance(seq, Input::Activity { activity, signal }, now) {
            Ok(()) | Err(AdvanceError::Refused(StepError::Stale { .. })) => Ok(()),
            Err(other) => Err(illegal(other)),
        }
    }

    /// See [`crate::store::Store::reap`].
    pub(super) fn reap(&mut self, now: Timestamp) -> Result<(u32, Option<Duration>), Fault> {
        let due = self.jobs(
            "SELECT execution, activity, attempt, state = 'running' FROM jobs WHERE due_at <= ?1 ORDER BY due_at",
            [now.0],
        )?;
        let moved = self.take_back(due, "its lease expired", now)?;
        let expired = self.expire(now)?;
        let next: Option<i64> = self
            .db
            .prepare_cached(
                "SELECT min(due_at) FROM (
                     SELECT min(due_at) AS due_at FROM jobs WHERE due_at IS NOT NULL
                     UNION ALL SELECT min(deadline_at) FROM executions WHERE deadline_at IS NOT NULL)",
            )?
            .query_row([], |row| row.get(0))?;
        Ok((moved + expired, next.map(|at| Timestamp(at).since(now))))
    }

    /// Stops executions that ran too long; answers how many.
    fn expire(&mut self, now: Timestamp) -> Result<u32, Fault> {
        let late: Vec<Seq> = self
            .db
            .prepare_cached("SELECT seq FROM executions WHERE deadline_at <= ?1 ORDER BY deadline_at")?
            .query_map([now.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut expired = 0;
        for seq in late {
            let hot = self.take(seq)?;
            let limit = hot.plan.deadline.unwrap_or_default();
            self.cache.memory.keep(hot);
            self.advance(seq, Input::Expire { limit }, now).map_err(illegal)?;
            expired += 1;
        }
        Ok(expired)
    }

    /// See [`crate::store::Store::reclaim_all`].
    pub(super) fn reclaim_all(&mut self, now: Timestamp) -> Result<u32, Fault> {
        let running = self.jobs(
            "SELECT execution, activity, attempt, TRUE FROM jobs
             WHERE due_at IS NOT NULL AND state = 'running' ORDER BY due_at",
            [],
        )?;
        self.take_back(running, "the daemon was restarted", now)
    }

    fn jobs(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<DueJob>, Fault> {
        let due = |row: &Row<'_>| {
            let (execution, activity) = (row.get(0)?, NodeIndex::from(row.get::<_, u32>(1)?));
            Ok(DueJob { execution, activity, attempt: row.get(2)?, running: row.get(3)? })
        };
        Ok(self.db.prepare_cached(sql)?.query_map(params, due)?.collect::<Result<_, _>>()?)
    }

    /// Ends expired leases and waits; returns their number.
    fn take_back(&mut self, due: Vec<DueJob>, reason: &str, now: Timestamp) -> Result<u32, Fault> {
        let mut moved = 0;
        for DueJob { execution, activity, attempt, running } in due {
            let lost = || Signal::Ended { attempt, outcome: Outcome::Lost { reason: reason.to_owned() } };
            let signal = if running { lost() } else { Signal::RetryDue };
            self.advance(execution, Input::Activity { activity, signal }, now).map_err(illegal)?;
            moved += 1;
        }
        Ok(moved)
    }

    /// See [`crate::store::Store::cancel`] and [`crate::store::Store::retry`].
    pub(super) fn order(&mut self, id: ExecutionId, input: &Input, now: Timestamp) -> Result<(), Fault> {
        let seq = self
            .db
            .prepare_cached("SELECT seq FROM executions WHERE id = ?1")?
            .query_row([id.0], |row| row.get(0))
            .optional()?
            .ok_or_else(|| Fault::not_found("execution", id))?;
        self.advance(seq, input.clone(), now).map_err(illegal)
    }

    fn place(&mut self, job: JobId) -> Result<(Seq, NodeIndex), Fault> {
        if let Some(place) = self.cache.memory.place(job) {
            return Ok(place);
        }
        self.db
            .prepare_cached("SELECT execution, activity FROM jobs WHERE id = ?1")?
            .query_row([job.0], |row| Ok((row.get(0)?, NodeIndex::from(row.get::<_, u32>(1)?))))
            .optional()?
            .ok_or_else(|| Fault::not_found("job", job))
    }

    fn execution_id(&self, seq: Seq) -> Result<ExecutionId, Fault> {
        let id =
            self.db.prepare_cached("SELECT id FROM executions WHERE seq = ?1")?.query_row([seq], |row| row.get(0))?;
        Ok(ExecutionId(id))
    }
}

/// A job that is due for a check.
struct DueJob {
    execution: Seq,
    activity: NodeIndex,
    attempt: u32,
    running: bool,
}
