//! Errors of a worker process, as opposed to failures of its work.

use std::path::PathBuf;

use crate::model::failure::{KILLED_WORKER, STALLED};
use crate::model::{Blame, Class, Code, Coded, Failure};

/// Error of a worker that gave no report.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The program cannot be started.
    #[error("cannot start the worker {program}")]
    Start {
        /// The worker program.
        program: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The program runs, but is not a worker of this version.
    #[error("{program} is not a worker of this version: {reason}")]
    Handshake {
        /// The worker program.
        program: PathBuf,
        /// Reason.
        reason: String,
    },
    /// The worker ended, or sent nothing, before its first message: killed from outside, or out of memory.
    #[error("the worker {program} was not ready: {reason}")]
    Stillborn {
        /// The worker program.
        program: PathBuf,
        /// Known details.
        reason: String,
    },
    /// The job could not be sent to the worker.
    #[error("cannot send the job to its worker")]
    Handover(#[source] std::io::Error),
    /// The worker ended without a report.
    #[error("the worker ended without a report ({status})")]
    Crashed {
        /// Exit code or signal.
        status: String,
    },
    /// The job exceeded its timeout.
    #[error("the job took longer than its timeout of {limit_s} s")]
    TimedOut {
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The job made no progress.
    #[error("the job made no progress for {limit_s} s")]
    Stalled {
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The job was stopped.
    #[error("the job was stopped on request")]
    Stopped,
    /// The worker sent an invalid message.
    #[error("the worker sent an invalid message: {0}")]
    Protocol(String),
    /// The scratch folder, or files in it, were removed.
    #[error("{path} was removed from the scratch folder while the job ran; only Reelmill may use that folder")]
    ScratchGone {
        /// Path that was removed.
        path: PathBuf,
    },
    /// The scratch folder cannot be created.
    #[error("cannot create the scratch folder {path}")]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

impl Coded for WorkerError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Start { .. } => "WORKER0001",
            Self::Handshake { .. } => "WORKER0002",
            Self::Handover(_) => "WORKER0003",
            Self::Crashed { .. } => return KILLED_WORKER,
            Self::TimedOut { .. } => "WORKER0005",
            Self::Stalled { .. } => return STALLED,
            Self::Stopped => "WORKER0007",
            Self::Protocol(_) => "WORKER0008",
            Self::Scratch { .. } => "WORKER0009",
            Self::Stillborn { .. } => "WORKER0014",
            Self::ScratchGone { .. } => "WORKER0015",
        })
    }
}

impl From<&WorkerError> for Failure {
    fn from(error: &WorkerError) -> Self {
        let (class, blame) = match error {
            WorkerError::Start { .. }
            | WorkerError::Stillborn { .. }
            | WorkerError::Handover(_)
            | WorkerError::Scratch { .. }
            | WorkerError::ScratchGone { .. }
            | WorkerError::Stalled { .. } => (Class::Retry, Blame::Infrastructure),
            WorkerError::Handshake { .. } => (Class::Fatal, Blame::Infrastructure),
            WorkerError::Crashed { .. } | WorkerError::Protocol(_) => (Class::Retry, Blame::Bug),
            WorkerError::TimedOut { .. } => (Class::Fatal, Blame::Definition),
            WorkerError::Stopped => (Class::Cancelled, Blame::Infrastructure),
        };
        Self::of(error, class, blame)
    }
}
