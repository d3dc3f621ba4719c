//! Reelmill: upload a file to a bucket, and finished media come out.
//!
//! The library behind two programs: `reelmill` (daemon and command line) and `reelmill-worker` (the only one that links
//! libav; its crate root is `src/media/main.rs`). A module uses only modules of lower levels; `tests/tidy` compares the
//! table of `docs/architecture.md` with the code.

pub mod api;
pub mod cli;
pub mod config;
pub mod console;
pub mod daemon;
pub mod engine;
pub mod http;
pub mod intake;
pub mod lock;
pub mod model;
pub mod notify;
pub mod objects;
pub mod store;
pub mod telemetry;
pub mod template;
pub mod worker;
pub mod workflow;
pub mod yaml;

/// Commands allocate much and keep little, on one thread and free on another; the C library's allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
