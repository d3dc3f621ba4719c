//! Commands to the writer, and their answers.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::{Input, Signal};
use crate::model::{ExecutionId, JobId, ObjectEvent, ObjectLocation, Timestamp};
use crate::store::{Claim, Claimant, EventIdentity, EventOutcome, MatchDecision, NewExecution, StoreError};

/// Channel to a caller that waits, and the answer once it is known.
#[derive(Debug)]
pub(super) struct Reply<T> {
    operation: &'static str,
    sender: oneshot::Sender<Result<T, StoreError>>,
    pub(super) result: Option<Result<T, StoreError>>,
}

impl<T> Reply<T> {
    /// For `operation`, as errors name it.
    pub(super) fn new(operation: &'static str, sender: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { operation, sender, result: None }
    }

    /// Keeps the answer until the commit.
    pub(super) fn stage(&mut self, result: Result<T, StoreError>) {
        self.result = Some(result);
    }

    /// Answers; `lost` says why there was no commit.
    fn answer(self, lost: Option<&Lost>) {
        let result = match (self.result, lost) {
            (Some(result), None) => result,
            (_, Some(Lost::Bug(why))) => Err(StoreError::Bug(why.clone())),
            (_, lost) => {
                let why = match lost {
                    Some(Lost::Database(why)) => why.clone(),
                    _ => "the operation did not run".to_owned(),
                };
                Err(StoreError::Database { operation: self.operation, source: why.into() })
            }
        };
        // An error only means that the caller was dropped while it waited.
        let _ = self.sender.send(result);
    }
}

/// Reason for which a transaction was not committed.
#[derive(Debug)]
pub(super) enum Lost {
    /// The database failed.
    Database(String),
    /// A bug.
    Bug(String),
}

/// Execution that a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// By one of its jobs.
    Job(JobId),
    /// By itself.
    Execution(ExecutionId),
}

/// Input for the execution.
#[derive(Clone, Debug)]
pub(super) enum Advance {
    /// Something happened to the job.
    Signal(Signal),
    /// A user's request.
    Order(Input),
    /// An attempt is about to publish.
    Publish {
        /// The attempt.
        attempt: u32,
        /// Objects to publish.
        outputs: Vec<ObjectLocation>,
    },
}

/// Command to the writer. `now` is the caller's time.
pub(super) enum Command {
    /// See [`crate::store::Store::record_event`].
    Event {
        /// Identity of the upload.
        identity: EventIdentity,
        /// The event.
        event: Box<ObjectEvent>,
        /// Decisions of the workflows.
        decisions: Vec<MatchDecision>,
        /// Executions to start.
        starts: Vec<NewExecution>,
        /// Time.
        now: Timestamp,
        /// Answer to the caller.
        reply: Reply<EventOutcome>,
    },
    /// See [`crate::store::Store::start`].
    Start {
        /// The execution.
        execution: Box<NewExecution>,
        /// Time.
        now: Timestamp,
        /// Answer to the caller.
        reply: Reply<()>,
    },
    /// See [`crate::store::Store::claim`].
    Claim {
        /// Daemon that claims jobs.
        claimant: Claimant,
        /// Lease duration.
        lease: Duration,
        /// Time.
        now: Timestamp,
        /// Answer to the caller.
        reply: Reply<Option<Claim>>,
    },
    /// See [`crate::store::Store::claim_beside`].
    ClaimBeside {
        /// The job beside which others are claimed.
        job: JobId,
        /// Node indices of activities.
        activities: Vec<usize>,
        /// Most jobs.
        limit: usize,
        /// Name of the daemon.
        worker: String,
        /// Lease duration.
        lease: Duration,
        /// Time.
        now: Timestamp,
        /// Answer to the caller.
        reply: Reply<Vec<Claim>>,
    },
    /// Everything that steps one execution.
    Advance {
        /// The execution.
        target: Target,
        /// The input.
        advance: Advance,
        /// Time.
        now: Timestamp,
        /// Answer to the caller.
        reply: Reply<()>,
    },
    /// See [`crate::store::Store::reap`].
    Reap {
        /// Time.
        now: Timestamp,
        /// Answer to the caller.
        reply: Reply<(u32, Option<Duration>)>,
    },
    /// See [`crate::store::Store::delivered`].
    Delivered {
        /// The notification.
        id: i64,
        /// Answer to the caller.
        reply: Reply<()>,
    },
}

impl Command {
    /// Forgets the answer of an attempt that was rolled back.
    pub(super) fn forget(&mut self) {
        match self {
            Self::Event { reply, .. } => reply.result = None,
            Self::Start { reply, .. } | Self::Advance { reply, .. } | Self::Delivered { reply, .. } => {
                reply.result = None;
            }
            Self::Claim { reply, .. } => reply.result = None,
            Self::ClaimBeside { reply, .. } => reply.result = None,
            Self::Reap { reply, .. } => reply.result = None,
        }
    }

    /// Answers after the commit; `lost` says why there was none.
    pub(super) fn answer(self, lost: Option<&Lost>) {
        match self {
            Self::Event { reply, .. } => reply.answer(lost),
            Self::Start { reply, .. } | Self::Advance { reply, .. } | Self::Delivered { reply, .. } => {
                reply.answer(lost);
            }
            Self::Claim { reply, .. } => reply.answer(lost),
            Self::ClaimBeside { reply, .. } => reply.answer(lost),
            Self::Reap { reply, .. } => reply.answer(lost),
        }
    }
}
