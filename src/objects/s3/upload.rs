//! Uploading a file, or what comes in: in one request up to [`PART_BYTES`], in parts above.
//!
//! The SDK sends a checksum with every request and S3 checks the bytes with it. **Invariant**: an upload in parts is
//! either completed or aborted; one whose process dies is the bucket's lifecycle rule's to remove.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::error::classify;
use super::unquoted;
use crate::model::ObjectLocation;
use crate::objects::{BoxError, Incoming, ObjectError, Published};

/// Largest upload in one request, and smallest part, in bytes.
pub const PART_BYTES: u64 = 16 * 1024 * 1024;

/// Most parts of an upload.
const MAX_PARTS: u64 = 10_000;

/// Parts on their way at once.
const CONCURRENCY: usize = 4;

/// Uploads `file` as `object`.
pub async fn upload(
    client: &Client,
    object: &ObjectLocation,
    file: &Path,
    content_type: &str,
) -> Result<Published, ObjectError> {
    let size_bytes = tokio::fs::metadata(file).await.map_err(|e| ObjectError::io("read", file.display(), e))?.len();
    let etag = if size_bytes <= PART_BYTES {
        let body = ByteStream::from_path(file).await.map_err(|e| unreadable(file, e))?;
        whole(client, object, body, content_type, false).await?
    } else {
        in_parts(client, object, file, size_bytes, content_type).await?
    };
    Ok(Published { etag, size_bytes })
}

/// Uploads a stream as `object`; at most one part of it is in memory.
pub async fn receive(client: &Client, object: &ObjectLocation, body: Incoming) -> Result<Published, ObjectError> {
    let only_new = body.only_new;
    receive_any(client, object, body).await.map_err(|error| match error {
        ObjectError::Changed { object } if only_new => ObjectError::Precondition { object },
        error => error,
    })
}

async fn receive_any(client: &Client, object: &ObjectLocation, body: Incoming) -> Result<Published, ObjectError> {
    let Incoming { content_type, size_bytes: announced, only_new, bytes } = body;
    let part_bytes = usize::try_from(part_size(announced.unwrap_or(0))).unwrap_or(usize::MAX);
    let mut parts = PartReader { object, bytes, left: BytesMut::new(), part_bytes };
    let first = parts.next().await?;
    if first.len() < part_bytes {
        let size_bytes = first.len() as u64;
        Incoming::check(announced, size_bytes, object)?;
        let etag = whole(client, object, first.into(), &content_type, only_new).await?;
        return Ok(Published { etag, size_bytes });
    }
    let upload = Upload::begin(client, object, &content_type, only_new).await?;
    let received = upload.stream(first, parts, announced).await;
    upload.or_abort(received).await
}

/// Bytes of each part of an upload of `size_bytes`.
fn part_size(size_bytes: u64) -> u64 {
    PART_BYTES.max(size_bytes.div_ceil(MAX_PARTS))
}

/// Body that is uploaded in parts.
struct PartReader<'a> {
    object: &'a ObjectLocation,
    bytes: BoxStream<'static, Result<Bytes, BoxError>>,
    /// Received bytes that are in no part yet.
    left: BytesMut,
    part_bytes: usize,
}

impl PartReader<'_> {
    /// The next part, all of one size but the last; empty behind that.
    async fn next(&mut self) -> Result<Bytes, ObjectError> {
        while self.left.len() < self.part_bytes {
            let Some(chunk) = self.bytes.next().await else { break };
            self.left.extend_from_slice(&chunk.map_err(|e| Incoming::broken(self.object, e))?);
        }
        Ok(self.left.split_to(self.left.len().min(self.part_bytes)).freeze())
    }
}

async fn whole(
    client: &Client,
    object: &ObjectLocation,
    body: ByteStream,
    content_type: &str,
    only_new: bool,
) -> Result<String, ObjectError> {
    let answer = client
        .put_object()
        .set_if_none_match(only_new.then(|| "*".to_owned()))
        .bucket(&object.bucket)
        .key(&object.key)
        .content_type(content_type)
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .body(body)
        .send()
        .await
        .map_err(|e| classify("upload", object, e))?;
    Ok(unquoted(answer.e_tag))
}

async fn in_parts(
    client: &Client,
    object: &ObjectLocation,
    file: &Path,
    size_bytes: u64,
    content_type: &str,
) -> Result<String, ObjectError> {
    let upload = Upload::begin(client, object, content_type, false).await?;
    let uploaded = upload.file(file, size_bytes).await;
    upload.or_abort(uploaded).await
}

/// An upload in parts.
struct Upload<'a> {
    client: &'a Client,
    object: &'a ObjectLocation,
    id: String,
    only_new: bool,
}

impl<'a> Upload<'a> {
    async fn begin(
        client: &'a Client,
        object: &'a ObjectLocation,
        content_type: &str,
        only_new: bool,
    ) -> Result<Self, ObjectError> {
        let begun = client
            .create_multipart_upload()
            .bucket(&object.bucket)
            .key(&object.key)
            .content_type(content_type)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await
            .map_err(|e| classify("upload", object, e))?;
        Ok(Self { client, object, id: begun.upload_id.unwrap_or_default(), only_new })
    }

    /// All parts of a file, several at once.
    async fn file(&self, file: &Path, size_bytes: u64) -> Result<String, ObjectError> {
        let part_bytes = part_size(size_bytes);
        let offsets =
            std::iter::successors(Some(0), |offset| Some(offset + part_bytes)).take_while(|o| *o < size_bytes);
        let mut parts: Vec<CompletedPart> = futures::stream::iter((1..).zip(offsets))
            .map(|(number, offset)| self.file_part(file, number, offset, part_bytes.min(size_bytes - offset)))
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        parts.sort_by_key(CompletedPart::part_number);
        self.complete(parts).await
    }

    /// Uploads all parts of a stream one after another: `first`, and the rest.
    async fn stream(
        &self,
        first: Bytes,
        mut rest: PartReader<'_>,
        announced: Option<u64>,
    ) -> Result<Published, ObjectError> {
        let (mut part, mut done, mut size_bytes) = (first, Vec::new(), 0);
        while !part.is_empty() {
            size_bytes += part.len() as u64;
            let number = i32::try_from(done.len() + 1).unwrap_or(i32::MAX);
            done.push(self.part(number, part.into()).await?);
            part = rest.next().await?;
        }
        Incoming::check(announced, size_bytes, self.object)?;
        Ok(Published { etag: self.complete(done).await?, size_bytes })
    }

    async fn file_part(
        &self,
        file: &Path,
        number: i32,
        offset: u64,
        length: u64,
    ) -> Result<CompletedPart, ObjectError> {
        let body = ByteStream::read_from()
            .path(file)
            .offset(offset)
            .length(Length::Exact(length))
            .build()
            .await
            .map_err(|e| unreadable(file, e))?;
        self.part(number, body).await
    }

    async fn part(&self, number: i32, body: ByteStream) -> Result<CompletedPart, ObjectError> {
        let answer = self
            .client
            .upload_part()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&self.id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(body)
            .send()
            .await
            .map_err(|e| classify("upload", self.object, e))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .build())
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> Result<String, ObjectError> {
        let answer = self
            .client
            .complete_multipart_upload()
            .set_if_none_match(self.only_new.then(|| "*".to_owned()))
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&self.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await
            .map_err(|e| classify("upload", self.object, e))?;
        Ok(unquoted(answer.e_tag))
    }

    /// The outcome; the upload is aborted where it is an error.
    async fn or_abort<T>(&self, outcome: Result<T, ObjectError>) -> Result<T, ObjectError> {
        if outcome.is_err() {
            self.abort().await;
        }
        outcome
    }

    async fn abort(&self) {
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&self.id)
            .send()
            .await;
        if let Err(error) = answer {
            let error = classify("abort", self.object, error);
            tracing::warn!(object = %self.object, %error, "an unfinished upload could not be aborted");
        }
    }
}

fn unreadable(file: &Path, error: aws_sdk_s3::primitives::ByteStreamError) -> ObjectError {
    ObjectError::io("read", file.display(), std::io::Error::other(error))
}
