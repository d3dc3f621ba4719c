//! Limit of waiting jobs: a full queue accepts no more, so that a flood of events stays at its source.
//!
//! **Invariant**: refusing loses nothing, since an event that is not recorded is delivered again. Counts are at most
//! [`FRESH`] old, and count what this daemon added since, so the limit is kept to within what other daemons add
//! meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::plan::Plan;
use crate::store::{SharedStore, StoreError};

/// Greatest age of cached counts.
const FRESH: Duration = Duration::from_secs(1);

/// Most waiting jobs of a queue that the configuration does not name.
const WAITING: u64 = 10_000;

/// Limits of queues, and how far they are reached.
#[derive(Debug, Default)]
pub struct Backlog {
    limits: BTreeMap<String, u64>,
    counted: Mutex<CachedCount>,
    counting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct CachedCount {
    at: Option<Instant>,
    waiting: BTreeMap<String, u64>,
}

impl Backlog {
    /// With limits by queue; 0 means no limit.
    #[must_use]
    pub fn new(limits: BTreeMap<String, u64>) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The first full queue of `plan`, with the number of its waiting jobs. If no queue is full, the plan's first jobs are
    /// counted as waiting.
    pub(super) async fn admit(&self, store: &SharedStore, plan: &Plan) -> Result<Option<(String, u64)>, StoreError> {
        self.recount(store).await?;
        let mut counted = self.counted();
        for activity in plan.graph.node_weights() {
            let limit = self.limits.get(&activity.queue).copied().unwrap_or(WAITING);
            let waiting = counted.waiting.get(&activity.queue).copied().unwrap_or(0);
            if limit > 0 && waiting >= limit {
                return Ok(Some((activity.queue.clone(), waiting)));
            }
        }
        // Activities without dependencies are queued at once.
        for node in plan.graph.externals(petgraph::Direction::Incoming) {
            *counted.waiting.entry(plan.graph[node].queue.clone()).or_default() += 1;
        }
        Ok(None)
    }

    /// Returns whether a queue takes more.
    pub(super) async fn has_room(&self, store: &SharedStore, queue: &str) -> Result<bool, StoreError> {
        self.recount(store).await?;
        let limit = self.limits.get(queue).copied().unwrap_or(WAITING);
        Ok(limit == 0 || self.counted().waiting.get(queue).copied().unwrap_or(0) < limit)
    }

    async fn recount(&self, store: &SharedStore) -> Result<(), StoreError> {
        if self.is_stale() {
            // Uploads that come together ask once.
            let _one = self.counting.lock().await;
            if self.is_stale() {
                self.count(store).await?;
            }
        }
        Ok(())
    }

    async fn count(&self, store: &SharedStore) -> Result<(), StoreError> {
        let queues = store.queues().await?;
        let mut counted = self.counted();
        counted.waiting = queues.into_iter().map(|queue| (queue.name, queue.waiting)).collect();
        counted.at = Some(Instant::now());
        Ok(())
    }

    fn is_stale(&self) -> bool {
        self.counted().at.is_none_or(|at| at.elapsed() > FRESH)
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, CachedCount> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
