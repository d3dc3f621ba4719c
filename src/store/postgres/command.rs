//! What the writer is asked to do, and how it answers.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::{Input, Signal};
use crate::model::{ExecutionId, JobId, ObjectEvent, ObjectLocation, Timestamp};
use crate::store::{Claim, Claimant, EventIdentity, EventOutcome, MatchDecision, NewExecution, StoreError};

/// Somebody who waits for an answer, and the answer once it is known.
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
    fn answer(self, lost: Option<&str>) {
        let result = match (self.result, lost) {
            (Some(result), None) => result,
            (_, lost) => {
                let why = lost.unwrap_or("the operation did not run").to_owned();
                Err(StoreError::Database { operation: self.operation, source: why.into() })
            }
        };
        // An error means that nobody listens any more: the caller was dropped while it waited.
        let _ = self.sender.send(result);
    }
}

/// Which execution a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// By one of its jobs.
    Job(JobId),
    /// By itself.
    Execution(ExecutionId),
}

/// What shall happen to it.
#[derive(Clone, Debug)]
pub(super) enum Advance {
    /// Something happened to the job.
    Signal(Signal),
    /// Somebody asks for something.
    Order(Input),
    /// An attempt is about to publish.
    Publish {
        /// The attempt.
        attempt: u32,
        /// What it publishes.
        outputs: Vec<ObjectLocation>,
    },
}

/// What the writer is asked to do. `now` is the caller's time.
pub(super) enum Command {
    /// See [`crate::store::Store::record_event`].
    Event {
        /// Which upload it is.
        identity: EventIdentity,
        /// The event.
        event: Box<ObjectEvent>,
        /// What workflows made of it.
        decisions: Vec<MatchDecision>,
        /// What it starts.
        starts: Vec<NewExecution>,
        /// When.
        now: Timestamp,
        /// Who asks.
        reply: Reply<EventOutcome>,
    },
    /// See [`crate::store::Store::start`].
    Start {
        /// The execution.
        execution: Box<NewExecution>,
        /// When.
        now: Timestamp,
        /// Who asks.
        reply: Reply<()>,
    },
    /// See [`crate::store::Store::claim`].
    Claim {
        /// Who claims.
        claimant: Claimant,
        /// For how long.
        lease: Duration,
        /// When.
        now: Timestamp,
        /// Who asks.
        reply: Reply<Option<Claim>>,
    },
    /// Everything that steps one execution.
    Advance {
        /// Which.
        target: Target,
        /// How.
        advance: Advance,
        /// When.
        now: Timestamp,
        /// Who asks.
        reply: Reply<()>,
    },
    /// See [`crate::store::Store::reap`].
    Reap {
        /// When.
        now: Timestamp,
        /// Who asks.
        reply: Reply<(u32, Option<Duration>)>,
    },
    /// See [`crate::store::Store::delivered`].
    Delivered {
        /// The notification.
        id: i64,
        /// Who asks.
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
            Self::Reap { reply, .. } => reply.result = None,
        }
    }

    /// Answers after the commit; `lost` says why there was none.
    pub(super) fn answer(self, lost: Option<&str>) {
        match self {
            Self::Event { reply, .. } => reply.answer(lost),
            Self::Start { reply, .. } | Self::Advance { reply, .. } | Self::Delivered { reply, .. } => {
                reply.answer(lost);
            }
            Self::Claim { reply, .. } => reply.answer(lost),
            Self::Reap { reply, .. } => reply.answer(lost),
        }
    }
}
