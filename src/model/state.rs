//! The names of the states. What may follow what is `engine`'s.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? } ended: $($ended:ident)|+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every state, in the order of a life.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in stores, logs and interfaces.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The state of that name.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            /// Returns whether the state is final, unless somebody retries.
            #[must_use]
            pub const fn is_ended(self) -> bool {
                matches!(self, $(Self::$ended)|+)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

states! {
    /// The state of one activity's job.
    JobState {
        /// An activity that it depends on has not ended.
        Waiting = "waiting",
        /// In its queue.
        Queued = "queued",
        /// An attempt holds its lease.
        Running = "running",
        /// An attempt failed; the next one waits for its time.
        Retrying = "retrying",
        /// Done, outputs published.
        Succeeded = "succeeded",
        /// Out of attempts, or a failure that no attempt mends.
        Failed = "failed",
        /// Not needed, or something it needs failed.
        Skipped = "skipped",
        /// Stopped on request.
        Cancelled = "cancelled",
    }
    ended: Succeeded | Failed | Skipped | Cancelled
}

states! {
    /// The state of one execution.
    ExecutionState {
        /// Created; nothing stepped yet.
        Pending = "pending",
        /// Some activity has not ended.
        Running = "running",
        /// Every activity ended and none failed without `on_failure: continue`.
        Succeeded = "succeeded",
        /// Every activity ended and one failed.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
    }
    ended: Succeeded | Failed | Cancelled
}

states! {
    /// The state of an execution as lists and answers give it: while it has not ended, whether it runs or waits.
    ExecutionStatus {
        /// Created; nothing stepped yet.
        Pending = "pending",
        /// None of its activities runs: what can run next waits in its queue.
        Queued = "queued",
        /// An activity of it runs, or waits for its next attempt.
        Running = "running",
        /// Every activity ended and none failed without `on_failure: continue`.
        Succeeded = "succeeded",
        /// Every activity ended and one failed.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
    }
    ended: Succeeded | Failed | Cancelled
}

impl ExecutionStatus {
    /// The status of an execution in `state`; `active` says whether an activity of it runs or waits for its next attempt.
    #[must_use]
    pub const fn of(state: ExecutionState, active: bool) -> Self {
        match state {
            ExecutionState::Pending => Self::Pending,
            ExecutionState::Running if active => Self::Running,
            ExecutionState::Running => Self::Queued,
            ExecutionState::Succeeded => Self::Succeeded,
            ExecutionState::Failed => Self::Failed,
            ExecutionState::Cancelled => Self::Cancelled,
        }
    }

    /// The state that is stored.
    #[must_use]
    pub const fn stored(self) -> ExecutionState {
        match self {
            Self::Pending => ExecutionState::Pending,
            Self::Queued | Self::Running => ExecutionState::Running,
            Self::Succeeded => ExecutionState::Succeeded,
            Self::Failed => ExecutionState::Failed,
            Self::Cancelled => ExecutionState::Cancelled,
        }
    }
}
