//! Identity of uploads: which deliveries are events of the same upload.
//!
//! 1. With a version, the version is the upload.
//! 2. Else the `ETag` is, together with what tells two uploads of the same bytes apart: the sequencer where the storage
//!    sends one, else the time of the event, which every delivery of one message repeats.
//! 3. Some storages send two events of a finished multipart upload, `Put` and `CompleteMultipartUpload`, with times and
//!    sequencers of their own. An `ETag` of the form `…-N` only comes from a multipart upload, so a `Put` that carries
//!    one is the companion of such a `CompleteMultipartUpload`: whichever comes second takes the identity of the first.
//!
//! Rule 3 starts each upload once in whatever order deliveries come: of the two names, one is in the ledger first, and
//! from then on every event of the other name finds a companion, and every event of the same name has an identity of
//! its own. No storage is asked: it may hold a later upload by then.

use crate::model::ObjectEvent;
use crate::store::{Companion, EventIdentity};

/// Returns the identity of an upload if the event alone determines it.
fn own_identity(event: &ObjectEvent) -> String {
    let object = &event.object;
    let etag = object.etag.as_deref().unwrap_or_default();
    let upload = match (&object.version, &event.sequencer, event.time) {
        (Some(version), _, _) if has_version(event) => format!("v:{version}"),
        (_, None, Some(time)) => format!("t:{etag}:{time}"),
        (_, sequencer, _) => format!("e:{etag}:{}", sequencer.as_deref().unwrap_or_default()),
    };
    format!("{}\n{}\n{upload}", object.location.bucket, object.location.key)
}

/// Returns the identity of an event in the ledger.
pub(super) fn identity(event: &ObjectEvent) -> EventIdentity {
    let companion = if has_version(event) || !is_multipart(event) { None } else { companion_name(event) };
    let companion = companion.map(|name| Companion { name, etag: event.object.etag.clone() });
    EventIdentity { own: own_identity(event), companion }
}

fn companion_name(event: &ObjectEvent) -> Option<&'static str> {
    match event.name.as_str() {
        "Put" => Some("CompleteMultipartUpload"),
        "CompleteMultipartUpload" => Some("Put"),
        _ => None,
    }
}

fn is_multipart(event: &ObjectEvent) -> bool {
    let etag = event.object.etag.as_deref().unwrap_or_default();
    etag.rsplit_once('-').is_some_and(|(_, parts)| !parts.is_empty() && parts.bytes().all(|b| b.is_ascii_digit()))
}

fn has_version(event: &ObjectEvent) -> bool {
    event.object.version.as_deref().is_some_and(|version| version != "null")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{InputObject, ObjectLocation, Timestamp};

    fn event(name: &str, etag: &str, sequencer: Option<&str>, time: i64, version: Option<&str>) -> ObjectEvent {
        ObjectEvent {
            object: InputObject {
                location: ObjectLocation { bucket: "b".to_owned(), key: "k".to_owned() },
                size_bytes: None,
                etag: Some(etag.to_owned()),
                version: version.map(str::to_owned),
                metadata: BTreeMap::new(),
            },
            name: name.to_owned(),
            sequencer: sequencer.map(str::to_owned),
            time: Some(Timestamp(time)),
            shape: "s3".to_owned(),
        }
    }

    /// Returns the number of uploads that a ledger sees in `deliveries`.
    fn uploads(deliveries: &[&ObjectEvent]) -> usize {
        let mut ledger: BTreeMap<String, &ObjectEvent> = BTreeMap::new();
        for event in deliveries {
            let EventIdentity { own, companion } = identity(event);
            let other = companion.and_then(|companion| ledger.iter().find(|(_, other)| companion.is(other)));
            let key = other.map_or(own, |(key, _)| key.clone());
            ledger.entry(key).or_insert(event);
        }
        ledger.len()
    }

    fn orders<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
        let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
        let shorter = orders(rest);
        shorter
            .iter()
            .flat_map(|order| {
                (0..=order.len()).map(|at| {
                    let mut longer = order.clone();
                    longer.insert(at, *first);
                    longer
                })
            })
            .collect()
    }

    #[test]
    fn field_case_01_a_delivery_that_comes_again_is_the_same_upload_and_another_upload_is_not() {
        let same = |a: &ObjectEvent, b: &ObjectEvent| uploads(&[a, b]) == 1;
        assert!(same(&event("Put", "e", Some("1"), 1, None), &event("Put", "e", Some("1"), 2, None)));
        assert!(same(&event("Put", "e", Some("1"), 1, None), &event("Put", "e", Some("1"), 1, Some("null"))));
        assert!(same(&event("Put", "e", None, 1, Some("v1")), &event("Put", "e", None, 2, Some("v1"))));
        assert!(!same(&event("Put", "e", Some("1"), 1, None), &event("Put", "e", Some("2"), 1, None)));
        assert!(!same(&event("Put", "e", None, 1, None), &event("Put", "e", None, 2, None)));
        assert!(!same(&event("Put", "e", None, 1, Some("v1")), &event("Put", "e", None, 1, Some("v2"))));
        assert!(!same(&event("Put", "e", Some("1"), 1, None), &event("Put", "f", Some("1"), 1, None)));
        // Copying a multipart object is an upload of its own.
        assert!(!same(&event("Copy", "e-3", None, 1, None), &event("Put", "e-3", None, 2, None)));
    }

    #[test]
    fn field_case_01_two_announcements_of_a_multipart_upload_are_one_in_every_order() {
        for sequenced in [true, false] {
            let token = |n| sequenced.then_some(n);
            let announced = [
                event("Put", "e-3", token("1"), 1, None),
                event("CompleteMultipartUpload", "e-3", token("2"), 2, None),
                event("Put", "e-3", token("3"), 3, None),
                event("CompleteMultipartUpload", "e-3", token("4"), 4, None),
            ];
            let [put, complete, ..] = &announced;
            let deliveries: Vec<&ObjectEvent> = announced.iter().chain([put, complete]).collect();
            for order in orders(&deliveries) {
                assert_eq!(uploads(&order), 2, "{order:?}");
            }
            assert_eq!(uploads(&[put, complete]), 1);
            assert_eq!(uploads(&[complete]), 1, "S3 announces it once");
        }
    }
}
