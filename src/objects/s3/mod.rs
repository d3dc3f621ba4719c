//! Buckets of S3, or of anything that speaks its protocol.
//!
//! Deliberately absent: caching and retries of our own; the SDK retries what can be retried.

mod error;
mod upload;

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use bytes::Bytes;

use self::error::classify;
use super::aws::{AwsOptions, sdk_config};
use super::{Entry, Head, Incoming, Listing, OCTET_STREAM, ObjectError, Objects, Published, Revision};
use crate::model::{ObjectLocation, Timestamp};

/// Largest page that S3 lists.
const MAX_PAGE: usize = 1_000;

/// Buckets of S3.
#[derive(Clone, Debug)]
pub struct S3Buckets {
    client: Client,
}

impl S3Buckets {
    /// Buckets of the S3 that `options` and the environment name. `path_style` puts the bucket into the path instead
    /// of the host name, as most storage that is not Amazon's needs it. Nothing is asked over the network yet.
    pub async fn new(options: &AwsOptions, path_style: bool) -> Self {
        let config = sdk_config(options).await;
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
        Self { client: Client::from_conf(config) }
    }

    /// HEAD answers 404 for a missing bucket and for a missing object alike.
    async fn missing(&self, object: &ObjectLocation) -> ObjectError {
        match self.client.head_bucket().bucket(&object.bucket).send().await {
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 404) => {
                ObjectError::NoBucket { bucket: object.bucket.clone(), object: Some(object.clone()) }
            }
            _ => ObjectError::NoObject { object: object.clone() },
        }
    }
}

#[async_trait]
impl Objects for S3Buckets {
    async fn head(&self, object: &ObjectLocation, revision: Revision<'_>) -> Result<Head, ObjectError> {
        let answer = self
            .client
            .head_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(revision.version.map(str::to_owned))
            .set_if_match(revision.etag.map(quoted))
            .send()
            .await;
        let head = match answer.map_err(|e| classify("look up", object, e)) {
            Err(ObjectError::NoObject { .. }) => return Err(self.missing(object).await),
            answer => answer?,
        };
        let metadata = head.metadata.unwrap_or_default();
        Ok(Head {
            size_bytes: unsigned(head.content_length),
            etag: unquoted(head.e_tag),
            version: head.version_id,
            content_type: head.content_type.unwrap_or_else(|| OCTET_STREAM.to_owned()),
            metadata: metadata.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect(),
            last_modified: timestamp(head.last_modified),
        })
    }

    async fn read(
        &self,
        object: &ObjectLocation,
        revision: Revision<'_>,
        range: Range<u64>,
    ) -> Result<Bytes, ObjectError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let answer = self
            .client
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(revision.version.map(str::to_owned))
            .set_if_match(revision.etag.map(quoted))
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .send()
            .await;
        let answer = match answer {
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 416) => return Ok(Bytes::new()),
            answer => answer.map_err(|e| classify("read", object, e))?,
        };
        let bytes = answer.body.collect().await.map_err(|e| ObjectError::Unreachable { source: e.into() })?;
        Ok(bytes.into_bytes())
    }

    async fn open_local(
        &self,
        _object: &ObjectLocation,
        _revision: Revision<'_>,
    ) -> Result<Option<std::fs::File>, ObjectError> {
        Ok(None)
    }

    async fn publish(
        &self,
        object: &ObjectLocation,
        file: &Path,
        content_type: &str,
    ) -> Result<Published, ObjectError> {
        upload::upload(&self.client, object, file, content_type).await
    }

    async fn receive(&self, object: &ObjectLocation, body: Incoming) -> Result<Published, ObjectError> {
        upload::receive(&self.client, object, body).await
    }

    async fn delete(&self, object: &ObjectLocation) -> Result<(), ObjectError> {
        let answer = self.client.delete_object().bucket(&object.bucket).key(&object.key).send().await;
        match answer.map_err(|e| classify("delete", object, e)) {
            Ok(_) | Err(ObjectError::NoObject { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing, ObjectError> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(i32::try_from(limit.min(MAX_PAGE)).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|e| classify("list", &location(bucket, prefix), e))?;
        let objects: Vec<Entry> = answer
            .contents
            .unwrap_or_default()
            .into_iter()
            .map(|object| Entry {
                key: object.key.unwrap_or_default(),
                size_bytes: unsigned(object.size),
                etag: unquoted(object.e_tag),
                last_modified: timestamp(object.last_modified),
            })
            .collect();
        let more = answer.is_truncated.unwrap_or_default();
        let next = objects.last().filter(|_| more).map(|object| object.key.clone());
        Ok(Listing { objects, next })
    }

    async fn ensure_bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        if self.client.head_bucket().bucket(bucket).send().await.is_ok() {
            return Ok(());
        }
        let region = self.client.config().region().map(ToString::to_string).filter(|r| r != "us-east-1");
        let place = region.map(|region| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region.as_str()))
                .build()
        });
        match self.client.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await {
            Err(e) if matches!(e.code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) => Ok(()),
            answer => answer.map(drop).map_err(|e| classify("make", &location(bucket, ""), e)),
        }
    }
}

fn location(bucket: &str, key: &str) -> ObjectLocation {
    ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() }
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn unquoted(etag: Option<String>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn unsigned(size_bytes: Option<i64>) -> u64 {
    size_bytes.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

fn timestamp(time: Option<DateTime>) -> Timestamp {
    Timestamp(
        time.map_or(0, |t| t.secs().saturating_mul(1_000_000).saturating_add(i64::from(t.subsec_nanos() / 1_000))),
    )
}
