//! Stores in PostgreSQL, and what only several daemons on one database can show.

#[path = "../support/postgres.rs"]
mod server;

use std::sync::Arc;

use reelmill::store::SharedStore;
use reelmill::store::postgres::{PostgresStore, Time};

use super::Conditions;

/// A database of its own.
pub struct Database {
    pub url: String,
}

impl Database {
    pub async fn new() -> Self {
        Self { url: server::empty().await }
    }

    pub async fn open(&self) -> SharedStore {
        Arc::new(PostgresStore::connect(&self.url, Time::Caller, Arc::new(Conditions)).await.expect("it opens"))
    }
}
