//! The log of an execution: what happened, in order, for people to read and for [`super::replay`] to fold.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::SkipReason;
use crate::model::{Code, ExecutionState, Failure, OutputObject, Timestamp};

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Position in the log of its execution, from 1.
    pub seq: u64,
    /// Time when it happened.
    pub at: Timestamp,
    /// The activity it is about; absent for the execution itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// The attempt it is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The event.
    pub event: LogEvent,
}

/// Event of an execution. All but the marks change the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogEvent {
    /// The execution began.
    Started {
        /// Cause of the start.
        cause: String,
    },
    /// The activities that did not succeed run again.
    Restarted {
        /// The activities that run again.
        activities: Vec<String>,
        /// Name of the user or token that requested it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
        /// Parameters that were changed for it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        params: BTreeMap<String, Value>,
    },
    /// A user requested to cancel it.
    CancelRequested {
        /// Reason.
        reason: String,
        /// Name of the user or token that asks.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// The execution ran longer than it may: it stops and fails.
    Expired {
        /// Time limit in seconds.
        limit_s: u64,
    },
    /// The execution ended.
    Ended {
        /// The state.
        state: ExecutionState,
    },
    /// The activity was queued.
    Queued,
    /// A worker took it.
    Claimed {
        /// Name of the daemon that claimed it.
        worker: String,
    },
    /// A stop was requested.
    Stopping,
    /// The attempt failed, and another follows.
    AttemptFailed {
        /// Reason.
        failure: Failure,
        /// Time when it is queued again.
        retry_at: Timestamp,
        /// True if it waits for storage, network or database that is unavailable, which uses up no attempt.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        outage: bool,
    },
    /// The attempt was lost with its worker; the activity was requeued.
    AttemptLost {
        /// Known details.
        reason: String,
    },
    /// Its daemon shut down and handed it back; the activity was requeued.
    HandedBack {
        /// Reason.
        reason: String,
    },
    /// The activity succeeded.
    Succeeded {
        /// Its result.
        result: Arc<Value>,
        /// Published objects.
        outputs: Arc<[OutputObject]>,
    },
    /// The activity failed.
    Failed {
        /// Reason.
        failure: Failure,
    },
    /// The activity was skipped.
    Skipped {
        /// Reason.
        reason: SkipReason,
    },
    /// The activity was stopped on request.
    Cancelled,
    /// Mark: how far the attempt is.
    Progress {
        /// Share done, 0–1, where it is known.
        fraction: Option<f64>,
        /// Media seconds made per second.
        speed: Option<f64>,
        /// Media time reached, in milliseconds.
        position_ms: Option<u64>,
    },
    /// Mark: its place in the queue changed.
    Priority {
        /// 1–10, 10 first.
        priority: u8,
        /// Name of the user or token that requested it.
        by: String,
    },
    /// A warning for the user; the attempt continues.
    Warning {
        /// Stable code.
        code: Code,
        /// One sentence.
        message: String,
    },
    /// Mark: anything else worth a line.
    Note {
        /// One sentence.
        message: String,
    },
}

impl LogEvent {
    /// Returns whether it does not change the state.
    #[must_use]
    pub const fn is_mark(&self) -> bool {
        matches!(self, Self::Progress { .. } | Self::Priority { .. } | Self::Warning { .. } | Self::Note { .. })
    }
}

impl fmt::Display for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { cause } => write!(f, "started by {cause}"),
            Self::Restarted { activities, by, params } => {
                write!(f, "started again from {}", activities.join(", "))?;
                for (name, value) in params {
                    write!(f, ", {name} = {value}")?;
                }
                said_by(f, by)
            }
            Self::CancelRequested { reason, by } => {
                write!(f, "stop requested: {reason}")?;
                said_by(f, by)
            }
            Self::Expired { limit_s } => write!(f, "exceeded its timeout of {limit_s} s"),
            Self::Ended { state } => write!(f, "{state}"),
            Self::Queued => f.write_str("queued"),
            Self::Claimed { worker } => write!(f, "running on {worker}"),
            Self::Stopping => f.write_str("stopping"),
            Self::AttemptFailed { failure, retry_at, outage: false } => {
                write!(f, "failed: {failure}; next attempt at {retry_at}")
            }
            Self::AttemptFailed { failure, retry_at, outage: true } => {
                write!(f, "waits for infrastructure: {failure}; next attempt at {retry_at}")
            }
            Self::AttemptLost { reason } => write!(f, "lost: {reason}; queued again"),
            Self::HandedBack { reason } => write!(f, "handed back: {reason}; queued again"),
            Self::Priority { priority, by } => {
                write!(f, "priority {priority}")?;
                said_by(f, by)
            }
            Self::Succeeded { outputs, .. } => match outputs.len() {
                0 => f.write_str("succeeded"),
                1 => write!(f, "succeeded: {}", outputs[0].location),
                n => write!(f, "succeeded: {n} objects"),
            },
            Self::Failed { failure } => write!(f, "failed: {failure}"),
            Self::Skipped { reason } => write!(f, "skipped: {reason}"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Progress { fraction, speed, position_ms } => progress(f, *fraction, *speed, *position_ms),
            Self::Warning { code, message } => write!(f, "warning {code}: {message}"),
            Self::Note { message } => f.write_str(message),
        }
    }
}

fn said_by(f: &mut fmt::Formatter<'_>, by: &str) -> fmt::Result {
    if by.is_empty() { Ok(()) } else { write!(f, " (by {by})") }
}

fn progress(
    f: &mut fmt::Formatter<'_>,
    fraction: Option<f64>,
    speed: Option<f64>,
    position_ms: Option<u64>,
) -> fmt::Result {
    f.write_str("working")?;
    if let Some(fraction) = fraction {
        write!(f, ", {:.0} %", fraction * 100.0)?;
    }
    if let Some(ms) = position_ms {
        write!(f, ", at {}.{:03} s", ms / 1_000, ms % 1_000)?;
    }
    if let Some(speed) = speed {
        write!(f, ", {speed:.2}x")?;
    }
    Ok(())
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedFailed { activity } => write!(f, "{activity} failed"),
            Self::NoInput => f.write_str("none of its inputs exists"),
            Self::When => f.write_str("its condition is false"),
        }
    }
}

/// `2026-11-22T09:00:00.000000Z rungs.h264-720p #2: queued`.
impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        match &self.activity {
            Some(activity) => write!(f, " {activity}")?,
            None => f.write_str(" execution")?,
        }
        if let Some(attempt) = self.attempt {
            write!(f, " #{attempt}")?;
        }
        write!(f, ": {}", self.event)
    }
}
