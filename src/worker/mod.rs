//! Both ends of the job protocol: the supervisor (daemon side) and the child (worker side).
//!
//! One job, one process, started ahead of need ([`pool`]), killed as a process group on cancel, timeout or stall.
//!
//! **Invariant**: the child gets descriptors, a scratch folder and a job, never a path, a URL or a credential of the
//! user's, and no environment; whatever happens to it is one failed attempt.
//!
//! Deliberately absent: what the work is (`model::work`), what its result means (`engine`), and publishing (`daemon`).

pub mod admission;
pub mod cache;
pub mod child;
mod error;
pub mod input;
pub mod pool;
mod process;
pub mod protocol;
pub mod ranges;
pub mod scratch;
pub mod supervisor;

pub use error::WorkerError;
