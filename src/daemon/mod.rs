//! The daemon: everything below put together and kept going.
//!
//! [`Host`] is what all its loops share. [`scheduler`] claims jobs and sees each through ([`job`], or several
//! as a [`group`]) over its [`inputs`]; [`reaper`] takes
//! back leases and wakes retries; [`retention`] takes away what is old; [`trace`] says what took how long; [`catalog`]
//! keeps the workflows, read by [`source`], judged by [`last_good`], held
//! against [`settings`] and changed by [`definitions`]; [`serve`] adds what
//! a long-running daemon has besides: events, the S3 endpoint, notifications.
//!
//! **Invariant**: whatever is in memory can be lost; what matters is in the store before it is reported.
//!
//! Deliberately absent: coordination between daemons. The store's leases are all there is.

pub mod catalog;
pub mod definitions;
mod group;
mod hold;
mod inputs;
mod job;
mod key;
mod last_good;
pub mod live;
mod publish;
pub mod reaper;
mod replacing;
mod retention;
pub mod scheduler;
pub mod serve;
pub mod settings;
pub mod source;
mod trace;

use std::sync::Arc;
use std::time::Duration;

pub use inputs::{InputCache, open_object};

use crate::model::Clock;
use crate::objects::SharedObjects;
use crate::store::{Claimant, SharedStore};
use crate::worker::admission::Admission;
use crate::worker::pool::Pool;
use crate::worker::scratch::ScratchRoot;

/// Context that the loops of a daemon share.
#[derive(Clone)]
pub struct Host {
    /// Queues that it claims from, and its name in leases and logs.
    pub claimant: Claimant,
    /// Store.
    pub store: SharedStore,
    /// Object storage.
    pub objects: SharedObjects,
    /// Blocks of objects that jobs read last.
    pub inputs: InputCache,
    /// Pool of workers.
    pub pool: Pool,
    /// Admission of further jobs.
    pub admission: Admission,
    /// Scratch folder of files until they are published.
    pub scratch: ScratchRoot,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Live view of the daemon.
    pub live: live::Live,
    /// Jobs at once.
    pub slots: usize,
    /// Most jobs that one worker does together; 1: each runs alone.
    pub fusion: usize,
    /// Threads for codecs of one job; 0: as many as there are processors.
    pub threads: u32,
    /// Time for which a claim holds without a heartbeat.
    pub lease: Duration,
    /// A job without progress for so long is stopped.
    pub stall: Duration,
    /// Longest wait of a job for storage, network or database that is unavailable.
    pub patience: Duration,
    /// Time between the request to a job to stop and the kill of its worker.
    pub grace: Duration,
}
