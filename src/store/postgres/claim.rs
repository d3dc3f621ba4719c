//! Claims and leases.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;
use sqlx::{PgPool, Row};

use super::batch::{Batch, illegal};
use super::codec;
use super::command::Command;
use super::fault::Fault;
use crate::model::{ExecutionId, JobId, Timestamp};
use crate::store::unit::Seq;
use crate::store::{Claimant, Heartbeat, Progress};

/// A queue, as far as claiming asks.
#[derive(Clone, Debug)]
struct QueueRow {
    name: String,
    concurrency: u32,
    running: u32,
    /// Claims that this daemon had made when it was last served.
    served: u64,
    /// Jobs that were read for this batch, first to be claimed last.
    jobs: Vec<(Seq, NodeIndex, JobId)>,
}

impl QueueRow {
    fn is_full(&self) -> bool {
        self.concurrency > 0 && self.running >= self.concurrency
    }
}

impl Batch<'_> {
    /// Leases jobs to all who claim, queues with the fewest running jobs first.
    pub(super) async fn claim_all(&mut self, commands: &mut [Command]) -> Result<(), Fault> {
        let mut claimants: Vec<&mut Command> =
            commands.iter_mut().filter(|command| matches!(command, Command::Claim { .. })).collect();
        if claimants.is_empty() {
            return Ok(());
        }
        let served: Vec<Claimant> = claimants
            .iter()
            .filter_map(
                |command| if let Command::Claim { claimant, .. } = command { Some(claimant.clone()) } else { None },
            )
            .collect();
        let mut lines = self.lines(&served).await?;
        let executions = lines.iter().flat_map(|line| line.jobs.iter().map(|(seq, ..)| *seq)).collect::<BTreeSet<_>>();
        self.fetch(executions.into_iter().collect()).await?;
        let evaluate = self.cache.evaluate();
        for command in &mut claimants {
            let Command::Claim { claimant, lease, now, reply } = command else { continue };
            let now = self.now(*now);
            let next = lines
                .iter_mut()
                .filter(|line| claimant.serves(&line.name) && !line.is_full() && !line.jobs.is_empty())
                .min_by_key(|line| (line.running, line.served));
            let Some((line, (seq, activity, job))) = next.and_then(|line| line.jobs.pop().map(|job| (line, job)))
            else {
                reply.stage(Ok(None));
                continue;
            };
            let Some(hot) = self.hot.get_mut(&seq) else {
                reply.stage(Ok(None));
                continue;
            };
            line.running += 1;
            self.cache.claims += 1;
            line.served = self.cache.claims;
            self.cache.served.insert(line.name.clone(), line.served);
            let claim = self.changes.claim(&*evaluate, hot, (job, activity), (&claimant.name, *lease), now);
            self.cache.memory.keep_place(job, (seq, activity));
            reply.stage(Ok(Some(claim.map_err(illegal)?)));
        }
        Ok(())
    }

    /// Leases jobs that may run together with one that was claimed.
    pub(super) async fn claim_beside_all(&mut self, commands: &mut [Command]) -> Result<(), Fault> {
        for command in commands {
            let Command::ClaimBeside { job, activities, limit, worker, lease, now, reply } = command else { continue };
            let now = self.now(*now);
            let waiting = self.waiting_beside(*job, activities, *limit).await?;
            let mut claims = Vec::with_capacity(waiting.len());
            self.fetch(waiting.first().map(|(seq, ..)| *seq).into_iter().collect()).await?;
            let evaluate = self.cache.evaluate();
            for (seq, activity, job) in waiting {
                let Some(hot) = self.hot.get_mut(&seq) else { continue };
                let claim = self.changes.claim(&*evaluate, hot, (job, activity), (worker, *lease), now);
                self.cache.memory.keep_place(job, (seq, activity));
                claims.push(claim.map_err(illegal)?);
            }
            reply.stage(Ok(claims));
            // The next one counts what this one claimed.
            self.flush().await?;
        }
        Ok(())
    }

    /// Reads and locks jobs of `activities` that wait beside `job`, as many as their queue has room for.
    async fn waiting_beside(
        &mut self,
        job: JobId,
        activities: &[usize],
        limit: usize,
    ) -> Result<Vec<(Seq, NodeIndex, JobId)>, Fault> {
        const ROOM: &str = "SELECT CASE WHEN q.paused THEN 0 WHEN q.concurrency = 0 THEN 2147483647
                 ELSE q.concurrency - (SELECT count(*)::int FROM jobs WHERE state = 'running' AND queue = q.name) END
             FROM queues q WHERE q.name = (SELECT queue FROM jobs WHERE id = $1)";
        // Who may run how many at once is decided by one daemon at a time, and counted once that is this one.
        sqlx::query(
            "SELECT name FROM queues WHERE concurrency > 0 AND name = (SELECT queue FROM jobs WHERE id = $1) FOR UPDATE",
        )
        .bind(job.0)
        .execute(&mut *self.db)
        .await?;
        let room: Option<i32> = sqlx::query_scalar(ROOM).bind(job.0).fetch_optional(&mut *self.db).await?;
        let activities: Vec<i32> = activities.iter().filter_map(|&activity| i32::try_from(activity).ok()).collect();
        let rows = sqlx::query(
            "SELECT j.execution, j.activity, j.id FROM jobs j JOIN executions e ON e.seq = j.execution
                 JOIN jobs l ON l.execution = j.execution AND l.queue = j.queue AND l.priority = j.priority
             WHERE l.id = $1 AND j.state = 'queued' AND j.attempt = 0 AND j.activity = ANY($2)
             ORDER BY j.activity LIMIT $3 FOR UPDATE OF j, e SKIP LOCKED",
        )
        .bind(job.0)
        .bind(activities)
        .bind(i64::from(room.unwrap_or(0).max(0)).min(codec::bigint(limit as u64)))
        .fetch_all(&mut *self.db)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, NodeIndex::from(codec::count(row, 1)?), JobId(row.try_get(2)?))))
            .collect()
    }

    /// Reads and locks the queues that a claim serves and that are not paused, and enough jobs of each.
    async fn lines(&mut self, claimants: &[Claimant]) -> Result<Vec<QueueRow>, Fault> {
        const OPEN: &str = "SELECT name, concurrency,
                 (SELECT count(*)::int FROM jobs WHERE state = 'running' AND queue = name)
             FROM queues WHERE NOT paused ORDER BY name";
        let rows = sqlx::query(OPEN).fetch_all(&mut *self.db).await?;
        let mut lines = Vec::new();
        for row in rows {
            let name: String = row.try_get(0)?;
            if claimants.iter().any(|claimant| claimant.serves(&name)) {
                let (concurrency, running) = (codec::count(&row, 1)?, codec::count(&row, 2)?);
                let served = self.cache.served.get(&name).copied().unwrap_or(0);
                lines.push(QueueRow { name, concurrency, running, served, jobs: Vec::new() });
            }
        }
        // Who may run how many at once is decided by one daemon at a time.
        let bounded: Vec<String> =
            lines.iter().filter(|line| line.concurrency > 0).map(|line| line.name.clone()).collect();
        if !bounded.is_empty() {
            sqlx::query("SELECT name FROM queues WHERE name = ANY($1) ORDER BY name FOR UPDATE")
                .bind(&bounded)
                .execute(&mut *self.db)
                .await?;
            let counted = sqlx::query(
                "SELECT name, concurrency, (SELECT count(*)::int FROM jobs WHERE state = 'running' AND queue = name)
                 FROM queues WHERE name = ANY($1) AND NOT paused",
            )
            .bind(&bounded)
            .fetch_all(&mut *self.db)
            .await?;
            let mut now = BTreeMap::new();
            for row in counted {
                now.insert(row.try_get::<String, _>(0)?, (codec::count(&row, 1)?, codec::count(&row, 2)?));
            }
            lines.retain_mut(|line| match now.get(&line.name) {
                Some(&(concurrency, running)) => {
                    (line.concurrency, line.running) = (concurrency, running);
                    true
                }
                None => !bounded.contains(&line.name),
            });
        }
        // Those with the fewest running jobs first; each gets as many as its share could be.
        lines.sort_by_key(|line| (line.running, line.served));
        for line in &mut lines {
            let room = if line.concurrency > 0 { line.concurrency.saturating_sub(line.running) } else { u32::MAX };
            let takers = claimants.iter().filter(|claimant| claimant.serves(&line.name)).count();
            let wanted = takers.min(usize::try_from(room).unwrap_or(usize::MAX));
            if wanted == 0 {
                continue;
            }
            let rows = sqlx::query(
                "SELECT j.execution, j.activity, j.id FROM jobs j JOIN executions e ON e.seq = j.execution
                 WHERE j.state = 'queued' AND j.queue = $1
                 ORDER BY j.priority DESC, j.execution, j.activity LIMIT $2 FOR UPDATE SKIP LOCKED",
            )
            .bind(&line.name)
            .bind(codec::bigint(wanted as u64))
            .fetch_all(&mut *self.db)
            .await?;
            for row in rows.iter().rev() {
                let node = NodeIndex::from(codec::count(row, 1)?);
                line.jobs.push((row.try_get(0)?, node, JobId(row.try_get(2)?)));
            }
        }
        Ok(lines)
    }
}

/// See [`crate::store::Store::heartbeat`]; also returns the execution whose progress was reported. A row that is locked
/// is skipped: the next heartbeat renews the lease.
pub(super) async fn heartbeat(
    pool: &PgPool,
    job: JobId,
    attempt: u32,
    until: Timestamp,
    progress: Option<Progress>,
) -> Result<(Heartbeat, Option<ExecutionId>), Fault> {
    let progress = progress.map(|progress| codec::to_json(&progress)).transpose()?;
    let held = sqlx::query(
        "WITH held AS (
             SELECT id FROM jobs WHERE id = $1 AND attempt = $2 AND state = 'running' FOR UPDATE SKIP LOCKED)
         UPDATE jobs j SET due_at = $3, progress = coalesce($4, j.progress)
         FROM held, executions e WHERE j.id = held.id AND e.seq = j.execution RETURNING j.stop, e.id",
    )
    .bind(job.0)
    .bind(codec::int(attempt))
    .bind(until.0)
    .bind(&progress)
    .fetch_optional(pool)
    .await?;
    if let Some(row) = held {
        let answer = if row.try_get(0)? { Heartbeat::Stop } else { Heartbeat::Continue };
        return Ok((answer, progress.is_some().then_some(ExecutionId(row.try_get(1)?))));
    }
    let stop: Option<bool> =
        sqlx::query_scalar("SELECT stop FROM jobs WHERE id = $1 AND attempt = $2 AND state = 'running'")
            .bind(job.0)
            .bind(codec::int(attempt))
            .fetch_optional(pool)
            .await?;
    let answer = match stop {
        None => Heartbeat::Lost,
        Some(true) => Heartbeat::Stop,
        Some(false) => Heartbeat::Busy,
    };
    Ok((answer, None))
}
