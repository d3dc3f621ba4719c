//! The policy of a POST form: until when it may be sent, and what its fields may be.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::{S3Result, s3_error};
use serde_json::Value;

use crate::model::Timestamp;

/// Placeholder for the name of the file.
pub const FILE_NAME: &str = "${filename}";

/// Fields that no condition has to name.
const FREE: [&str; 6] = ["x-amz-signature", "signature", "awsaccesskeyid", "policy", "file", "submit"];

/// A form's policy.
#[derive(Debug, PartialEq, Eq)]
pub struct Policy {
    expires_at: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Is { field: String, value: String },
    StartsWith { field: String, start: String },
    Length { min_bytes: u64, max_bytes: u64 },
}

impl Policy {
    /// Reads a policy: JSON in Base64.
    pub fn parse(text: &str) -> S3Result<Self> {
        let invalid = |why: &str| s3_error!(InvalidPolicyDocument, "the policy of the form {why}");
        // Some clients break the lines of their Base64.
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let json = STANDARD.decode(text).map_err(|_| invalid("is not in Base64"))?;
        let json: Value = serde_json::from_slice(&json).map_err(|error| invalid(&format!("is no JSON: {error}")))?;
        let expiration = json.get("expiration").and_then(Value::as_str).ok_or_else(|| invalid("has no expiration"))?;
        let expires_at = time(expiration)
            .ok_or_else(|| invalid("has an expiration that is not written like 2030-01-31T12:00:00.000Z"))?;
        let conditions =
            json.get("conditions").and_then(Value::as_array).ok_or_else(|| invalid("has no conditions"))?;
        let conditions = conditions.iter().map(condition).collect::<Option<Vec<_>>>();
        let conditions = conditions.ok_or_else(|| invalid("has a condition that cannot be read"))?;
        Ok(Self { expires_at, conditions })
    }

    /// Checks the fields of a form against the policy. `bucket` is the bucket that the form was sent to, `file` the
    /// name of the uploaded file: a condition may match a field as it was sent, or with that name inserted.
    pub fn check(&self, fields: &BTreeMap<String, String>, bucket: &str, file: &str, now: Timestamp) -> S3Result<()> {
        if now > self.expires_at {
            return Err(s3_error!(AccessDenied, "the policy of the form has expired; make the form again"));
        }
        for condition in &self.conditions {
            let (field, expected, holds): (_, _, fn(&str, &str) -> bool) = match condition {
                Condition::Is { field, value } => (field, value, |is, expected| is == expected),
                Condition::StartsWith { field, start } => (field, start, |is, expected| is.starts_with(expected)),
                Condition::Length { .. } => continue,
            };
            let value = if field == "bucket" { Some(bucket) } else { fields.get(field).map(String::as_str) };
            // An empty start allows any value, but not that the field is missing.
            let allowed = |value: &str| holds(value, expected) || holds(&value.replace(FILE_NAME, file), expected);
            if !value.is_some_and(allowed) {
                return Err(s3_error!(AccessDenied, "the field `{field}` of the form is not what its policy allows"));
            }
        }
        for name in fields.keys() {
            let named = self.conditions.iter().any(|condition| match condition {
                Condition::Is { field, .. } | Condition::StartsWith { field, .. } => field == name,
                Condition::Length { .. } => false,
            });
            if !named && !FREE.contains(&name.as_str()) && !name.starts_with("x-ignore-") {
                return Err(s3_error!(AccessDenied, "the form has the field `{name}`, which its policy does not name"));
            }
        }
        Ok(())
    }

    /// The sizes that the file may have, in bytes.
    pub fn length_bytes(&self) -> std::ops::RangeInclusive<u64> {
        let mut range = 0..=u64::MAX;
        for condition in &self.conditions {
            if let Condition::Length { min_bytes, max_bytes } = condition {
                range = *range.start().max(min_bytes)..=*range.end().min(max_bytes);
            }
        }
        range
    }
}

/// A time as policies have it: ISO 8601 with a `T` and a zone.
fn time(text: &str) -> Option<Timestamp> {
    text.get(10..11).filter(|at| *at == "T")?;
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(time.as_microsecond()))
}

fn condition(value: &Value) -> Option<Condition> {
    let field = |name: &str| name.strip_prefix('$').unwrap_or(name).to_ascii_lowercase();
    match value {
        Value::Object(map) if map.len() == 1 => {
            let (name, value) = map.iter().next()?;
            Some(Condition::Is { field: field(name), value: value.as_str()?.to_owned() })
        }
        Value::Array(items) => {
            let [operator, first, second] = items.as_slice() else { return None };
            match operator.as_str()?.to_ascii_lowercase().as_str() {
                "eq" => Some(Condition::Is { field: field(first.as_str()?), value: second.as_str()?.to_owned() }),
                "starts-with" => {
                    Some(Condition::StartsWith { field: field(first.as_str()?), start: second.as_str()?.to_owned() })
                }
                "content-length-range" => {
                    let (min_bytes, max_bytes) = (number(first)?, number(second)?);
                    (min_bytes <= max_bytes).then_some(Condition::Length { min_bytes, max_bytes })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// A number; some clients write it as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn policy(conditions: &str) -> S3Result<Policy> {
        let text = format!(r#"{{"expiration":"2030-01-31T12:00:00.000Z","conditions":{conditions}}}"#);
        Policy::parse(&STANDARD.encode(text))
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<(), String> {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let checked = policy(conditions).unwrap().check(&fields, "uploads", "foo.txt", NOW);
        checked.map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn conditions_are_held_against_the_fields_in_any_case() {
        let conditions = r#"[{"bUcKeT":"uploads"},["StArTs-WiTh","$KeY","in/"],["eq","$acl","private"],["content-length-range",1,"9"]]"#;
        assert_eq!(check(conditions, &[("key", "in/a"), ("acl", "private"), ("x-ignore-me", "1")]), Ok(()));
        for fields in [
            &[("key", "out/a"), ("acl", "private")][..],
            &[("key", "in/a"), ("acl", "public-read")],
            &[("key", "in/a")],
            &[("key", "in/a"), ("acl", "private"), ("x-amz-meta-a", "b")],
        ] {
            assert_eq!(check(conditions, fields), Err("AccessDenied".to_owned()), "{fields:?}");
        }
        assert_eq!(
            check(r#"[{"bucket":"others"},["starts-with","$key",""]]"#, &[("key", "a")]),
            Err("AccessDenied".to_owned())
        );
        assert_eq!(
            check(r#"[["starts-with","$key",""]]"#, &[]),
            Err("AccessDenied".to_owned()),
            "the field is missing"
        );
        assert_eq!(check(r#"[["starts-with","$key","foo"]]"#, &[("key", "${filename}")]), Ok(()));
        assert_eq!(check(r#"[["eq","$key","in/${filename}"]]"#, &[("key", "in/${filename}")]), Ok(()));
        assert!(check(r#"[["starts-with","$key","bar"]]"#, &[("key", "${filename}")]).is_err());
        assert_eq!(policy(conditions).unwrap().length_bytes(), 1..=9);
    }

    #[test]
    fn a_policy_that_cannot_be_read_is_an_error_of_the_form() {
        for conditions in [
            "[{}]",
            r#"[["eq","$key"]]"#,
            r#"[["like","$key","a"]]"#,
            r#"[["content-length-range",-1,3]]"#,
            r#"[["content-length-range",3]]"#,
            r#"[["content-length-range",3,1]]"#,
            "{}",
            "3",
        ] {
            assert!(policy(conditions).is_err(), "{conditions}");
        }
        for text in [
            r#"{"conditions":[]}"#,
            r#"{"expiration":"2030-01-31 12:00:00+00:00","conditions":[]}"#,
            r#"{"EXPIRATION":"2030-01-31T12:00:00Z","conditions":[]}"#,
            r#"{"expiration":"2030-01-31T12:00:00Z","CONDITIONS":[]}"#,
            r#"{"expiration":"tomorrow","conditions":[]}"#,
            "",
            "{",
        ] {
            let error = Policy::parse(&STANDARD.encode(text)).unwrap_err();
            assert_eq!(error.code().as_str(), "InvalidPolicyDocument", "{text}");
        }
        let late = Policy::parse(&STANDARD.encode(r#"{"expiration":"2020-01-31T12:00:00Z","conditions":[]}"#)).unwrap();
        assert!(late.check(&BTreeMap::new(), "uploads", "", NOW).is_err());
    }
}
