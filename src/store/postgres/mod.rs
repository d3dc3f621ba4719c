//! The store of a fleet: PostgreSQL, any number of daemons.
//!
//! Commands of one daemon go through one [`writer`], which runs as many as wait in one transaction, with a handful of
//! statements over arrays; questions and leases go through a small pool. `LISTEN` brings hints from other daemons.
//!
//! **Invariant**: rows of an execution change only under the lock on its row; the database's clock decides about
//! leases, waits and deadlines; an answered command is committed.
//!
//! Deliberately absent: a table of activity states. An execution is loaded by folding its log, so the two cannot
//! differ.

mod batch;
mod claim;
mod codec;
mod command;
mod events;
mod fault;
mod flush;
mod load;
mod open;
mod outbox;
mod outputs;
mod queues;
mod read;
mod requests;
mod url;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::open::look;

use self::command::{Advance, Command, Target};
use self::fault::Fault;
use self::writer::WriterHandle;
use super::{
    Claim, Claimant, DueFilter, EventFilter, EventIdentity, EventOutcome, EventRecord, ExecutionFilter,
    ExecutionRecord, ExecutionSummary, Heartbeat, Hint, MatchDecision, NewExecution, Notification, NotificationFilter,
    NotificationRecord, Progress, Pruned, Publisher, QueueChange, QueueStatus, Request, Retention, Store, StoreError,
};
use crate::engine::{Evaluate, Input, LogEntry, LogEvent, Outcome, Signal};
use crate::model::{ExecutionId, Failure, JobId, ObjectEvent, ObjectLocation, OutputObject, Timestamp};

/// Hints kept for a slow listener before it misses some.
const HINTS: usize = 4_096;

/// Longest wait for the connection that listens.
const LISTENING: Duration = Duration::from_secs(5);

/// Source of the time of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockSource {
    /// The database's: clocks of daemons may differ.
    #[default]
    Database,
    /// The caller's, which can then be made to pass: for tests.
    Caller,
}

/// A store in a PostgreSQL database (14 or later).
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    writer: WriterHandle,
    hints: broadcast::Sender<Hint>,
    time: ClockSource,
    _listener: DropGuard,
}

impl PostgresStore {
    /// Connects to the database at `url` and brings its schema up to date. `evaluate` answers the conditions of plans.
    pub async fn connect(
        url: &str,
        time: ClockSource,
        evaluate: Arc<dyn Evaluate + Send + Sync>,
    ) -> Result<Self, StoreError> {
        let options = open::options(url)?;
        let pool = open::pool(options.clone()).await?;
        let channel = open::channel(&pool).await?;
        let (hints, _) = broadcast::channel(HINTS);
        let stop = CancellationToken::new();
        let listener = stop.clone().drop_guard();
        let (listening, listens) = oneshot::channel();
        tokio::spawn(open::listen(options.clone(), channel.clone(), hints.clone(), listening, stop));
        // So that no hint is missed from here on; without hints it works too, by polling.
        let _ = tokio::time::timeout(LISTENING, listens).await;
        let (others, told) = mpsc::channel(HINTS);
        tokio::spawn(open::tell(pool.clone(), channel, told));
        let writer = WriterHandle::spawn(options, evaluate, time, hints.clone(), others);
        Ok(Self { pool, writer, hints, time, _listener: listener })
    }

    /// The time that counts, where the caller's is `now`.
    async fn now(&self, now: Timestamp) -> Result<Timestamp, Fault> {
        match self.time {
            ClockSource::Caller => Ok(now),
            ClockSource::Database => read::now(&self.pool).await,
        }
    }

    async fn advance(
        &self,
        operation: &'static str,
        target: Target,
        advance: Advance,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writer.call(operation, |reply| Command::Advance { target, advance, now, reply }).await
    }

    async fn signal(
        &self,
        operation: &'static str,
        job: JobId,
        signal: Signal,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.advance(operation, Target::Job(job), Advance::Signal(signal), now).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn record_event(
        &self,
        identity: &EventIdentity,
        event: &ObjectEvent,
        decisions: Vec<MatchDecision>,
        starts: Vec<NewExecution>,
        now: Timestamp,
    ) -> Result<EventOutcome, StoreError> {
        let (identity, event) = (identity.clone(), Box::new(event.clone()));
        let command = |reply| Command::Event { identity, event, decisions, starts, now, reply };
        self.writer.call("record an event", command).await
    }

    async fn record_unreadable(&self, body: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let record = async { events::record_unreadable(&self.pool, body, reason, self.now(now).await?).await };
        record.await.map_err(|fault: Fault| fault.during("record a message"))
    }

    async fn start(&self, execution: NewExecution, now: Timestamp) -> Result<(), StoreError> {
        let execution = Box::new(execution);
        self.writer.call("start an execution", |reply| Command::Start { execution, now, reply }).await
    }

    async fn claim(&self, claimant: &Claimant, lease: Duration, now: Timestamp) -> Result<Option<Claim>, StoreError> {
        let claimant = claimant.clone();
        self.writer.call("claim a job", |reply| Command::Claim { claimant, lease, now, reply }).await
    }

    async fn claim_beside(
        &self,
        claim: &Claim,
        (activities, limit): (&[usize], usize),
        claimant: &Claimant,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let (job, activities, worker) = (claim.job, activities.to_vec(), claimant.name.clone());
        let command = |reply| Command::ClaimBeside { job, activities, limit, worker, lease, now, reply };
        self.writer.call("claim more jobs", command).await
    }

    async fn heartbeat(
        &self,
        job: JobId,
        attempt: u32,
        lease: Duration,
        progress: Option<Progress>,
        now: Timestamp,
    ) -> Result<Heartbeat, StoreError> {
        let beat = async {
            let until = self.now(now).await?.after(lease);
            claim::heartbeat(&self.pool, job, attempt, until, progress).await
        };
        let (heartbeat, execution) = beat.await.map_err(|fault: Fault| fault.during("extend a lease"))?;
        if let Some(execution) = execution {
            // An error only means that there is no receiver.
            let _ = self.hints.send(Hint::Execution(execution));
        }
        Ok(heartbeat)
    }

    async fn begin_publish(
        &self,
        job: JobId,
        attempt: u32,
        outputs: &[ObjectLocation],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let advance = Advance::Publish { attempt, outputs: outputs.to_vec() };
        self.advance("record the objects to publish", Target::Job(job), advance, now).await
    }

    async fn withdraw(&self, job: JobId, attempt: u32, outputs: &[ObjectLocation]) -> Result<(), StoreError> {
        let withdrawn = outputs::withdraw(&self.pool, job, attempt, outputs).await;
        withdrawn.map_err(|fault| fault.during("withdraw the objects to publish"))
    }

    async fn publishers(&self, outputs: &[ObjectLocation]) -> Result<Vec<Publisher>, StoreError> {
        let publishers = outputs::publishers(&self.pool, outputs).await;
        publishers.map_err(|fault| fault.during("look up the publishers of objects"))
    }

    async fn lineage(&self, object: &ObjectLocation) -> Result<Vec<String>, StoreError> {
        let lineage = read::lineage(&self.pool, object.clone()).await;
        lineage.map_err(|fault| fault.during("look up the publisher of an object"))
    }

    async fn succeed(
        &self,
        job: JobId,
        attempt: u32,
        result: Value,
        outputs: Vec<OutputObject>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let outcome = Outcome::Succeeded { result: Arc::new(result), outputs: outputs.into() };
        self.signal("end a job", job, Signal::Ended { attempt, outcome }, now).await
    }

    async fn fail(
        &self,
        job: JobId,
        attempt: u32,
        failure: Failure,
        patience: Duration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let outcome = Outcome::Failed { failure, patience };
        self.signal("end a job", job, Signal::Ended { attempt, outcome }, now).await
    }

    async fn hand_back(&self, job: JobId, attempt: u32, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let outcome = Outcome::HandedBack { reason: reason.to_owned() };
        self.signal("hand back a job", job, Signal::Ended { attempt, outcome }, now).await
    }

    async fn reap(&self, now: Timestamp) -> Result<(u32, Option<Duration>), StoreError> {
        self.writer.call("requeue jobs with expired leases", |reply| Command::Reap { now, reply }).await
    }

    async fn reclaim_all(&self, _now: Timestamp) -> Result<u32, StoreError> {
        Ok(0)
    }

    async fn cancel(&self, execution: ExecutionId, reason: &str, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let input = Input::Cancel { reason: reason.to_owned(), by: by.to_owned() };
        self.advance("cancel an execution", Target::Execution(execution), Advance::Order(input), now).await
    }

    async fn retry(
        &self,
        execution: ExecutionId,
        params: BTreeMap<String, Value>,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let input = Input::Retry { by: by.to_owned(), params };
        self.advance("retry an execution", Target::Execution(execution), Advance::Order(input), now).await
    }

    async fn prioritize(
        &self,
        execution: ExecutionId,
        priority: u8,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let input = Input::Prioritize { priority, by: by.to_owned() };
        self.advance("prioritize an execution", Target::Execution(execution), Advance::Order(input), now).await
    }

    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        queues::queues(&self.pool).await.map_err(|fault| fault.during("list queues"))
    }

    async fn set_queue(&self, name: &str, change: QueueChange) -> Result<(), StoreError> {
        queues::set_queue(&self.pool, name, change).await.map_err(|fault| fault.during("change a queue"))?;
        let _ = self.hints.send(Hint::Queue);
        Ok(())
    }

    async fn prune(&self, retention: Retention, limit: u32, now: Timestamp) -> Result<Pruned, StoreError> {
        let prune = async { queues::prune(&self.pool, retention, limit, self.now(now).await?).await };
        prune.await.map_err(|fault: Fault| fault.during("prune expired records"))
    }

    async fn note(&self, job: JobId, attempt: u32, event: LogEvent, now: Timestamp) -> Result<(), StoreError> {
        let signal = Signal::Mark { attempt, mark: event };
        match self.signal("write to a log", job, signal, now).await {
            Err(StoreError::Stale { .. }) => Ok(()),
            other => other,
        }
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError> {
        read::execution(&self.pool, id).await.map_err(|fault| fault.during("read an execution"))
    }

    async fn executions(&self, filter: ExecutionFilter) -> Result<Vec<ExecutionSummary>, StoreError> {
        read::executions(&self.pool, &filter).await.map_err(|fault| fault.during("list executions"))
    }

    async fn log(&self, id: ExecutionId, after: u64, limit: u32) -> Result<Vec<LogEntry>, StoreError> {
        read::log(&self.pool, id, after, limit).await.map_err(|fault| fault.during("read a log"))
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<EventRecord>, StoreError> {
        read::events(&self.pool, &filter).await.map_err(|fault| fault.during("list events"))
    }

    async fn due_notifications(&self, filter: DueFilter, now: Timestamp) -> Result<Vec<Notification>, StoreError> {
        let due = async { outbox::due_notifications(&self.pool, &filter, self.now(now).await?).await };
        due.await.map_err(|fault: Fault| fault.during("list notifications"))
    }

    async fn delivered(&self, id: i64, _now: Timestamp) -> Result<(), StoreError> {
        self.writer.call("update a notification", |reply| Command::Delivered { id, reply }).await
    }

    async fn undelivered(
        &self,
        id: i64,
        error: &str,
        retry: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let put_off = async { outbox::undelivered(&self.pool, id, error, retry, self.now(now).await?).await };
        put_off.await.map_err(|fault: Fault| fault.during("postpone a notification"))
    }

    async fn notifications(&self, filter: NotificationFilter) -> Result<Vec<NotificationRecord>, StoreError> {
        outbox::notifications(&self.pool, filter).await.map_err(|fault| fault.during("list notifications"))
    }

    async fn resend(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        let resend = async { outbox::resend(&self.pool, id, self.now(now).await?).await };
        resend.await.map_err(|fault: Fault| fault.during("resend a notification"))?;
        let _ = self.hints.send(Hint::Outbox);
        Ok(())
    }

    async fn remember(&self, request: &Request, now: Timestamp) -> Result<Option<Request>, StoreError> {
        let remember = async { requests::remember(&self.pool, request, self.now(now).await?).await };
        remember.await.map_err(|fault: Fault| fault.during("record a request"))
    }

    async fn notifications_waiting(&self) -> Result<u64, StoreError> {
        read::notifications_waiting(&self.pool).await.map_err(|fault| fault.during("count notifications"))
    }

    async fn is_idle(&self) -> Result<bool, StoreError> {
        read::is_idle(&self.pool).await.map_err(|fault| fault.during("look for waiting work"))
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }
}
