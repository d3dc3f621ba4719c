//! The store: the only place that speaks SQL. One trait of semantic operations, each one transaction.
//!
//! **Invariant**: state, log, queue and outbox of an execution change together or not at all; every operation may be
//! repeated after a crash that hid its answer; rows affected are checked. `now` is the caller's clock: a store that
//! several daemons share takes its database's instead, so that clocks which disagree change nothing.
//!
//! Deliberately absent: deciding. What an operation does to an execution is `engine::step`'s answer, which the store
//! asks for inside its transaction and writes down.

mod fault;
mod json;
mod ledger;
mod listing;
mod log;
mod memory;
mod notification;
pub mod postgres;
mod publisher;
mod recent;
pub mod sqlite;
mod unit;
mod warning;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::{Execution, LogEntry, LogEvent, StepError};
use crate::model::plan::Plan;
use crate::model::{
    Code, Coded, ExecutionId, Failure, InputObject, JobId, JobState, ObjectEvent, ObjectLocation, OutputObject,
    Timestamp,
};

pub use ledger::{Companion, EventFilter, EventIdentity, EventOutcome, EventRecord, MatchDecision};
pub use listing::{ExecutionFilter, ExecutionSummary, JobGroup};
pub use log::whole_log;
pub use notification::{Delivery, DueFilter, Notification, NotificationFilter, NotificationRecord};
pub use publisher::Publisher;
pub use warning::{WARNINGS_READ, Warning};

/// A store, shared.
pub type SharedStore = Arc<dyn Store>;

/// Error of an operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened.
    #[error("cannot open the store {path}")]
    Open {
        /// Path or address.
        path: String,
        /// Error of the database.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A statement failed: disk full, I/O error, connection lost.
    #[error("the store could not {operation}")]
    Database {
        /// The operation.
        operation: &'static str,
        /// Error of the database.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another daemon uses the database.
    #[error("the store {path} is in use by {holder}; stop it, or start this daemon with another --data")]
    InUse {
        /// The database.
        path: String,
        /// Name of the daemon that holds it.
        holder: String,
    },
    /// The store was written by a later version.
    #[error(
        "the store has schema version {found}, and this version of Reelmill supports {known} at most; use a newer version"
    )]
    TooNew {
        /// Its version.
        found: u32,
        /// The last one known.
        known: u32,
    },
    /// A stored value cannot be read.
    #[error("a stored {what} cannot be read")]
    Corrupt {
        /// Kind of value.
        what: &'static str,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No such execution, job or notification.
    #[error("there is no {what} {id}")]
    NotFound {
        /// Kind of thing that was looked for.
        what: &'static str,
        /// Its identifier.
        id: String,
    },
    /// The attempt no longer holds its lease: another has taken over, or the activity has ended.
    #[error("attempt {attempt} of job {job} no longer holds its lease")]
    Stale {
        /// The job.
        job: JobId,
        /// The attempt that lost its lease.
        attempt: u32,
    },
    /// The engine refused the input in the present state.
    #[error("{0}")]
    Illegal(String),
    /// A bug of the engine or of the store: the operation changed nothing.
    #[error("the store failed by a bug, and changed nothing: {0}")]
    Bug(String),
    /// A parameter of the database's URL that is not understood.
    #[error("the store's URL has a parameter `{name}`, which is not supported; {hint}")]
    Parameter {
        /// Its name.
        name: String,
        /// Hint.
        hint: String,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl From<StepError> for StoreError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Misfit { .. } => Self::Bug(error.to_string()),
            _ => Self::Illegal(error.to_string()),
        }
    }
}

impl Coded for StoreError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Open { .. } => "STORE0001",
            Self::Database { .. } => "STORE0002",
            Self::InUse { .. } => "STORE0003",
            Self::TooNew { .. } => "STORE0004",
            Self::Corrupt { .. } => "STORE0005",
            Self::NotFound { .. } => "STORE0006",
            Self::Stale { .. } => "STORE0007",
            Self::Illegal(_) => "STORE0008",
            Self::Closed => "STORE0009",
            Self::Bug(_) => "STORE0019",
            Self::Parameter { .. } => "STORE0015",
        })
    }
}

/// Time until a notification that was handed out for delivery may be handed out again; longer than one delivery may
/// take.
pub const DELIVERY_LEASE: Duration = Duration::from_secs(20);

/// An execution to create.
#[derive(Clone, Debug)]
pub struct NewExecution {
    /// Its identifier.
    pub id: ExecutionId,
    /// One job identifier per activity, in the order of the plan's node indices.
    pub jobs: Vec<JobId>,
    /// The frozen plan.
    pub plan: Arc<Plan>,
    /// Input object.
    pub input: InputObject,
    /// Values of all declared parameters.
    pub params: BTreeMap<String, Value>,
    /// Opaque text of the user's (≤ 1024 bytes), repeated in notifications.
    pub user_data: Option<String>,
    /// Cause of the start, for the log: `event s3`, `by hand`.
    pub cause: String,
}

/// A queue, with its numbers of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Its name.
    pub name: String,
    /// Most jobs that run at once, over all daemons; 0: as many as there are slots.
    pub concurrency: u32,
    /// True if nothing is claimed from it.
    pub paused: bool,
    /// Jobs that wait in it, up to [`QueueStatus::COUNTED`].
    pub waiting: u64,
    /// Jobs of it that run.
    pub running: u64,
    /// Time when the execution of its oldest waiting job was created.
    pub oldest: Option<Timestamp>,
}

impl QueueStatus {
    /// Counting stops here: a queue with more is too long anyway.
    pub const COUNTED: u32 = 1_000_000;
}

/// Change of a queue's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueChange {
    /// True if nothing shall be claimed from it.
    pub paused: Option<bool>,
    /// Most jobs at once, over all daemons; 0: as many as there are slots.
    pub concurrency: Option<u32>,
}

/// Ages after which records are pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Age of an ended execution, from its end; with it go its log, its jobs and its delivered notifications.
    pub executions: Duration,
    /// Age of what workers said in the log of an ended execution: warnings and other marks. Its changes of state are
    /// the execution itself and stay as long as it does.
    pub logs: Duration,
    /// Age of a ledger entry. An event of the same upload that comes later starts its workflows again.
    pub events: Duration,
    /// Age of a recorded request. The same request sent later is carried out again.
    pub requests: Duration,
}

/// Counts of pruned records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Executions.
    pub executions: u64,
    /// Marks of logs.
    pub marks: u64,
    /// Ledger entries.
    pub events: u64,
    /// Idempotency keys of requests.
    pub requests: u64,
}

/// Daemon that claims jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimant {
    /// Its name, for logs.
    pub name: String,
    /// The queues that it serves; empty: every queue.
    pub queues: Vec<String>,
}

impl Claimant {
    /// One that serves every queue.
    #[must_use]
    pub fn of_all(name: &str) -> Self {
        Self { name: name.to_owned(), queues: Vec::new() }
    }

    /// Returns whether it claims jobs of that queue.
    #[must_use]
    pub fn serves(&self, queue: &str) -> bool {
        self.queues.is_empty() || self.queues.iter().any(|served| served == queue)
    }
}

/// A job handed to a worker.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// Its execution.
    pub execution: ExecutionId,
    /// Node index of its activity in the plan.
    pub activity: usize,
    /// The fencing token: every later word about this claim carries it.
    pub attempt: u32,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Input object of the execution.
    pub input: InputObject,
    /// Parameters.
    pub params: BTreeMap<String, Value>,
    /// Time when the execution was created.
    pub created_at: Timestamp,
    /// The state right after the claim; it has the results of the activities before it.
    pub state: Execution,
}

/// Progress of a running job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// Share done, 0–1, where it is known.
    pub fraction: Option<f64>,
    /// Media seconds made per second.
    pub speed: Option<f64>,
    /// Media time reached, in milliseconds.
    pub position_ms: Option<u64>,
}

/// Answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// Go on; the lease runs from now.
    Continue,
    /// Go on, but the lease was not extended: another transaction has its row. Ask again.
    Busy,
    /// Stop: cancellation was asked for.
    Stop,
    /// The lease was lost: stop and publish nothing.
    Lost,
}

/// An execution, whole.
#[derive(Clone, Debug)]
pub struct ExecutionRecord {
    /// The head.
    pub summary: ExecutionSummary,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Parameters.
    pub params: BTreeMap<String, Value>,
    /// The user's text.
    pub user_data: Option<String>,
    /// State of every activity, in the order of the plan's node indices.
    pub state: Execution,
    /// Jobs, in the same order.
    pub jobs: Vec<JobRecord>,
    /// Warnings of the last attempts of its activities, in order; at most [`WARNINGS_READ`], and without those that
    /// went with the marks of its log.
    pub warnings: Vec<Warning>,
}

/// A job: an activity's row in the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its identifier.
    pub id: JobId,
    /// Activity name.
    pub activity: String,
    /// State.
    pub state: JobState,
    /// Its place in its queue: 1–10, 10 first.
    pub priority: u8,
    /// Attempts so far.
    pub attempts: u32,
    /// First claim.
    pub started_at: Option<Timestamp>,
    /// End.
    pub ended_at: Option<Timestamp>,
    /// Progress, while it runs.
    pub progress: Option<Progress>,
}

/// Description of a store that was only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Version of its schema; absent where no daemon has made it yet.
    pub schema: Option<u32>,
    /// Last version that this program knows.
    pub known: u32,
    /// Its clock, where it has one of its own.
    pub now: Option<Timestamp>,
}

/// A request that was made under a key of its sender's, so that it can be sent again without being done again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key, with the kind of request that it belongs to.
    pub key: String,
    /// Digest of the request: using the same key for another request is an error.
    pub digest: [u8; 32],
    /// Data by which a repeated request finds out whether the first one was carried out.
    pub note: String,
}

/// Hint that something in the store changed: a reason to poll, never the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// A job was queued.
    Queue,
    /// A notification was queued.
    Outbox,
    /// An execution changed or its log grew.
    Execution(ExecutionId),
    /// An execution ended, by this daemon's hand.
    Ended(ExecutionId),
}

/// Operations of the daemon. Each is one transaction: after a crash it happened wholly or not at all.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes an event to the ledger together with the executions it starts. Its `identity`, which the intake gives it,
    /// is unique: a second delivery only counts as a duplicate. Crash before: the message is delivered again. Crash
    /// after: it is a duplicate.
    async fn record_event(
        &self,
        identity: &EventIdentity,
        event: &ObjectEvent,
        decisions: Vec<MatchDecision>,
        starts: Vec<NewExecution>,
        now: Timestamp,
    ) -> Result<EventOutcome, StoreError>;

    /// Keeps a message that no shape fits, with its reason; the same body is kept once.
    async fn record_unreadable(&self, body: &str, reason: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Creates an execution without an event. Repeating it with the same identifier changes nothing.
    async fn start(&self, execution: NewExecution, now: Timestamp) -> Result<(), StoreError>;

    /// Leases the next job to `claimant` until `now + lease`. Of the queues that it serves, that are not paused and
    /// have fewer running jobs than they may, the one with the fewest running goes first; in a queue the highest
    /// priority, then the order of submission.
    async fn claim(&self, claimant: &Claimant, lease: Duration, now: Timestamp) -> Result<Option<Claim>, StoreError>;

    /// Leases up to `limit` more jobs of the execution of `claim` to `claimant`: those of `activities` that wait in the same
    /// queue with the same priority and were never claimed before, in the order of the plan, as far as that queue is not
    /// paused and has room.
    async fn claim_beside(
        &self,
        claim: &Claim,
        (activities, limit): (&[usize], usize),
        claimant: &Claimant,
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError>;

    /// Prolongs a lease and notes progress.
    async fn heartbeat(
        &self,
        job: JobId,
        attempt: u32,
        lease: Duration,
        progress: Option<Progress>,
        now: Timestamp,
    ) -> Result<Heartbeat, StoreError>;

    /// Records the keys to which an attempt will publish, before the first of these objects becomes visible. So an
    /// event caused by one of them is recognised ([`Store::lineage`]) however early it arrives. [`StoreError::Stale`]
    /// for a lost lease. A repeated call replaces nothing and adds new keys.
    async fn begin_publish(
        &self,
        job: JobId,
        attempt: u32,
        outputs: &[ObjectLocation],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Takes back what [`Store::begin_publish`] noted of these objects: the attempt publishes none of them. Ignored
    /// where it no longer holds its lease.
    async fn withdraw(&self, job: JobId, attempt: u32, outputs: &[ObjectLocation]) -> Result<(), StoreError>;

    /// Executions that noted one of these objects as their output, in an order that puts the newest of each object
    /// first; at most 32 for each.
    async fn publishers(&self, outputs: &[ObjectLocation]) -> Result<Vec<Publisher>, StoreError>;

    /// Workflows whose executions published this object, directly or through the objects those executions worked on,
    /// nearest first; at most 32.
    async fn lineage(&self, object: &ObjectLocation) -> Result<Vec<String>, StoreError>;

    /// Ends an attempt with success, after its outputs were published. [`StoreError::Stale`] for a lost lease.
    async fn succeed(
        &self,
        job: JobId,
        attempt: u32,
        result: Value,
        outputs: Vec<OutputObject>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Ends an attempt with failure; the engine decides whether another follows. Something that is away is waited for,
    /// for `patience`. [`StoreError::Stale`] for a lost lease.
    async fn fail(
        &self,
        job: JobId,
        attempt: u32,
        failure: Failure,
        patience: Duration,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Gives a job back that is not going to end here: it is queued again, and the attempt counts as none.
    /// [`StoreError::Stale`] for a lost lease.
    async fn hand_back(&self, job: JobId, attempt: u32, reason: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Requeues jobs with expired leases and due retries, and stops executions that exceeded their time limit.
    /// Answers how many moved, and how long it is until the next one is due.
    async fn reap(&self, now: Timestamp) -> Result<(u32, Option<Duration>), StoreError>;

    /// Takes back every lease: for a daemon that has the store to itself and has just started. Answers how many; none
    /// in a store that others may share.
    async fn reclaim_all(&self, now: Timestamp) -> Result<u32, StoreError>;

    /// Asks an execution to stop: waiting jobs at once, running ones at their next heartbeat.
    /// `by` says who asks, for the log.
    async fn cancel(&self, execution: ExecutionId, reason: &str, by: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Starts a failed or cancelled execution again from what did not succeed, with `params` changed.
    async fn retry(
        &self,
        execution: ExecutionId,
        params: BTreeMap<String, Value>,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Sets the priority of the activities of a running execution that have not ended (1–10, 10 first).
    async fn prioritize(
        &self,
        execution: ExecutionId,
        priority: u8,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Every queue that a job was ever put in or that was ever set, by name.
    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError>;

    /// Sets a queue, which need not be there yet.
    async fn set_queue(&self, name: &str, change: QueueChange) -> Result<(), StoreError>;

    /// Prunes records that are older than `retention`: at most `limit` executions, and as many marks, ledger entries
    /// and requests. Executions with undelivered notifications stay. Plans without executions are deleted, too.
    async fn prune(&self, retention: Retention, limit: u32, now: Timestamp) -> Result<Pruned, StoreError>;

    /// Adds a worker's message to the log; ignored if the attempt has lost its lease.
    async fn note(&self, job: JobId, attempt: u32, event: LogEvent, now: Timestamp) -> Result<(), StoreError>;

    /// An execution, whole.
    async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, StoreError>;

    /// A page of executions, newest first.
    async fn executions(&self, filter: ExecutionFilter) -> Result<Vec<ExecutionSummary>, StoreError>;

    /// Log entries with a sequence above `after`, in order.
    async fn log(&self, id: ExecutionId, after: u64, limit: u32) -> Result<Vec<LogEntry>, StoreError>;

    /// A page of ledger entries, newest first.
    async fn events(&self, filter: EventFilter) -> Result<Vec<EventRecord>, StoreError>;

    /// Notifications whose time has come: the oldest undelivered one of each (execution, target), and no more of a
    /// receiver than `filter` has room for. In a shared store no other daemon gets them for [`DELIVERY_LEASE`].
    async fn due_notifications(&self, filter: DueFilter, now: Timestamp) -> Result<Vec<Notification>, StoreError>;

    /// A notification was received.
    async fn delivered(&self, id: i64, now: Timestamp) -> Result<(), StoreError>;

    /// A notification was not received: try again after `retry`, or set it aside where that is absent.
    async fn undelivered(
        &self,
        id: i64,
        error: &str,
        retry: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Notifications, newest first.
    async fn notifications(&self, filter: NotificationFilter) -> Result<Vec<NotificationRecord>, StoreError>;

    /// Queues a notification again that was delivered or dead-lettered, with all its attempts. Nothing happens
    /// to one that is pending.
    async fn resend(&self, id: i64, now: Timestamp) -> Result<(), StoreError>;

    /// Stores a request; if there is one under its key, returns that one instead. Crash before: it is not stored. Crash
    /// after: a repeated request gets the stored one.
    async fn remember(&self, request: &Request, now: Timestamp) -> Result<Option<Request>, StoreError>;

    /// Counts notifications that are not delivered yet, without dead-lettered ones.
    async fn notifications_waiting(&self) -> Result<u64, StoreError>;

    /// Returns whether nothing waits, runs or retries, and the outbox is empty.
    async fn is_idle(&self) -> Result<bool, StoreError>;

    /// Hints from now on.
    fn hints(&self) -> tokio::sync::broadcast::Receiver<Hint>;
}
