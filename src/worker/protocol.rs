//! Messages between supervisor and worker.
//!
//! The worker's standard input is one end of a Unix stream socket pair. On it comes one line of JSON, a [`Job`], with
//! one descriptor per input attached to its first byte (`SCM_RIGHTS`): a read-only file, or a socket that speaks
//! [`super::ranges`]. End of input before a job means: not needed, exit 0. After the job come [`Order`]s, one a line. The
//! worker answers in NDJSON on standard output, each line a [`Message`] about one task; [`Message::Hello`] comes before
//! the job is read, so that a warm worker is known to be whole. Standard error is free text (libav's log), of which the
//! supervisor keeps the end.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::work::{Report, Work};
use crate::model::{Capabilities, Code, Failure};

/// Version of this protocol; both ends must have the same.
pub const VERSION: u32 = 3;

/// Longest line in either direction, in bytes.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Work of one worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// [`VERSION`] of the supervisor.
    pub protocol: u32,
    /// Inputs of all tasks; descriptors come in the same order.
    pub inputs: Vec<Input>,
    /// Threads for codecs; 0: as many as there are processors.
    pub threads: u32,
    /// One task, or several pipelines with the same first input, which is then decoded once.
    pub tasks: Vec<Task>,
}

/// One task of a job: each ends on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Empty folder for everything that is written for it.
    pub scratch: PathBuf,
    /// Its inputs, as indices into those of the job, in the order in which the work refers to them.
    pub inputs: Vec<usize>,
    /// Work.
    pub work: Work,
}

/// A line of the supervisor's after the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The task of this index is no longer wanted; the others go on.
    Stop(usize),
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Kind of its descriptor.
    pub source: Source,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Extension of the object's name, without dot: a hint for probing, never trusted.
    pub ext: String,
}

/// Kinds of descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A file open for reading.
    File,
    /// A socket with the protocol of [`super::ranges`].
    Ranges,
}

/// A line of the worker's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Index of the task that it is about; absent: of every task that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<usize>,
    /// The message.
    #[serde(flatten)]
    pub message: Message,
}

/// A message of the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Ready for a job.
    Hello {
        /// [`VERSION`] of the worker.
        protocol: u32,
        /// Capabilities.
        capabilities: Capabilities,
    },
    /// Progress; sent at least every second while media flows.
    Progress {
        /// Share done, 0–1, where it is known.
        fraction: Option<f64>,
        /// Media seconds made per second.
        speed: Option<f64>,
        /// Media time reached, in milliseconds.
        position_ms: Option<u64>,
    },
    /// A warning for the execution's log; the task continues.
    Warning {
        /// Stable code.
        code: Code,
        /// One sentence.
        message: String,
    },
    /// The end of the task, with its report. Single outputs may have failed.
    Done {
        /// Report of the task.
        report: Report,
    },
    /// The end of the task: it failed, and there are no outputs.
    Failed {
        /// Reason.
        failure: Failure,
    },
}
