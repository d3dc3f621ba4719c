//! Access rules: requests without a signature, and requests for what this endpoint does not support.
//!
//! **Invariant**: what an upload asks for is done or refused, and never passed over: an object that is not encrypted,
//! not locked or readable by others than its client thinks is worse than an error.

use hyper::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::path::S3Path;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::objects::local::LocalBuckets;

/// Access lists that are accepted, because they match the behaviour of this endpoint.
const PRIVATE: [&str; 2] = ["private", "bucket-owner-full-control"];

/// Unsupported headers: their prefix, and the message for the client.
const REFUSED: [(&str, &str); 11] = [
    ("x-amz-server-side-encryption", "this endpoint does not encrypt; leave server-side encryption out"),
    ("x-amz-copy-source-server-side-encryption", "this endpoint does not encrypt; leave server-side encryption out"),
    ("x-amz-grant-", "this endpoint has no access lists; every object is its owner's alone"),
    ("x-amz-object-lock-", "this endpoint does not lock objects; leave the lock out"),
    ("x-amz-bucket-object-lock-", "this endpoint does not lock objects; leave the lock out"),
    ("x-amz-website-redirect-location", "this endpoint serves no websites; leave the redirect out"),
    ("x-amz-write-offset-bytes", "this endpoint does not append; upload the whole object"),
    ("x-amz-expected-bucket-owner", "this endpoint has one owner without an account; leave the expected owner out"),
    (
        "x-amz-source-expected-bucket-owner",
        "this endpoint has one owner without an account; leave the expected owner out",
    ),
    ("x-amz-object-annotation", "this endpoint has no annotations; use metadata instead"),
    ("x-amz-rename-source", "this endpoint does not rename; copy the object and delete the old one"),
];

/// Refuses a header, or a field of a form, that requests an unsupported feature.
pub fn check_header(name: &str, value: &str) -> S3Result<()> {
    match name {
        "x-amz-acl" | "acl" if !PRIVATE.contains(&value) => Err(s3_error!(
            NotImplemented,
            "this endpoint has no access lists; every object is private, and `{value}` is not supported"
        )),
        "x-amz-tagging" | "tagging" if !value.is_empty() => {
            Err(s3_error!(NotImplemented, "this endpoint has no tags; use metadata instead"))
        }
        "x-amz-storage-class" if value != "STANDARD" => {
            Err(s3_error!(InvalidStorageClass, "this endpoint has the storage class STANDARD only"))
        }
        "x-amz-bucket-object-lock-enabled" if value.eq_ignore_ascii_case("false") => Ok(()),
        _ => match REFUSED.iter().find(|(start, _)| name.starts_with(start)) {
            Some((_, why)) => Err(S3Error::with_message(S3ErrorCode::NotImplemented, *why)),
            None => Ok(()),
        },
    }
}

pub(super) fn check_headers(headers: &HeaderMap) -> S3Result<()> {
    let wishes = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-"));
    wishes.into_iter().try_for_each(|(name, value)| check_header(name.as_str(), value.to_str().unwrap_or_default()))
}

/// The rule for every request that s3s serves.
pub struct Access {
    buckets: LocalBuckets,
}

impl Access {
    /// A rule for `buckets`.
    pub const fn new(buckets: LocalBuckets) -> Self {
        Self { buckets }
    }

    /// Returns the error of a request without a signature: as in S3, it reveals whether the bucket exists, but nothing
    /// about its keys.
    pub async fn unsigned(buckets: &LocalBuckets, bucket: Option<&str>) -> S3Error {
        if let Some(bucket) = bucket
            && let Err(error) = buckets.check_bucket(bucket).await
            && error.is_not_found()
        {
            return error.into();
        }
        s3_error!(AccessDenied, "the request is not signed; sign it with the key pair of this endpoint")
    }
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        if request.credentials().is_none() {
            let bucket = match request.s3_path() {
                S3Path::Root => None,
                S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => Some(bucket.as_ref()),
            };
            return Err(Self::unsigned(&self.buckets, bucket).await);
        }
        check_headers(request.headers())
    }
}
