//! `/executions/{id}/files/{bucket}/{key}`: objects that an execution published, with byte ranges for players.
//!
//! **Invariant**: only objects that the execution published are served. Content that a browser could run as a page is
//! sent as a download, with a policy that gives it no origin and no scripts.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::Context;
use super::problem::of_object;
use crate::api::extract::{self, Place};
use crate::api::{Problem, executions};
use crate::model::{ExecutionId, ObjectLocation, OutputObject};
use crate::objects::{ObjectError, Revision, SharedObjects};

/// Bytes per request to the storage.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// Content security policy of an object that is opened as a page.
const POLICY: &str = "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/// Headers of every response, also of 304.
const KEPT: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "private, no-cache"), (header::CONTENT_SECURITY_POLICY, POLICY)];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    download: Option<String>,
}

pub(super) async fn show(
    State(context): State<Context>,
    Place((id, bucket, key)): Place<(ExecutionId, String, String)>,
    extract::Asked(asked): extract::Asked<Asked>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = ObjectLocation { bucket, key };
    let record = executions::record(&context, id).await?;
    let published = record.state.activities.iter().flat_map(crate::engine::ActivityState::outputs);
    let Some(output) = published.into_iter().find(|output| output.location == wanted) else {
        return Err(of_object(&ObjectError::NoObject { object: wanted }));
    };
    let head = context.intake.objects.head(&wanted, Revision::LATEST).await.map_err(|error| of_object(&error))?;
    let etag = format!("\"{}\"", head.etag);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)], KEPT).into_response());
    }
    // If the object was replaced since, the client needs all of it.
    let asked_range =
        headers.get(header::RANGE).filter(|_| headers.get(header::IF_RANGE).is_none_or(|tag| *tag == *etag));
    let asked_range = asked_range.and_then(|range| range.to_str().ok());
    let size = head.size_bytes;
    let (status, range) = match asked_range.map(|text| parse_range(text, size)) {
        None | Some(Asking::Everything) => (StatusCode::OK, 0..size),
        Some(Asking::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Asking::Nothing) => {
            let length = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            let detail = format!("Range: outside of {wanted}, which has {size} bytes");
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "CLI0003", detail);
            return Ok((length, problem).into_response());
        }
    };
    let length = range.end - range.start;
    let described = [
        (header::CONTENT_TYPE, content_type(output).to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, disposition(output, asked.download.is_some())),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag),
    ];
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(chunks(context.intake.objects.clone(), wanted, head.etag, range.clone()))
    };
    let mut response = (status, described, KEPT, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        if let Ok(told) = HeaderValue::from_str(&told) {
            response.headers_mut().insert(header::CONTENT_RANGE, told);
        }
    }
    Ok(response)
}

/// Reads one revision of an object in chunks.
fn chunks(
    objects: SharedObjects,
    object: ObjectLocation,
    etag: String,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, ObjectError>> {
    futures::stream::try_unfold((objects, range), move |(objects, range)| {
        let (object, etag) = (object.clone(), etag.clone());
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let end = range.end.min(range.start + CHUNK_BYTES);
            let bytes = objects.read(&object, Revision { version: None, etag: Some(&etag) }, range.start..end).await?;
            if bytes.is_empty() {
                return Err(ObjectError::Changed { object });
            }
            let next = range.start + bytes.len() as u64..range.end;
            Ok(Some((bytes, (objects, next))))
        }
    })
}

/// Request of a `Range` header.
#[derive(Debug, PartialEq, Eq)]
enum Asking {
    /// No range, or an invalid one, which is ignored.
    Everything,
    Part(Range<u64>),
    /// Bytes that are not there.
    Nothing,
}

/// Parses one range of bytes. Several ranges are answered with the whole object, which RFC 9110 permits.
fn parse_range(text: &str, size: u64) -> Asking {
    let parts = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let Some((first, last)) = parts.filter(|(_, last)| !last.contains(',')) else { return Asking::Everything };
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(last)) if first.is_empty() => size.saturating_sub(last)..size,
        _ => return Asking::Everything,
    };
    if range.is_empty() { Asking::Nothing } else { Asking::Part(range) }
}

/// Returns whether a browser shows a media type without running anything.
fn is_harmless(content_type: &str) -> bool {
    let (kind, rest) = content_type.split_once('/').unwrap_or_default();
    match kind {
        "video" | "audio" => true,
        "image" => !rest.contains("svg"),
        "text" => rest.starts_with("vtt") || rest.starts_with("plain"),
        "application" => rest.to_ascii_lowercase().contains("mpegurl") || rest == "dash+xml",
        _ => false,
    }
}

fn content_type(output: &OutputObject) -> &str {
    let is_header = HeaderValue::from_str(&output.content_type).is_ok();
    if is_header && !output.content_type.is_empty() { &output.content_type } else { crate::objects::OCTET_STREAM }
}

fn disposition(output: &OutputObject, download: bool) -> String {
    let key = &output.location.key;
    let name = key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name);
    let kind = if is_harmless(&output.content_type) && !download { "inline" } else { "attachment" };
    format!("{kind}; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (text, asking) in [
            ("bytes=0-0", Asking::Part(0..1)),
            ("bytes=2-", Asking::Part(2..10)),
            ("bytes=2-99", Asking::Part(2..10)),
            ("bytes=-3", Asking::Part(7..10)),
            ("bytes=-99", Asking::Part(0..10)),
            ("bytes=10-", Asking::Nothing),
            ("bytes=-0", Asking::Nothing),
            ("bytes=5-2", Asking::Everything),
            ("bytes=0-1,4-5", Asking::Everything),
            ("bytes=-", Asking::Everything),
            ("items=0-1", Asking::Everything),
            ("bytes=18446744073709551615-18446744073709551615", Asking::Nothing),
        ] {
            assert_eq!(parse_range(text, 10), asking, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Asking::Nothing);
    }

    #[test]
    fn what_could_run_is_a_download() {
        for shown in ["video/mp4", "image/jpeg", "text/vtt", "application/vnd.apple.mpegurl", "application/x-mpegURL"] {
            assert!(is_harmless(shown), "{shown}");
        }
        for kept in ["text/html", "image/svg+xml", "application/xhtml+xml", "application/octet-stream", "text/xml", ""]
        {
            assert!(!is_harmless(kept), "{kept}");
        }
    }
}
