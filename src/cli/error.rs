//! Errors of the command line, and its exit codes.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::daemon::serve::ServeError;
use crate::model::{Blame, Code, Coded, Failure};
use crate::objects::ObjectError;
use crate::store::StoreError;
use crate::worker::WorkerError;
use crate::yaml::Diagnostic;

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The work failed.
    Failed = 1,
    /// Invalid usage or definition.
    Usage = 2,
    /// Daemon or storage unavailable.
    Storage = 3,
    /// Not found.
    NotFound = 4,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Error of a command.
#[derive(Debug)]
pub struct CliError {
    /// Exit code.
    pub exit: Exit,
    /// Stable code.
    pub code: Code,
    /// Message in one sentence.
    pub message: String,
    /// Causes, outermost first.
    pub chain: Vec<String>,
    /// Mistakes of a file, and its text, which are drawn for people instead of the chain.
    pub drawing: Option<(Vec<Diagnostic>, String)>,
}

impl CliError {
    /// Makes an error without causes.
    pub fn new(exit: Exit, code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self { exit, code: code.into(), message: message.into(), chain: Vec::new(), drawing: None }
    }

    /// Makes an error of invalid usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "CLI0002", message)
    }

    /// Makes the error that the daemon ended while it was followed.
    #[must_use]
    pub fn daemon_ended() -> Self {
        Self::new(
            Exit::Storage,
            "CLI0008",
            "the daemon ended while it was followed; nothing is lost: executions continue when it starts again",
        )
    }

    /// Makes the error that a file cannot be read.
    #[must_use]
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Storage };
        Self::new(exit, "CLI0005", format!("cannot read {}: {error}", path.display()))
    }

    /// Makes an error from one that has a code.
    fn coded(exit: Exit, error: &impl Coded) -> Self {
        let mut this = Self::new(exit, error.code(), error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            this.chain.push(cause.to_string());
            source = cause.source();
        }
        this
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        let exit = match failure.blame {
            Blame::Definition => Exit::Usage,
            Blame::Infrastructure => Exit::Storage,
            Blame::Input | Blame::Bug => Exit::Failed,
        };
        Self { chain: failure.chain, ..Self::new(exit, failure.code, failure.message) }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let mut this = Self::coded(Exit::Usage, &error);
        if let ConfigError::Mistakes { text, mistakes, .. } = error {
            this.chain = mistakes.iter().map(Diagnostic::sentence).collect();
            this.drawing = Some((mistakes, text));
        }
        this
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::NotFound { .. } => Exit::NotFound,
            StoreError::Illegal(_) => Exit::Failed,
            _ => Exit::Storage,
        };
        Self::coded(exit, &error)
    }
}

impl From<WorkerError> for CliError {
    fn from(error: WorkerError) -> Self {
        Self { exit: Exit::Storage, ..Failure::from(&error).into() }
    }
}

impl From<ObjectError> for CliError {
    fn from(error: ObjectError) -> Self {
        let missing = error.is_not_found();
        let this = Self::from(Failure::from(error));
        let exit = match this.exit {
            _ if missing => Exit::NotFound,
            Exit::Usage => Exit::Usage,
            _ => Exit::Storage,
        };
        Self { exit, ..this }
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Config(error) => error.into(),
            ServeError::Store(error) => error.into(),
            ServeError::Objects(error) => error.into(),
            ServeError::Worker(error) => error.into(),
            ServeError::Listen { what, ref source, .. } => {
                let mut this = Self::coded(Exit::Storage, &error);
                if source.kind() == std::io::ErrorKind::AddrInUse {
                    let option = if what == "API" { "--api" } else { "--s3-endpoint" };
                    this.message = format!("{}; `{option} 127.0.0.1:0` takes a free port", this.message);
                }
                this
            }
            ServeError::Locked(_) | ServeError::Workflows { .. } | ServeError::Ended { .. } => {
                Self::coded(Exit::Storage, &error)
            }
        }
    }
}
