//! Our words in S3's: errors, times, entity tags, heads and ranges.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use hyper::{HeaderMap, StatusCode};
use s3s::dto::{self, ETag, ETagCondition};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::model::{Coded, Timestamp};
use crate::objects::{Head, ObjectError};

/// Code of a refusal that passes by itself and is counted (`reelmill_events_total`): no line of the log for each.
const FULL_QUEUE: &str = "EVT0005";

/// Response to a client for an error.
impl From<ObjectError> for S3Error {
    fn from(error: ObjectError) -> Self {
        let code = match &error {
            ObjectError::NoBucket { .. } => S3ErrorCode::NoSuchBucket,
            ObjectError::NoObject { .. } => S3ErrorCode::NoSuchKey,
            ObjectError::NoUpload { .. } => S3ErrorCode::NoSuchUpload,
            ObjectError::InvalidPart { .. } => S3ErrorCode::InvalidPart,
            ObjectError::PartTooSmall { .. } => S3ErrorCode::EntityTooSmall,
            ObjectError::WrongChecksum { .. } => S3ErrorCode::BadDigest,
            ObjectError::WrongSize { .. } | ObjectError::NoChecksum { .. } => S3ErrorCode::InvalidRequest,
            ObjectError::Changed { .. } | ObjectError::Precondition { .. } => S3ErrorCode::PreconditionFailed,
            // An object's name has its bucket's before it.
            ObjectError::InvalidName { name, .. } if !name.contains('/') => S3ErrorCode::InvalidBucketName,
            ObjectError::InvalidName { .. } | ObjectError::Conflict { .. } => S3ErrorCode::InvalidArgument,
            ObjectError::ReadOnly { .. } | ObjectError::AccessDenied { .. } => S3ErrorCode::AccessDenied,
            // The client should try again.
            ObjectError::Event { .. } | ObjectError::Full { .. } | ObjectError::Unreachable { .. } => {
                S3ErrorCode::ServiceUnavailable
            }
            ObjectError::Refused { .. } => S3ErrorCode::SlowDown,
            _ => S3ErrorCode::InternalError,
        };
        let passes = matches!(&error, ObjectError::Refused { source, .. } if source.code == FULL_QUEUE);
        let ours = [S3ErrorCode::InternalError, S3ErrorCode::ServiceUnavailable, S3ErrorCode::SlowDown].contains(&code);
        if ours && !passes {
            tracing::warn!(error = %error.with_code(), source = ?std::error::Error::source(&error), "a request to the S3 endpoint failed");
        }
        let reason = match &error {
            ObjectError::Event { source, .. } | ObjectError::Refused { source, .. } => format!(" ({source})"),
            _ => String::new(),
        };
        Self::with_message(code, format!("{}{reason}", error.with_code()))
    }
}

/// A point in time.
pub fn time(time: Timestamp) -> dto::Timestamp {
    let since_epoch = Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(0));
    (SystemTime::UNIX_EPOCH + since_epoch).into()
}

/// An entity tag.
pub fn etag(head: &Head) -> ETag {
    ETag::Strong(head.etag.clone())
}

/// A size.
pub fn size(size_bytes: u64) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX)
}

/// Conditions under which an object is read.
pub struct Conditions<'a> {
    /// Only this one.
    pub matching: Option<&'a ETagCondition>,
    /// Any but this one.
    pub not_matching: Option<&'a ETagCondition>,
    /// Only if newer.
    pub modified_since: Option<&'a dto::Timestamp>,
    /// Only if not newer.
    pub unmodified_since: Option<&'a dto::Timestamp>,
}

impl Conditions<'_> {
    /// Refuses where a condition does not hold. A condition on the entity tag overrides its sibling on the time.
    pub fn check(&self, head: &Head) -> S3Result<()> {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(wanted) => wanted.value() == head.etag,
        };
        // HTTP dates have whole seconds.
        let modified = time(Timestamp(head.last_modified.as_micros() / 1_000_000 * 1_000_000));
        let fits = match (self.matching, self.unmodified_since) {
            (Some(condition), _) => is(condition),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        if !fits {
            return Err(s3_error!(PreconditionFailed, "the object does not meet a condition of the request"));
        }
        let known = match (self.not_matching, self.modified_since) {
            (Some(condition), _) => is(condition),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        if !known {
            return Ok(());
        }
        let mut error = s3_error!(NotModified);
        if let Ok(etag) = etag(head).to_http_header() {
            error.set_headers(HeaderMap::from_iter([(hyper::header::ETAG, etag)]));
        }
        Err(error)
    }

    /// Checks like [`Self::check`], for the source of a copy: its client has nothing cached.
    pub fn check_source(&self, head: &Head) -> S3Result<()> {
        self.check(head)
            .map_err(|_| s3_error!(PreconditionFailed, "the source does not meet a condition of the request"))
    }
}

/// An error with a code that s3s does not know.
pub fn coded(code: &str, status: StatusCode, message: impl Into<Cow<'static, str>>) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InvalidRequest);
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

/// The requested bytes, and the `Content-Range` of the answer if that is a part.
pub fn range(asked: Option<dto::Range>, size_bytes: u64) -> S3Result<(std::ops::Range<u64>, Option<String>)> {
    let Some(asked) = asked else { return Ok((0..size_bytes, None)) };
    let range = asked
        .check(size_bytes)
        .map_err(|_| s3_error!(InvalidRange, "the object has {size_bytes} bytes; none of them is in the range"))?;
    let header = format!("bytes {}-{}/{size_bytes}", range.start, range.end.saturating_sub(1));
    Ok((range, Some(header)))
}
