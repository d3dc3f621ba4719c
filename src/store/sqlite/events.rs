//! The ledger of events.

use rusqlite::params;
use sha2::{Digest, Sha256};

use super::codec;
use super::fault::Fault;
use super::writer::Writer;
use crate::model::{ObjectEvent, ObjectLocation, Timestamp};
use crate::store::{Companion, EventIdentity, EventOutcome, MatchDecision, NewExecution};

/// Bytes of an unreadable message that are kept.
const BODY_BYTES: usize = 4096;

impl Writer {
    /// See [`crate::store::Store::record_event`].
    pub(super) fn record_event(
        &mut self,
        identity: &EventIdentity,
        event: &ObjectEvent,
        decisions: &[MatchDecision],
        starts: &[NewExecution],
        now: Timestamp,
    ) -> Result<EventOutcome, Fault> {
        let location = &event.object.location;
        let companion = match &identity.companion {
            Some(companion) => self.find(companion, location)?,
            None => None,
        };
        let identity = companion.as_ref().unwrap_or(&identity.own);
        if self.is_duplicate(identity)? {
            return Ok(EventOutcome::Duplicate);
        }
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
        // Names of buckets contain no space, so this differs from every identity of an event.
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

    /// Identity of the other event of an upload of `object`.
    fn find(&self, companion: &Companion, object: &ObjectLocation) -> Result<Option<String>, Fault> {
        let mut statement = self.db.prepare_cached(
            "SELECT identity, event FROM events WHERE bucket = ?1 AND key = ?2 ORDER BY seq DESC LIMIT ?3",
        )?;
        let mut rows = statement.query(params![object.bucket, object.key, Companion::LOOK_BACK])?;
        while let Some(row) = rows.next()? {
            if companion.is(&codec::from_json("event", &row.get::<_, String>(1)?)?) {
                return Ok(Some(row.get(0)?));
            }
        }
        Ok(None)
    }

    /// Returns whether the identity is in the ledger; counts the delivery where it is.
    fn is_duplicate(&self, identity: &str) -> Result<bool, Fault> {
        let changed = self
            .db
            .prepare_cached("UPDATE events SET duplicates = duplicates + 1 WHERE identity = ?1")?
            .execute([identity])?;
        Ok(changed > 0)
    }
}
