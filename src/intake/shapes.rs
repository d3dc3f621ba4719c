//! The shapes of events that storages send.
//!
//! S3's own records (also MinIO's and Ceph's, which add fields), an SNS envelope around them, EventBridge, Aliyun OSS;
//! each also in base64. Keys in S3's records are form-encoded: `+` is a space, `%2F` a slash, whether the storage
//! escapes the slash (MinIO) or not (AWS). EventBridge and OSS send keys as they are.

use std::collections::BTreeMap;

use aws_lambda_events::s3::S3EventRecord;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::model::{InputObject, ObjectEvent, ObjectLocation, Timestamp};

/// Envelopes inside envelopes are followed so far.
const MAX_DEPTH: u32 = 4;

/// Longest message, in bytes: as long as SQS takes them.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Decoded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Objects were created.
    Events(Vec<ObjectEvent>),
    /// Objects were created, and part of the message cannot be read, for this reason.
    Partly(Vec<ObjectEvent>, String),
    /// Nothing that starts anything: a test event, a deletion.
    Ignored(String),
    /// No shape fits.
    Unreadable(String),
}

/// Reads a message.
#[must_use]
pub fn decode(body: &str) -> Decoded {
    if body.len() > MAX_BODY_BYTES {
        return Decoded::Unreadable(format!("the message has {} bytes; {MAX_BODY_BYTES} are allowed", body.len()));
    }
    decode_at(body, "s3", 0)
}

fn decode_at(body: &str, shape: &str, depth: u32) -> Decoded {
    if depth > MAX_DEPTH {
        return Decoded::Unreadable(format!("more than {MAX_DEPTH} nested envelopes"));
    }
    let value = match serde_json::from_str::<Value>(body) {
        Ok(value) => value,
        Err(error) => {
            return match STANDARD.decode(body.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => decode_at(&text, shape, depth + 1),
                None => Decoded::Unreadable(format!("not JSON: {error}")),
            };
        }
    };
    if let Some(text) = value.as_str() {
        return decode_at(text, shape, depth + 1);
    }
    if value["Event"] == "s3:TestEvent" {
        return Decoded::Ignored("a test event of the storage".to_owned());
    }
    if let (Some("Notification"), Some(message)) = (value["Type"].as_str(), value["Message"].as_str()) {
        return decode_at(message, "sns", depth + 1);
    }
    if value["Type"] == "SubscriptionConfirmation" {
        return Decoded::Unreadable("an SNS subscription that is not confirmed: confirm it".to_owned());
    }
    if value["Records"].is_array() {
        let minio = value["EventName"].is_string() || value["Records"][0]["eventSource"] == "minio:s3";
        return s3_records(&value, if minio { "minio" } else { shape });
    }
    if value["detail-type"].is_string() {
        return event_bridge(&value);
    }
    if value["events"].is_array() {
        return oss(&value);
    }
    Decoded::Unreadable("unknown JSON: it has none of the keys Records, Message, detail and events".to_owned())
}

/// Collects the results of the entries of one message; an invalid entry does not affect the others.
fn collect(entries: impl Iterator<Item = Result<Option<ObjectEvent>, String>>) -> Decoded {
    let (mut events, mut unreadable) = (Vec::new(), None);
    for entry in entries {
        match entry {
            Ok(event) => events.extend(event),
            Err(reason) => unreadable = unreadable.or(Some(reason)),
        }
    }
    match unreadable {
        None if events.is_empty() => Decoded::Ignored("no event of a created object".to_owned()),
        None => Decoded::Events(events),
        Some(reason) if events.is_empty() => Decoded::Unreadable(reason),
        Some(reason) => Decoded::Partly(events, reason),
    }
}

fn s3_records(message: &Value, shape: &str) -> Decoded {
    collect(message["Records"].as_array().into_iter().flatten().map(|record| s3_record(record, shape)))
}

/// MinIO sends the user's metadata along.
fn user_metadata(record: &Value) -> BTreeMap<String, String> {
    let sent = record["s3"]["object"]["userMetadata"].as_object().into_iter().flatten();
    sent.filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.as_str()?.to_owned()))
    })
    .collect()
}

fn s3_record(sent: &Value, shape: &str) -> Result<Option<ObjectEvent>, String> {
    let record = complete(sent).map_err(|error| format!("an S3 record is invalid: {error}"))?;
    let Some(name) = created(record.event_name.as_deref().unwrap_or_default()) else { return Ok(None) };
    let bucket = record.s3.bucket.name.filter(|name| !name.is_empty()).ok_or("a record without a bucket")?;
    let key = record.s3.object.key.filter(|key| !key.is_empty()).ok_or("a record without a key")?;
    Ok(Some(ObjectEvent {
        object: InputObject {
            location: ObjectLocation { bucket, key: form_decode(&key)? },
            size_bytes: record.s3.object.size.and_then(|size| u64::try_from(size).ok()),
            etag: record.s3.object.e_tag.map(|etag| unquoted(&etag)),
            version: record.s3.object.version_id.filter(|version| !version.is_empty()),
            metadata: user_metadata(sent),
        },
        name,
        sequencer: record.s3.object.sequencer.filter(|sequencer| !sequencer.is_empty()),
        time: time(&sent["eventTime"]),
        shape: shape.to_owned(),
    }))
}

/// A record with parts that S3 always sends, others leave out, and nothing here depends on.
fn complete(sent: &Value) -> Result<S3EventRecord, serde_json::Error> {
    let mut record = sent.clone();
    if let Some(record) = record.as_object_mut() {
        record.entry("userIdentity").or_insert_with(|| json!({}));
        record.entry("requestParameters").or_insert_with(|| json!({}));
        record.entry("eventTime").or_insert_with(|| json!("1970-01-01T00:00:00Z"));
    }
    serde_json::from_value(record)
}

/// `s3:ObjectCreated:Put` → `Put`; `None` for other kinds of events.
fn created(name: &str) -> Option<String> {
    let (_, what) = name.strip_prefix("s3:").unwrap_or(name).split_once("ObjectCreated:")?;
    Some(what.to_owned())
}

fn form_decode(key: &str) -> Result<String, String> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| format!("the key `{key}` is not UTF-8 once decoded"))
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn time(value: &Value) -> Option<Timestamp> {
    let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(Timestamp(time.as_microsecond()))
}

fn event_bridge(message: &Value) -> Decoded {
    if message["detail-type"] != "Object Created" {
        return Decoded::Ignored(format!("an EventBridge event of type {}", message["detail-type"]));
    }
    let (detail, object) = (&message["detail"], &message["detail"]["object"]);
    let name = match detail["reason"].as_str() {
        Some("CopyObject") => "Copy",
        Some("PostObject") => "Post",
        Some("CompleteMultipartUpload") => "CompleteMultipartUpload",
        _ => "Put",
    };
    let (Some(bucket), Some(key)) = (text(&detail["bucket"]["name"]), text(&object["key"])) else {
        return Decoded::Unreadable("an EventBridge event without a bucket or a key".to_owned());
    };
    Decoded::Events(vec![ObjectEvent {
        object: InputObject {
            location: ObjectLocation { bucket, key },
            size_bytes: object["size"].as_u64(),
            etag: text(&object["etag"]).map(|etag| unquoted(&etag)),
            version: text(&object["version-id"]),
            metadata: BTreeMap::new(),
        },
        name: name.to_owned(),
        sequencer: text(&object["sequencer"]),
        time: time(&message["time"]),
        shape: "eventbridge".to_owned(),
    }])
}

fn oss(message: &Value) -> Decoded {
    collect(message["events"].as_array().into_iter().flatten().map(|event| {
        let Some(name) = event["eventName"].as_str().and_then(created) else { return Ok(None) };
        let (oss, object) = (&event["oss"], &event["oss"]["object"]);
        let bucket = text(&oss["bucket"]["name"]).ok_or("an OSS event without a bucket")?;
        let key = text(&object["key"]).ok_or("an OSS event without a key")?;
        Ok(Some(ObjectEvent {
            object: InputObject {
                location: ObjectLocation { bucket, key },
                size_bytes: object["size"].as_u64(),
                etag: text(&object["eTag"]).map(|etag| unquoted(&etag)),
                version: None,
                metadata: BTreeMap::new(),
            },
            name,
            sequencer: text(&event["responseElements"]["requestId"]),
            time: time(&event["eventTime"]),
            shape: "oss".to_owned(),
        }))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::identity::identity;
    use super::*;

    fn record(key: &str, name: &str) -> Value {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1",
            "eventTime": "2026-11-22T09:00:00.000Z", "eventName": name,
            "userIdentity": { "principalId": "p" }, "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "s3": {
                "s3SchemaVersion": "1.0", "bucket": { "name": "uploads", "arn": "arn:aws:s3:::uploads" },
                "object": { "key": key, "size": 7, "eTag": "abc", "sequencer": "0055" },
            },
        })
    }

    fn s3(records: &[Value]) -> String {
        json!({ "Records": records }).to_string()
    }

    fn events(body: &str) -> Vec<ObjectEvent> {
        match decode(body) {
            Decoded::Events(events) => events,
            other => panic!("{other:?} from {body}"),
        }
    }

    #[test]
    fn field_case_02_every_record_of_a_message_counts() {
        let records: Vec<Value> = (0..10).map(|n| record(&format!("in/{n}.mp4"), "ObjectCreated:Put")).collect();
        let keys: Vec<String> = events(&s3(&records)).into_iter().map(|event| event.object.location.key).collect();
        assert_eq!(keys, (0..10).map(|n| format!("in/{n}.mp4")).collect::<Vec<_>>());
    }

    #[test]
    fn field_case_04_all_shapes_decode_to_one_event() {
        let plain = s3(&[record("in/a.mp4", "ObjectCreated:Put")]);
        let expected = &events(&plain)[0];
        let sns = json!({ "Type": "Notification", "MessageId": "m", "Message": plain }).to_string();
        let bridge = json!({
            "version": "0", "detail-type": "Object Created", "source": "aws.s3", "time": "2026-11-22T09:00:00Z",
            "detail": {
                "bucket": { "name": "uploads" }, "reason": "PutObject",
                "object": { "key": "in/a.mp4", "size": 7, "etag": "abc", "sequencer": "0055" },
            },
        })
        .to_string();
        let base64 = STANDARD.encode(&plain);
        let quoted = json!(plain).to_string();
        let mut from_minio: Value = serde_json::from_str(&plain).unwrap();
        from_minio["EventName"] = json!("s3:ObjectCreated:Put");
        from_minio["Records"][0]["eventSource"] = json!("minio:s3");
        from_minio["Records"][0]["eventName"] = json!("s3:ObjectCreated:Put");
        from_minio["Records"][0]["s3"]["object"]["key"] = json!("in%2Fa.mp4");
        for body in [sns, bridge, base64, quoted, from_minio.to_string()] {
            let event = &events(&body)[0];
            assert_eq!(identity(event), identity(expected), "{body}");
            assert_eq!((&event.name, event.time), (&expected.name, expected.time), "{body}");
            assert_eq!(event.object, expected.object, "{body}");
        }
        let oss = json!({ "events": [{
            "eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss", "eventTime": "2026-11-22T09:00:00.000Z",
            "oss": { "bucket": { "name": "uploads" }, "object": { "key": "in/a b.mp4", "size": 7, "eTag": "abc" } },
            "responseElements": { "requestId": "r" },
        }]});
        assert_eq!(events(&oss.to_string())[0].object.location.key, "in/a b.mp4");
    }

    #[test]
    fn field_case_05_keys_are_decoded_as_people_typed_them() {
        for (sent, typed) in [
            ("in/a+b.mp4", "in/a b.mp4"),
            ("in/a%2Bb.mp4", "in/a+b.mp4"),
            ("in%2Fa.mp4", "in/a.mp4"),
            ("in/%C3%BCml%C3%A4ut+%E4%B8%AD.mp4", "in/ümläut 中.mp4"),
            ("in/te%5Bs%5Dt_+video+%27+_.flv", "in/te[s]t_ video ' _.flv"),
            ("in/R%26B+100%25.mp4", "in/R&B 100%.mp4"),
            ("in/%F0%9F%8E%AC.mp4", "in/🎬.mp4"),
            ("in/%24%28touch+pwned%29%3B.mp4", "in/$(touch pwned);.mp4"),
        ] {
            assert_eq!(events(&s3(&[record(sent, "ObjectCreated:Put")]))[0].object.location.key, typed);
        }
        assert!(matches!(decode(&s3(&[record("in/%FF.mp4", "ObjectCreated:Put")])), Decoded::Unreadable(_)));
    }

    #[test]
    fn field_case_07_every_way_of_creating_counts_and_nothing_else() {
        for name in ["Put", "Post", "Copy", "CompleteMultipartUpload"] {
            let found = events(&s3(&[record("a.mp4", &format!("s3:ObjectCreated:{name}"))]));
            assert_eq!(found[0].name, name);
        }
        assert!(matches!(decode(&s3(&[record("a.mp4", "ObjectRemoved:Delete")])), Decoded::Ignored(_)));
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-22T09:00:00.000Z","Bucket":"b"}"#;
        assert!(matches!(decode(test), Decoded::Ignored(_)));
    }

    #[test]
    fn an_unreadable_record_spoils_no_other() {
        let bad = record("in/%FF.mp4", "ObjectCreated:Put");
        let good = record("in/a.mp4", "ObjectCreated:Put");
        for records in [[bad.clone(), good.clone()], [good.clone(), bad], [json!({"s3": 1}), good]] {
            match decode(&s3(&records)) {
                Decoded::Partly(events, _) => assert_eq!(events[0].object.location.key, "in/a.mp4"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn records_without_what_nothing_depends_on_are_read() {
        let mut bare = record("in%2Fa.mp4", "ObjectCreated:Put");
        for key in ["userIdentity", "requestParameters", "eventVersion", "awsRegion"] {
            bare.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(events(&s3(&[bare]))[0].object.location.key, "in/a.mp4");
    }

    #[test]
    fn what_no_shape_fits_is_told_and_never_panics() {
        for body in ["", "x", "{}", "[]", "null", "{\"Records\":[]}", "{\"Records\":[1]}", "{\"Records\":[{}]}", "%%%"]
        {
            assert!(!matches!(decode(body), Decoded::Events(_)), "{body}");
        }
        assert!(matches!(decode(&" ".repeat(MAX_BODY_BYTES + 1)), Decoded::Unreadable(_)));
        let mut nested = "x".to_owned();
        for _ in 0..20 {
            nested = STANDARD.encode(&nested);
        }
        assert!(matches!(decode(&nested), Decoded::Unreadable(_)));
    }
}
