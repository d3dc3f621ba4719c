//! The ledger of events.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row};

use super::batch::{Batch, well_formed};
use super::codec;
use super::command::Command;
use super::fault::Fault;
use crate::model::{ObjectLocation, Timestamp};
use crate::store::{Companion, EventOutcome, NewExecution};

/// Bytes of an unreadable message that are kept.
const BODY_BYTES: usize = 4096;

/// Executions to create, with the row of their event.
pub(super) type Starts = Vec<(NewExecution, Option<i64>, Timestamp)>;

impl Batch<'_> {
    /// Writes events to the ledger, stages the result of each, and returns the executions that new events start.
    pub(super) async fn record_events(&mut self, commands: &mut [Command]) -> Result<Starts, Fault> {
        self.lock_objects(commands).await?;
        // In the order of identities, so that batches of several daemons cannot wait for each other.
        let mut order: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, command) in commands.iter_mut().enumerate() {
            let Command::Event { identity, event, starts, reply, .. } = command else { continue };
            if let Some(refused) = starts.iter().find_map(|start| well_formed(start).err()) {
                reply.stage(Err(refused));
                continue;
            }
            let key = match &identity.companion {
                Some(companion) => self.companion(companion, &event.object.location).await?,
                None => None,
            };
            order.entry(key.unwrap_or_else(|| codec::text(&identity.own).into_owned())).or_default().push(index);
        }
        // Two announcements of one upload in one batch: the second cannot find the first in the ledger yet.
        let mut merged: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut open: Vec<(String, usize)> = Vec::new();
        for (key, indices) in order {
            let first = indices[0];
            let other = open.iter().find(|(_, index)| are_companions(&commands[*index], &commands[first]));
            let key = other.map_or(key, |(key, _)| key.clone());
            if has_companion(&commands[first]) {
                open.push((key.clone(), first));
            }
            merged.entry(key).or_default().extend(indices);
        }
        self.insert_events(commands, &merged).await
    }

    async fn insert_events(
        &mut self,
        commands: &mut [Command],
        order: &BTreeMap<String, Vec<usize>>,
    ) -> Result<Starts, Fault> {
        if order.is_empty() {
            return Ok(Vec::new());
        }
        let (mut at, mut buckets, mut keys, mut events, mut decided) = (vec![], vec![], vec![], vec![], vec![]);
        for indices in order.values() {
            let Command::Event { event, decisions, now, .. } = &commands[indices[0]] else { continue };
            at.push(self.now(*now).0);
            buckets.push(codec::text(&event.object.location.bucket).into_owned());
            keys.push(codec::text(&event.object.location.key).into_owned());
            events.push(codec::to_json(&**event)?);
            decided.push(codec::to_json(decisions)?);
        }
        let identities: Vec<&str> = order.keys().map(String::as_str).collect();
        let rows = sqlx::query(
            "INSERT INTO events (identity, at, bucket, key, event, decisions)
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
             ON CONFLICT (md5(identity)) DO NOTHING RETURNING seq, identity",
        )
        .bind(&identities)
        .bind(at)
        .bind(buckets)
        .bind(keys)
        .bind(events)
        .bind(decided)
        .fetch_all(&mut *self.db)
        .await?;
        let mut recorded = BTreeMap::new();
        for row in rows {
            recorded.insert(row.try_get::<String, _>(1)?, row.try_get::<i64, _>(0)?);
        }
        let mut started = Starts::new();
        let (mut repeated, mut times) = (Vec::new(), Vec::new());
        for (identity, indices) in order {
            let seq = recorded.get(identity).copied();
            let again = indices.len() - usize::from(seq.is_some());
            if again > 0 {
                repeated.push(identity.as_str());
                times.push(i32::try_from(again).unwrap_or(i32::MAX));
            }
            for (n, &index) in indices.iter().enumerate() {
                let Command::Event { starts, now, reply, .. } = &mut commands[index] else { continue };
                let now = self.now(*now);
                if seq.is_some() && n == 0 {
                    reply.stage(Ok(EventOutcome::Recorded(starts.iter().map(|start| start.id).collect())));
                    started.extend(starts.iter().map(|start| (start.clone(), seq, now)));
                } else {
                    reply.stage(Ok(EventOutcome::Duplicate));
                }
            }
        }
        if !repeated.is_empty() {
            sqlx::query(
                "UPDATE events SET duplicates = duplicates + r.times
                 FROM unnest($1::text[], $2::int[]) AS r (identity, times) WHERE md5(events.identity) = md5(r.identity)",
            )
            .bind(repeated)
            .bind(times)
            .execute(&mut *self.db)
            .await?;
        }
        Ok(started)
    }

    /// Locks out other daemons that record the other event of the same upload.
    async fn lock_objects(&mut self, commands: &[Command]) -> Result<(), Fault> {
        let objects: BTreeSet<String> = commands
            .iter()
            .filter_map(|command| match command {
                Command::Event { identity, event, .. } if identity.companion.is_some() => {
                    Some(codec::text(&event.object.location.to_string()).into_owned())
                }
                _ => None,
            })
            .collect();
        if objects.is_empty() {
            return Ok(());
        }
        let objects: Vec<String> = objects.into_iter().collect();
        sqlx::query(
            "SELECT pg_advisory_xact_lock(k) FROM (
                 SELECT DISTINCT hashtextextended(o, 0) AS k FROM unnest($1::text[]) AS o ORDER BY k) AS locks",
        )
        .bind(objects)
        .execute(&mut *self.db)
        .await?;
        Ok(())
    }

    /// Identity of the other event of an upload of `object`.
    async fn companion(&mut self, companion: &Companion, object: &ObjectLocation) -> Result<Option<String>, Fault> {
        let rows = sqlx::query(
            "SELECT identity, event FROM events
             WHERE bucket IS NOT NULL AND md5(bucket || '/' || key) = md5($1 || '/' || $2) AND bucket = $1 AND key = $2
             ORDER BY seq DESC LIMIT $3",
        )
        .bind(codec::text(&object.bucket).as_ref())
        .bind(codec::text(&object.key).as_ref())
        .bind(i64::from(Companion::LOOK_BACK))
        .fetch_all(&mut *self.db)
        .await?;
        for row in rows {
            if companion.is(&codec::from_json("event", row.try_get(1)?)?) {
                return Ok(Some(row.try_get(0)?));
            }
        }
        Ok(None)
    }
}

fn has_companion(command: &Command) -> bool {
    matches!(command, Command::Event { identity, .. } if identity.companion.is_some())
}

/// Returns whether two events are about the same upload.
fn are_companions(one: &Command, other: &Command) -> bool {
    match (one, other) {
        (Command::Event { event: one, .. }, Command::Event { identity, event: other, .. }) => {
            one.object.location == other.object.location
                && identity.companion.as_ref().is_some_and(|companion| companion.is(one))
        }
        _ => false,
    }
}

/// See [`crate::store::Store::record_unreadable`].
pub(super) async fn record_unreadable(pool: &PgPool, body: &str, reason: &str, now: Timestamp) -> Result<(), Fault> {
    // Names of buckets contain no space, so this differs from every identity of an event.
    let identity = format!("unreadable message\n{:x?}", Sha256::digest(body));
    sqlx::query(
        "INSERT INTO events (identity, at, decisions, unreadable, body) VALUES ($1, $2, '[]', $3, $4)
         ON CONFLICT (md5(identity)) DO UPDATE SET duplicates = events.duplicates + 1",
    )
    .bind(identity)
    .bind(now.0)
    .bind(codec::text(reason).as_ref())
    .bind(codec::text(&body[..body.floor_char_boundary(BODY_BYTES)]).as_ref())
    .execute(pool)
    .await?;
    Ok(())
}
