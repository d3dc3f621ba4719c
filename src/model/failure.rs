//! Failure as data: what went wrong, whether trying again can help, and who can correct it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::code::{Code, Coded};

/// Class of a failure: tells whether another attempt can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Another attempt may succeed.
    Retry,
    /// Every attempt would fail the same way.
    Fatal,
    /// A stop was requested.
    Cancelled,
}

/// Party that can correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The uploaded object.
    Input,
    /// The workflow or template.
    Definition,
    /// Storage, network, machine.
    Infrastructure,
    /// Reelmill itself.
    Bug,
}

impl Blame {
    /// Returns the cause, as the end of a sentence.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Input => "the uploaded file",
            Self::Definition => "the workflow, a template, or a file that they name",
            Self::Infrastructure => "storage, network or machine",
            Self::Bug => "an error in Reelmill itself",
        }
    }
}

/// Failure of an attempt; stored with it, shown to people, sent in notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Failure {
    /// Stable code with an entry in `docs/errors.md`, such as `MEDIA0001`.
    #[schemars(with = "String")]
    #[schema(value_type = String)]
    pub code: Code,
    /// Class: tells whether another attempt can help.
    pub class: Class,
    /// Party that can correct it.
    pub blame: Blame,
    /// One sentence for people, with a hint where there is one.
    pub message: String,
    /// Causes, outermost first; the worker's last lines of stderr come last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

/// Code of a job that made no progress.
pub const STALLED: Code = Code::new("WORKER0006");

/// Code of bytes that did not arrive as they were sent.
pub const DAMAGED: Code = Code::new("OBJ0025");

/// Code of a worker that died by itself while it worked.
pub const KILLED_WORKER: Code = Code::new("WORKER0004");

impl Failure {
    /// Returns whether the work killed its worker.
    #[must_use]
    pub fn killed_worker(&self) -> bool {
        self.code == KILLED_WORKER
    }

    /// Returns whether storage, network, database or disk was unavailable. Waiting helps, and says nothing
    /// about the work. A stall may be the work's own, and a storage that never agrees on checksums does not come back.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.class == Class::Retry && self.blame == Blame::Infrastructure && ![STALLED, DAMAGED].contains(&self.code)
    }

    /// Makes a failure without a chain.
    pub fn new(code: impl Into<Code>, class: Class, blame: Blame, message: impl Into<String>) -> Self {
        Self { code: code.into(), class, blame, message: message.into(), chain: Vec::new() }
    }

    /// Makes a fatal failure of the uploaded object.
    pub fn input(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self::new(code, Class::Fatal, Blame::Input, message)
    }

    /// Makes a fatal failure of the workflow or template.
    pub fn definition(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self::new(code, Class::Fatal, Blame::Definition, message)
    }

    /// Makes a failure of infrastructure, which may pass.
    pub fn infrastructure(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self::new(code, Class::Retry, Blame::Infrastructure, message)
    }

    /// Makes a failure that only a change of Reelmill's code corrects.
    pub fn bug(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self::new(code, Class::Fatal, Blame::Bug, message)
    }

    /// Makes the failure of `error`, whose sources are its chain.
    pub fn of(error: &(impl Coded + 'static), class: Class, blame: Blame) -> Self {
        let failure = Self::new(error.code(), class, blame, error.to_string());
        match error.source() {
            Some(source) => failure.caused_by(source),
            None => failure,
        }
    }

    /// Adds `error`, with its code, and its sources to the chain.
    #[must_use]
    pub fn caused_by_coded(mut self, error: &(impl Coded + 'static)) -> Self {
        self.chain.push(error.with_code());
        match error.source() {
            Some(source) => self.caused_by(source),
            None => self,
        }
    }

    /// Adds `error` and its sources to the chain.
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(e) = next {
            self.chain.push(e.to_string());
            next = e.source();
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
