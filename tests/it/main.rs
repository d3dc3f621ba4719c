//! Reelmill from outside: real programs, real media, real buckets.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, missing_docs, reason = "a test that cannot go on has failed")]

mod cli;
mod corpus;
mod daemon;
mod endpoint;
mod field_cases;
mod moto;
mod objects;
mod sqs;
mod support;
mod worker;
