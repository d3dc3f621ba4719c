//! The embedded store: SQLite, one file, one daemon.
//!
//! Commands go to one writer thread, questions to one reader thread. **Invariant**: an answered command is on disk
//! (WAL, `synchronous=FULL`); a database belongs to one process, held by a lock on `<database>.lock`.
//!
//! Deliberately absent: a table of activity states. An execution is loaded by folding its log, so the two cannot
//! differ.

mod codec;
mod events;
mod execution;
mod fault;
mod jobs;
mod open;
mod outbox;
mod prune;
mod queues;
mod read;
mod reader;
mod requests;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::broadcast;

pub use self::open::look;

use self::execution::Cache;
use self::fault::Fault;
use self::reader::ReaderHandle;
use self::writer::WriterHandle;
use super::{
    Claim, Claimant, DueFilter, EventFilter, EventIdentity, EventOutcome, EventRecord, ExecutionFilter,
    ExecutionRecord, ExecutionSummary, Heartbeat, Hint, MatchDecision, NewExecution, Notification, NotificationFilter,
    NotificationRecord, Progress, Pruned, Publisher, QueueChange, QueueStatus, Request, Retention, Store, StoreError,
};
use crate::engine::{Evaluate, Input, LogEntry, LogEvent, Outcome};
use crate::model::{ExecutionId, Failure, JobId, ObjectEvent, ObjectLocation, OutputObject, Timestamp};

/// Hints kept for a slow listener before it misses some.
const HINTS: usize = 4_096;

/// A store in an SQLite database. Dropping it waits for commands that were sent.
#[derive(Debug)]
pub struct SqliteStore {
    // Fields are dropped in this order: the lock goes last.
    reader: Option<ReaderHandle>,
    writer: WriterHandle,
    hints: broadcast::Sender<Hint>,
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens the database at `path`, which is created where it is not there. `evaluate` answers the conditions of
    /// plans.
    pub fn open(path: &Path, evaluate: Arc<dyn Evaluate + Send + Sync>) -> Result<Self, StoreError> {
        let lock = open::lock(path)?;
        let writer = open::writer(Some(path))?;
        let reader = open::reader(path)?;
        Self::start(writer, Some(reader), evaluate, Some(lock))
            .map_err(|source| StoreError::Open { path: path.display().to_string(), source: Box::new(source) })
    }

    /// A store that lives as long as the value: for tests and for commands that run one workflow.
    pub fn open_in_memory(evaluate: Arc<dyn Evaluate + Send + Sync>) -> Result<Self, StoreError> {
        Self::start(open::writer(None)?, None, evaluate, None)
            .map_err(|source| StoreError::Open { path: ":memory:".to_owned(), source: Box::new(source) })
    }

    fn start(
        writer: Connection,
        reader: Option<Connection>,
        evaluate: Arc<dyn Evaluate + Send + Sync>,
        lock: Option<File>,
    ) -> std::io::Result<Self> {
        let (hints, _) = broadcast::channel(HINTS);
        let writer = WriterHandle::spawn(writer, Cache::new(evaluate), hints.clone())?;
        let reader = reader.map(ReaderHandle::spawn).transpose()?;
        Ok(Self { reader, writer, hints, _lock: lock })
    }

    /// Asks the reader, or the writer where the database is in memory and has only one connection.
    async fn ask<T, F>(&self, doing: &'static str, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        match &self.reader {
            Some(reader) => reader.ask(doing, question).await,
            None => self.writer.call(doing, move |writer| question(&writer.db)).await,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn record_event(
        &self,
        identity: &EventIdentity,
        event: &ObjectEvent,
        decisions: Vec<MatchDecision>,
        starts: Vec<NewExecution>,
        now: Timestamp,
    ) -> Result<EventOutcome, StoreError> {
        let (identity, event) = (identity.clone(), event.clone());
        self.writer.call("record an event", move |w| w.record_event(&identity, &event, &decisions, &starts, now)).await
    }

    async fn record_unreadable(&self, body: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let (body, reason) = (body.to_owned(), reason.to_owned());
        self.writer.call("record a message", move |w| w.record_unreadable(&body, &reason, now)).await
    }

    async fn start(&self, execution: NewExecution, now: Timestamp) -> Result<(), StoreError> {
        self.writer.call("start an execution", move |w| w.create(&execution, None, now)).await
    }

    async fn claim(&self, claimant: &Claimant, lease: Duration, now: Timestamp) -> Result<Option<Claim>, StoreError> {
        let claimant = claimant.clone();
        self.writer.call("claim a job", move |w| w.claim(&claimant, lease, now)).await
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
        self.writer
            .call("claim more jobs", move |w| w.claim_beside(job, (&activities, limit), (&worker, lease), now))
            .await
    }

    async fn heartbeat(
        &self,
        job: JobId,
        attempt: u32,
        lease: Duration,
        progress: Option<Progress>,
        now: Timestamp,
    ) -> Result<Heartbeat, StoreError> {
        self.writer.call("extend a lease", move |w| w.heartbeat(job, attempt, lease, progress, now)).await
    }

    async fn begin_publish(
        &self,
        job: JobId,
        attempt: u32,
        outputs: &[ObjectLocation],
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        let outputs = outputs.to_vec();
        self.writer.call("record the objects to publish", move |w| w.begin_publish(job, attempt, &outputs)).await
    }

    async fn withdraw(&self, job: JobId, attempt: u32, outputs: &[ObjectLocation]) -> Result<(), StoreError> {
        let outputs = outputs.to_vec();
        self.writer.call("withdraw the objects to publish", move |w| w.withdraw(job, attempt, &outputs)).await
    }

    async fn publishers(&self, outputs: &[ObjectLocation]) -> Result<Vec<Publisher>, StoreError> {
        let outputs = outputs.to_vec();
        self.ask("look up the publishers of objects", move |db| read::publishers(db, &outputs)).await
    }

    async fn lineage(&self, object: &ObjectLocation) -> Result<Vec<String>, StoreError> {
        let object = object.clone();
        self.ask("look up the publisher of an object", move |db| read::lineage(db, &object)).await
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
        self.writer.call("end a job", move |w| w.end(job, attempt, &outcome, now)).await
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
        self.writer.call("end a job", move |w| w.end(job, attempt, &outcome, now)).await
    }

    async fn hand_back(&self, job: JobId, attempt: u32, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let outcome = Outcome::HandedBack { reason: reason.to_owned() };
        self.writer.call("hand back a job", move |w| w.end(job, attempt, &outcome, now)).await
    }

    async fn reap(&self, now: Timestamp) -> Result<(u32, Option<Duration>), StoreError> {
        self.writer.call("requeue jobs with expired leases", move |w| w.reap(now)).await
    }

    async fn reclaim_all(&self, now: Timestamp) -> Result<u32, StoreError> {
        self.writer.call("requeue jobs with expired leases", move |w| w.reclaim_all(now)).await
    }

    async fn cancel(&self, execution: ExecutionId, reason: &str, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let input = Input::Cancel { reason: reason.to_owned(), by: by.to_owned() };
        self.writer.call("cancel an execution", move |w| w.order(execution, &input, now)).await
    }

    async fn retry(
        &self,
        execution: ExecutionId,
        params: BTreeMap<String, Value>,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let input = Input::Retry { by: by.to_owned(), params };
        self.writer.call("retry an execution", move |w| w.order(execution, &input, now)).await
    }

    async fn prioritize(
        &self,
        execution: ExecutionId,
        priority: u8,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let input = Input::Prioritize { priority, by: by.to_owned() };
        self.writer.call("prioritize an execution", move |w| w.order(execution, &input, now)).await
    }

    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        self.ask("list queues", queues::queues).await
    }

    async fn set_queue(&self, name: &str, change: QueueChange) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.writer.call("change a queue", move |w| w.set_queue(&name, change)).await
    }

    async fn prune(&self, retention: Retention, limit: u32, now: Timestamp) -> Result<Pruned, StoreError> {
        self.writer.call("prune expired records", move |w| w.prune(retention, limit, now)).await
    }

    async fn note(&self, job: JobId, attempt: u32, event: LogEvent, now: Timestamp) -> Result<(), StoreError> {
        self.writer.call("write to a log", move |w| w.note(job, attempt, &event, now)).await
    }

    async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError> {
        self.ask("read an execution", move |db| read::execution(db, id)).await
    }

    async fn executions(&self, filter: ExecutionFilter) -> Result<Vec<ExecutionSummary>, StoreError> {
        self.ask("list executions", move |db| read::executions(db, &filter)).await
    }

    async fn log(&self, id: ExecutionId, after: u64, limit: u32) -> Result<Vec<LogEntry>, StoreError> {
        self.ask("read a log", move |db| read::log(db, id, after, limit)).await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<EventRecord>, StoreError> {
        self.ask("list events", move |db| read::events(db, &filter)).await
    }

    async fn due_notifications(&self, filter: DueFilter, now: Timestamp) -> Result<Vec<Notification>, StoreError> {
        self.ask("list notifications", move |db| outbox::due_notifications(db, &filter, now)).await
    }

    async fn delivered(&self, id: i64, _now: Timestamp) -> Result<(), StoreError> {
        self.writer.call("update a notification", move |w| w.delivered(id)).await
    }

    async fn undelivered(
        &self,
        id: i64,
        error: &str,
        retry: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.writer.call("postpone a notification", move |w| w.undelivered(id, &error, retry, now)).await
    }

    async fn notifications(&self, filter: NotificationFilter) -> Result<Vec<NotificationRecord>, StoreError> {
        self.ask("list notifications", move |db| outbox::notifications(db, filter)).await
    }

    async fn resend(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.writer.call("resend a notification", move |w| w.resend(id, now)).await
    }

    async fn remember(&self, request: &Request, now: Timestamp) -> Result<Option<Request>, StoreError> {
        let request = request.clone();
        self.writer.call("record a request", move |w| w.remember(&request, now)).await
    }

    async fn notifications_waiting(&self) -> Result<u64, StoreError> {
        self.ask("count notifications", read::notifications_waiting).await
    }

    async fn is_idle(&self) -> Result<bool, StoreError> {
        self.ask("look for waiting work", read::is_idle).await
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }
}
