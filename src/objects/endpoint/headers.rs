//! Headers of an upload that are kept and given back as they were sent.
//!
//! A value is kept with one character for each byte, so that any bytes survive: metadata comes in UTF-8, in Latin-1 and
//! in the encoded words of RFC 2047.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use s3s::dto::{ChecksumMode, Metadata};
use s3s::{S3Result, s3_error};

use crate::objects::Head;
use crate::objects::checksum::Algorithm;
use crate::objects::local::EndpointAttributes;

/// Headers that are stored with an object, besides its media type and metadata.
pub const GIVEN_BACK: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "expires"];

/// Prefix of metadata headers.
pub const META: &str = "x-amz-meta-";

/// The encoding of a signed body: of the request, and not of the object.
const AWS_CHUNKED: &str = "aws-chunked";

/// Metadata as expressions see it, names in lower case.
pub fn metadata(metadata: Option<Metadata>) -> BTreeMap<String, String> {
    metadata.unwrap_or_default().into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
}

/// Returns the headers of an upload that are returned with the object. Metadata that is stored unchanged is not stored
/// twice.
pub fn to_keep(headers: &HeaderMap, metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (name, value) in headers {
        let name = name.as_str();
        let value = value.as_bytes();
        if GIVEN_BACK.contains(&name) {
            keep(&mut kept, name, value.iter().copied().map(char::from).collect());
        } else if let Some(short) = name.strip_prefix(META)
            && metadata.get(short).is_none_or(|read| read.as_bytes() != value)
        {
            kept.insert(name.to_owned(), value.iter().copied().map(char::from).collect());
        }
    }
    kept
}

/// Keeps one of [`GIVEN_BACK`], where something is left of it.
pub fn keep(kept: &mut BTreeMap<String, String>, name: &str, value: String) {
    let value = if name == "content-encoding" { without_chunked(&value) } else { value };
    if !value.is_empty() {
        kept.insert(name.to_owned(), value);
    }
}

fn without_chunked(encodings: &str) -> String {
    let rest = encodings.split(',').map(str::trim).filter(|encoding| !encoding.eq_ignore_ascii_case(AWS_CHUNKED));
    rest.collect::<Vec<_>>().join(", ")
}

/// The headers of an answer that gives an object, but for those that the request overrides.
pub fn given_back(head: &Head, kept: &EndpointAttributes, overridden: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let metadata = head.metadata.iter().map(|(name, value)| (format!("{META}{name}"), value.clone().into_bytes()));
    let as_sent = kept.headers.iter().filter(|(name, _)| !overridden.contains(&name.as_str()));
    let as_sent = as_sent.map(|(name, value)| {
        // Each character is one byte.
        (name.clone(), value.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect::<Vec<u8>>())
    });
    for (name, value) in metadata.chain(as_sent) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&value)) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Adds the checksum of a whole object, if the client requests it.
pub fn add_checksum(headers: &mut HeaderMap, kept: &EndpointAttributes, mode: Option<&ChecksumMode>) {
    if !mode.is_some_and(|mode| mode.as_str().eq_ignore_ascii_case(ChecksumMode::ENABLED)) {
        return;
    }
    if let Some(checksum) = &kept.checksum
        && let Ok(value) = HeaderValue::from_str(&checksum.value)
    {
        headers.insert(checksum.algorithm.header(), value);
        headers.insert("x-amz-checksum-type", HeaderValue::from_static(checksum_type(checksum.composite)));
    }
}

/// Returns S3's name of a checksum of the parts' checksums or of the bytes.
pub const fn checksum_type(composite: bool) -> &'static str {
    if composite { "COMPOSITE" } else { "FULL_OBJECT" }
}

/// The checksums in the headers of a request.
pub fn announced(headers: &HeaderMap) -> S3Result<Vec<(Algorithm, String)>> {
    let mut announced = Vec::new();
    for algorithm in Algorithm::ALL {
        let Some(value) = headers.get(algorithm.header()) else { continue };
        announced.push((algorithm, checked(algorithm, value.to_str().unwrap_or_default())?));
    }
    Ok(announced)
}

/// A checksum's value, if it is one.
pub fn checked(algorithm: Algorithm, value: &str) -> S3Result<String> {
    if algorithm.may_be(value) {
        return Ok(value.to_owned());
    }
    Err(s3_error!(InvalidRequest, "`{value}` is no {} in Base64", algorithm.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_of_a_signed_body_is_cut_off() {
        for (sent, kept) in
            [("aws-chunked", ""), ("gzip", "gzip"), ("aws-chunked,gzip", "gzip"), ("a, AWS-Chunked, b", "a, b")]
        {
            assert_eq!(without_chunked(sent), kept, "{sent}");
        }
    }

    #[test]
    fn bytes_of_any_encoding_are_given_back() {
        let mut sent = HeaderMap::new();
        let values: [&[u8]; 3] = [b"Hello World\xe9", "Gr\u{fc}\u{df}e".as_bytes(), b"=?UTF-8?B?w7w=?="];
        for (n, value) in values.iter().enumerate() {
            let name = HeaderName::from_bytes(format!("{META}m{n}").as_bytes()).unwrap();
            sent.insert(name, HeaderValue::from_bytes(value).unwrap());
        }
        let read =
            BTreeMap::from([("m1".to_owned(), "Gr\u{fc}\u{df}e".to_owned()), ("m2".to_owned(), "\u{fc}".to_owned())]);
        let kept = EndpointAttributes { headers: to_keep(&sent, &read), ..EndpointAttributes::default() };
        assert_eq!(kept.headers.len(), 2, "what reads as it was sent is not kept twice");
        let head = Head {
            size_bytes: 0,
            etag: String::new(),
            version: None,
            content_type: String::new(),
            metadata: read,
            last_modified: crate::model::Timestamp(0),
        };
        let back = given_back(&head, &kept, &[]);
        for (n, value) in values.iter().enumerate() {
            assert_eq!(back[format!("{META}m{n}")].as_bytes(), *value);
        }
    }
}
