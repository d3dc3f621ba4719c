//! The ledger of events.

use rusqlite::params;
use sha2::{Digest, Sha256};

use super::codec;
use super::fault::Fault;
use super::writer::Writer;
use crate::model::{ObjectEvent, Timestamp};
use crate::store::{EventOutcome, MatchDecision, NewExecution};

/// How much of an unreadable message is kept.
const BODY_BYTES: usize = 4096;

impl Writer {
    /// See [`crate::store::Store::record_event`].
    pub(super) fn record_event(
        &mut self,
        identity: &str,
        event: &ObjectEvent,
        decisions: &[MatchDecision],
        starts: Vec<NewExecution>,
        now: Timestamp,
    ) -> Result<EventOutcome, Fault> {
        if self.is_duplicate(identity)? {
            return Ok(EventOutcome::Duplicate);
        }
        let location = &event.object.location;
        let seq = self
            .db
            .prepare_cached(
                "INSERT INTO events (identity, at, bucket, key, event, decisions) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .insert(params![
                identity,
                now.0,
                location.bucket,
                location.key,
                codec::to_json(event)?,
                codec::to_json(decisions)?,
            ])?;
        let mut executions = Vec::with_capacity(starts.len());
        for start in starts {
            executions.push(start.id);
            self.create(start, Some(seq), now)?;
        }
        Ok(EventOutcome::Recorded(executions))
    }

    /// See [`crate::store::Store::record_unreadable`].
    pub(super) fn record_unreadable(&mut self, body: &str, reason: &str, now: Timestamp) -> Result<(), Fault> {
        // No bucket's name holds a space, so this is nobody else's identity.
        let identity = format!("unreadable message\n{:x?}", Sha256::digest(body));
        if self.is_duplicate(&identity)? {
            return Ok(());
        }
        self.db
            .prepare_cached(
                "INSERT INTO events (identity, at, decisions, unreadable, body) VALUES (?1, ?2, '[]', ?3, ?4)",
            )?
            .insert(params![identity, now.0, reason, &body[..body.floor_char_boundary(BODY_BYTES)]])?;
        Ok(())
    }

    /// Whether the identity is in the ledger; counts the delivery where it is.
    fn is_duplicate(&self, identity: &str) -> Result<bool, Fault> {
        let changed = self
            .db
            .prepare_cached("UPDATE events SET duplicates = duplicates + 1 WHERE identity = ?1")?
            .execute([identity])?;
        Ok(changed > 0)
    }
}
