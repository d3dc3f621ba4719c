//! Requests that were made under keys of their senders'.

use rusqlite::{OptionalExtension, params};

use super::fault::Fault;
use super::writer::Writer;
use crate::model::Timestamp;
use crate::store::Request;

impl Writer {
    /// See [`crate::store::Store::remember`].
    pub(super) fn remember(&mut self, request: &Request, now: Timestamp) -> Result<Option<Request>, Fault> {
        let known = self
            .db
            .prepare_cached("SELECT digest, note FROM requests WHERE key = ?1")?
            .query_row([&request.key], |row| {
                Ok(Request { key: request.key.clone(), digest: row.get(0)?, note: row.get(1)? })
            })
            .optional()?;
        if known.is_none() {
            self.db
                .prepare_cached("INSERT INTO requests (key, digest, note, at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![request.key, request.digest, request.note, now.0])?;
        }
        Ok(known)
    }
}
