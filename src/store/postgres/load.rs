//! Cached executions: locked, and up to date with the log.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sqlx::Row;
use uuid::Uuid;

use super::batch::Batch;
use super::codec;
use super::fault::Fault;
use crate::engine::{Evaluate, Execution, Replay};
use crate::model::plan::Plan;
use crate::model::{ExecutionId, Timestamp};
use crate::store::memory::Memory;
use crate::store::unit::{CachedExecution, Seq};

/// Cache of the writer. Clearing it is always safe: everything is in the database.
pub(super) struct Cache {
    evaluate: Arc<dyn Evaluate + Send + Sync>,
    /// Executions, plans and places.
    pub(super) memory: Memory,
    /// Number of claims, and the number at which each queue was last served: queues with equally many running jobs take
    /// turns.
    pub(super) claims: u64,
    pub(super) served: HashMap<String, u64>,
    /// Queues that are known to have their row.
    pub(super) queues: BTreeSet<String>,
}

impl Cache {
    /// An empty cache.
    pub(super) fn new(evaluate: Arc<dyn Evaluate + Send + Sync>) -> Self {
        Self { evaluate, memory: Memory::new(), claims: 0, served: HashMap::new(), queues: BTreeSet::new() }
    }

    /// Evaluator of conditions.
    pub(super) fn evaluate(&self) -> Arc<dyn Evaluate + Send + Sync> {
        Arc::clone(&self.evaluate)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.memory.clear();
        self.queues.clear();
    }
}

impl Batch<'_> {
    /// Locks executions, in the order of their rows, and loads them.
    pub(super) async fn lock(&mut self, wanted: BTreeSet<Seq>) -> Result<(), Fault> {
        let wanted: Vec<Seq> = wanted.into_iter().filter(|seq| !self.hot.contains_key(seq)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let locked: Vec<Seq> =
            sqlx::query_scalar("SELECT seq FROM executions WHERE seq = ANY($1) ORDER BY seq FOR UPDATE")
                .bind(wanted)
                .fetch_all(&mut *self.db)
                .await?;
        self.fetch(locked).await
    }

    /// Locks and loads the executions that no other daemon has locked. All daemons check for overdue executions; each
    /// skips those that another one has locked.
    pub(super) async fn lock_free(&mut self, wanted: &[Seq]) -> Result<(), Fault> {
        if wanted.is_empty() {
            return Ok(());
        }
        let locked: Vec<Seq> =
            sqlx::query_scalar("SELECT seq FROM executions WHERE seq = ANY($1) ORDER BY seq FOR UPDATE SKIP LOCKED")
                .bind(wanted)
                .fetch_all(&mut *self.db)
                .await?;
        self.fetch(locked).await
    }

    /// Loads locked executions: from the cache, where their logs have not changed since.
    pub(super) async fn fetch(&mut self, locked: Vec<Seq>) -> Result<(), Fault> {
        let locked: Vec<Seq> = locked.into_iter().filter(|seq| !self.hot.contains_key(seq)).collect();
        if locked.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query(
            "SELECT s.seq, (SELECT max(l.seq) FROM log l WHERE l.execution = s.seq) FROM unnest($1::bigint[]) AS s (seq)",
        )
        .bind(&locked)
        .fetch_all(&mut *self.db)
        .await?;
        let mut missing = Vec::new();
        let mut last = HashMap::new();
        for row in rows {
            let seq: Seq = row.try_get(0)?;
            let next = row.try_get::<Option<i64>, _>(1)?.unwrap_or(0).unsigned_abs() + 1;
            let fresh = self.cache.memory.take(seq).filter(|hot| hot.state.next_seq == next);
            if let Some(hot) = fresh {
                self.hot.insert(seq, hot);
            } else {
                missing.push(seq);
                last.insert(seq, next);
            }
        }
        if missing.is_empty() { Ok(()) } else { self.load(missing, &last).await }
    }

    async fn load(&mut self, missing: Vec<Seq>, next: &HashMap<Seq, u64>) -> Result<(), Fault> {
        let heads = sqlx::query("SELECT seq, id, plan, input, params, created_at FROM executions WHERE seq = ANY($1)")
            .bind(&missing)
            .fetch_all(&mut *self.db)
            .await?;
        let entries = sqlx::query(
            "SELECT execution, seq, at, activity, attempt, event FROM log
             WHERE execution = ANY($1) AND NOT mark ORDER BY execution, seq",
        )
        .bind(&missing)
        .fetch_all(&mut *self.db)
        .await?;
        let mut logs: HashMap<Seq, Vec<_>> = HashMap::new();
        for row in &entries {
            logs.entry(row.try_get(0)?).or_default().push(row);
        }
        for row in heads {
            let seq: Seq = row.try_get(0)?;
            let plan = self.plan(row.try_get(2)?).await?;
            let mut replay = Replay::new(&plan);
            for entry in logs.remove(&seq).unwrap_or_default() {
                replay.apply(&codec::log_entry(entry, 1)?).map_err(|error| Fault::corrupt("log", error))?;
            }
            let next_seq = next.get(&seq).copied().unwrap_or(1);
            let state = Execution { next_seq, ..replay.into_state() };
            let hot = CachedExecution {
                seq,
                id: ExecutionId(row.try_get::<Uuid, _>(1)?),
                input: codec::from_json("input", row.try_get(3)?)?,
                params: codec::from_json("parameters", row.try_get(4)?)?,
                created_at: Timestamp(row.try_get(5)?),
                plan,
                state,
            };
            self.hot.insert(seq, hot);
        }
        Ok(())
    }

    async fn plan(&mut self, id: i64) -> Result<Arc<Plan>, Fault> {
        if let Some(plan) = self.cache.memory.plan(id) {
            return Ok(plan);
        }
        let body: String =
            sqlx::query_scalar("SELECT body FROM plans WHERE id = $1").bind(id).fetch_one(&mut *self.db).await?;
        let plan = Arc::new(codec::from_json("plan", &body)?);
        self.cache.memory.keep_plan(id, &plan);
        Ok(plan)
    }

    /// Rows of plans, in their order. New plans are written in the order of their hashes by all daemons, which avoids
    /// deadlocks.
    pub(super) async fn plan_ids(&mut self, plans: &[Arc<Plan>]) -> Result<Vec<i64>, Fault> {
        let mut ids: Vec<_> = plans.iter().map(|plan| self.cache.memory.plan_id(plan)).collect();
        let mut new = BTreeMap::new();
        for (at, plan) in plans.iter().enumerate().filter(|(at, _)| ids[*at].is_none()) {
            let body = codec::to_json(&**plan)?;
            new.entry(Sha256::digest(&body).to_vec()).or_insert_with(|| (body, Vec::new())).1.push(at);
        }
        for (hash, (body, places)) in new {
            let id = self.write_plan(hash, &body).await?;
            for at in places {
                self.cache.memory.keep_plan(id, &plans[at]);
                ids[at] = Some(id);
            }
        }
        Ok(ids.into_iter().flatten().collect())
    }

    async fn write_plan(&mut self, hash: Vec<u8>, body: &str) -> Result<i64, Fault> {
        sqlx::query("INSERT INTO plans (hash, body) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING")
            .bind(&hash)
            .bind(codec::text(body).as_ref())
            .execute(&mut *self.db)
            .await?;
        Ok(sqlx::query_scalar("SELECT id FROM plans WHERE hash = $1").bind(hash).fetch_one(&mut *self.db).await?)
    }

    /// Gives queues their rows.
    pub(super) async fn add_queues(&mut self, queues: BTreeSet<String>) -> Result<(), Fault> {
        let new: Vec<String> = queues.into_iter().filter(|queue| !self.cache.queues.contains(queue)).collect();
        if new.is_empty() {
            return Ok(());
        }
        sqlx::query("INSERT INTO queues (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING")
            .bind(&new)
            .execute(&mut *self.db)
            .await?;
        self.cache.queues.extend(new);
        Ok(())
    }
}
