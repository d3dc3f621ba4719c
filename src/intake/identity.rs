//! Which deliveries are one upload.
//!
//! With a version, the version is the upload. Else the `ETag` is, together with what tells two uploads of the same bytes
//! apart: the sequencer where the storage sends one, else the time of the event, which every delivery of one message
//! repeats. One case needs more: some storages announce a finished multipart upload twice, as `Put` and as
//! `CompleteMultipartUpload`, with different times and sequencers. An `ETag` of the form `…-N` only comes from a
//! multipart upload, so there the time at which the object was written takes their place.

use crate::model::{ObjectEvent, Timestamp};

/// Whether the event's `ETag` is one of a multipart upload.
pub(super) fn is_multipart(event: &ObjectEvent) -> bool {
    let etag = event.object.etag.as_deref().unwrap_or_default();
    etag.rsplit_once('-').is_some_and(|(_, parts)| !parts.is_empty() && parts.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether the identity needs the time at which the object was written.
pub(super) fn needs_written_at(event: &ObjectEvent) -> bool {
    !has_version(event) && is_multipart(event)
}

/// What makes two deliveries the same upload.
pub(super) fn identity(event: &ObjectEvent, written_at: Option<Timestamp>) -> String {
    let object = &event.object;
    let place = || format!("{}\n{}\n", object.location.bucket, object.location.key);
    let etag = object.etag.as_deref().unwrap_or_default();
    if has_version(event) {
        return event.identity();
    }
    if is_multipart(event) {
        let written_at = written_at.map(|at| at.to_string()).unwrap_or_default();
        return format!("{}m:{etag}:{written_at}", place());
    }
    match (&event.sequencer, event.time) {
        (None, Some(time)) => format!("{}t:{etag}:{time}", place()),
        _ => event.identity(),
    }
}

fn has_version(event: &ObjectEvent) -> bool {
    event.object.version.as_deref().is_some_and(|version| version != "null")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{InputObject, ObjectLocation};

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

    #[test]
    fn field_case_01_what_is_one_upload_has_one_identity_and_what_is_not_has_not() {
        let same =
            |a: &ObjectEvent, b: &ObjectEvent| identity(a, Some(Timestamp(7))) == identity(b, Some(Timestamp(7)));
        // The same message again; and the same event in another shape.
        assert!(same(&event("Put", "e", Some("1"), 1, None), &event("Put", "e", Some("1"), 2, None)));
        // The same bytes uploaded again.
        assert!(!same(&event("Put", "e", Some("1"), 1, None), &event("Put", "e", Some("2"), 1, None)));
        assert!(!same(&event("Put", "e", None, 1, None), &event("Put", "e", None, 2, None)));
        assert!(!same(&event("Put", "e", None, 1, Some("v1")), &event("Put", "e", None, 1, Some("v2"))));
        // One multipart upload, announced twice.
        let put = event("Put", "e-3", None, 1, None);
        let complete = event("CompleteMultipartUpload", "e-3", Some("9"), 2, None);
        assert!(same(&put, &complete));
        assert_ne!(identity(&put, Some(Timestamp(7))), identity(&complete, Some(Timestamp(8))));
        // A bucket without versions says `null`.
        assert!(same(&event("Put", "e", Some("1"), 1, None), &event("Put", "e", Some("1"), 1, Some("null"))));
    }
}
