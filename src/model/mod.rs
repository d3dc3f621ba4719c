//! The words every other module speaks: ids, time, objects, states, failures, plans, media facts and media work.
//!
//! Plain types that can be stored, sent and compared. **Invariant**: no I/O, no async, no clock and no global
//! randomness; where a value needs one it is an argument ([`Clock`], [`Ids`]).
//!
//! Deliberately absent: behaviour. What a state may become is `engine`'s; how a template turns into
//! [`work`] is `template`'s; how work is done is the worker's.

pub mod capabilities;
pub mod code;
pub mod codec;
pub mod failure;
pub mod id;
pub mod media;
pub mod object;
pub mod plan;
pub mod state;
pub mod time;
pub mod units;
pub mod work;

pub use capabilities::Capabilities;
pub use code::{Code, Coded};
pub use failure::{Blame, Class, Failure};
pub use id::{ExecutionId, Ids, JobId, RandomIds, SequentialIds};
pub use object::{InputObject, ObjectEvent, ObjectLocation, OutputObject};
pub use state::{ExecutionState, ExecutionStatus, JobState};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
