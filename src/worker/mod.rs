//! Both ends of the job protocol: the supervisor (daemon side) and the child (worker side).
//!
//! One job, one process. **Invariant**: the child gets descriptors, a scratch folder and a job, never a path, a URL or
//! a credential of the user's; whatever happens to it is one failed attempt.

pub mod child;
pub mod protocol;
pub mod ranges;
