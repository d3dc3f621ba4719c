//! Executions at hand: locked, and as fresh as the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use petgraph::graph::NodeIndex;
use sha2::{Digest, Sha256};
use sqlx::Row;
use uuid::Uuid;

use super::batch::Batch;
use super::codec;
use super::fault::Fault;
use crate::engine::{Evaluate, Execution, Replay};
use crate::model::plan::Plan;
use crate::model::{ExecutionId, JobId, Timestamp};
use crate::store::unit::{Hot, Seq};

/// What is kept in memory: executions that are at work, plans, and where claimed jobs belong.
const EXECUTIONS: usize = 1_024;
const PLANS: usize = 256;
const PLACES: usize = 16_384;

/// What the writer keeps in memory. Clearing it is always safe: everything is in the database.
pub(super) struct Cache {
    evaluate: Arc<dyn Evaluate + Send + Sync>,
    executions: HashMap<Seq, Hot>,
    plans: HashMap<i64, Arc<Plan>>,
    places: HashMap<JobId, (Seq, NodeIndex)>,
    /// Claims made, and how many had been when each queue was last served: queues with as many running jobs take turns.
    pub(super) claims: u64,
    pub(super) served: HashMap<String, u64>,
    /// Queues that are known to have their row.
    pub(super) queues: BTreeSet<String>,
}

impl Cache {
    /// An empty cache.
    pub(super) fn new(evaluate: Arc<dyn Evaluate + Send + Sync>) -> Self {
        Self {
            evaluate,
            executions: HashMap::new(),
            plans: HashMap::new(),
            places: HashMap::new(),
            claims: 0,
            served: HashMap::new(),
            queues: BTreeSet::new(),
        }
    }

    /// Who answers conditions.
    pub(super) fn evaluate(&self) -> Arc<dyn Evaluate + Send + Sync> {
        Arc::clone(&self.evaluate)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.executions.clear();
        self.plans.clear();
        self.places.clear();
        self.queues.clear();
    }

    /// Keeps an execution at hand, unless nothing more is to come.
    pub(super) fn keep(&mut self, hot: Hot) {
        if hot.state.state.is_ended() {
            return;
        }
        if self.executions.len() >= EXECUTIONS {
            self.executions.clear();
        }
        self.executions.insert(hot.seq, hot);
    }

    /// Keeps where a job belongs, which never changes.
    pub(super) fn keep_place(&mut self, job: JobId, place: (Seq, NodeIndex)) {
        if self.places.len() >= PLACES {
            self.places.clear();
        }
        self.places.insert(job, place);
    }

    /// Where a job belongs.
    pub(super) fn place(&self, job: JobId) -> Option<(Seq, NodeIndex)> {
        self.places.get(&job).copied()
    }

    fn keep_plan(&mut self, id: i64, plan: &Arc<Plan>) {
        if self.plans.len() >= PLANS {
            self.plans.clear();
        }
        self.plans.insert(id, Arc::clone(plan));
    }
}

impl Batch<'_> {
    /// Locks executions, in the order of their rows, and has them at hand.
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

    /// Has locked executions at hand: from memory, where nobody has written to their logs since.
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
            let fresh = self.cache.executions.remove(&seq).filter(|hot| hot.state.next_seq == next);
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
            let hot = Hot {
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
        if let Some(plan) = self.cache.plans.get(&id) {
            return Ok(Arc::clone(plan));
        }
        let body: String =
            sqlx::query_scalar("SELECT body FROM plans WHERE id = $1").bind(id).fetch_one(&mut *self.db).await?;
        let plan = Arc::new(codec::from_json("plan", &body)?);
        self.cache.keep_plan(id, &plan);
        Ok(plan)
    }

    /// Rows of plans, in their order; what is new is written.
    pub(super) async fn plan_ids(&mut self, plans: Vec<Arc<Plan>>) -> Result<Vec<i64>, Fault> {
        let mut ids = Vec::with_capacity(plans.len());
        for plan in plans {
            let known = self.cache.plans.iter().find(|(_, known)| Arc::ptr_eq(known, &plan)).map(|(&id, _)| id);
            ids.push(match known {
                Some(id) => id,
                None => self.write_plan(&plan).await?,
            });
        }
        Ok(ids)
    }

    async fn write_plan(&mut self, plan: &Arc<Plan>) -> Result<i64, Fault> {
        let body = codec::to_json(&**plan)?;
        let hash = Sha256::digest(&body).to_vec();
        sqlx::query("INSERT INTO plans (hash, body) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING")
            .bind(&hash)
            .bind(codec::text(&body).as_ref())
            .execute(&mut *self.db)
            .await?;
        let id = sqlx::query_scalar("SELECT id FROM plans WHERE hash = $1").bind(hash).fetch_one(&mut *self.db).await?;
        self.cache.keep_plan(id, plan);
        Ok(id)
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
