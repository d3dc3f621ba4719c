//! Reelmill from outside: real programs, real media, real buckets.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::case_sensitive_file_extension_comparisons,
    missing_docs,
    reason = "tests: what cannot go on has failed, what is skipped is said, and file names are our own"
)]

mod api;
mod away;
mod cli;
mod control;
mod corpus;
mod daemon;
mod drain;
mod endpoint;
mod field_cases;
mod first_steps;
mod groups;
mod groups_fleet;
mod groups_killed;
mod installed;
mod intake;
mod intake_storage;
mod moto;
mod newcomer;
mod notify;
mod objects;
#[path = "../support/postgres.rs"]
mod postgres;
mod proxy;
mod reads;
mod receiver;
mod results;
mod run;
mod sqs;
mod start;
mod support;
mod traces;
mod transcripts;
mod unseen;
mod usage;
mod validate;
mod worker;
