//! The engine: what happens next in an execution.
//!
//! [`step()`] takes the plan, the state and one input and answers with the new state, log entries and effects; a store
//! keeps all three in one transaction. **Invariant**: no I/O, no clock, no randomness; folding the log of an execution
//! ([`replay`]) gives its state; each activity ends once; nothing starts before what it needs has ended.
//!
//! Deliberately absent: expressions (an [`Evaluate`] is passed in), queues and leases (`store`), the work (`worker`).

mod fold;
mod log;
mod ready;
mod retry;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use fold::{Replay, ReplayError, replay};
pub use log::{LogEntry, LogEvent};
pub use retry::{GAVE_UP, MAX_CRASHES, MAX_LOSSES, POISONOUS};
pub use state::{ActivityState, Execution, Outage, SkipReason, Tally};
pub use step::{Context, Effect, Evaluate, Facts, Input, Outcome, Signal, Step, StepError, step};
