//! Uploading a file: in one request up to [`PART_BYTES`], in parts above.
//!
//! The SDK sends a checksum with every request and S3 holds the bytes against it. **Invariant**: an upload in parts is
//! either completed or aborted; one whose process dies is the bucket's lifecycle rule's to remove.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt, TryStreamExt};

use super::error::classify;
use super::unquoted;
use crate::model::ObjectLocation;
use crate::objects::{ObjectError, Published};

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
        whole(client, object, file, content_type).await?
    } else {
        in_parts(client, object, file, size_bytes, content_type).await?
    };
    Ok(Published { etag, size_bytes })
}

async fn whole(
    client: &Client,
    object: &ObjectLocation,
    file: &Path,
    content_type: &str,
) -> Result<String, ObjectError> {
    let body = ByteStream::from_path(file).await.map_err(|e| unreadable(file, e))?;
    let answer = client
        .put_object()
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
    let begun = client
        .create_multipart_upload()
        .bucket(&object.bucket)
        .key(&object.key)
        .content_type(content_type)
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .send()
        .await
        .map_err(|e| classify("upload", object, e))?;
    let upload = Upload { client, object, file, id: begun.upload_id.unwrap_or_default() };
    match upload.run(size_bytes).await {
        Ok(etag) => Ok(etag),
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

struct Upload<'a> {
    client: &'a Client,
    object: &'a ObjectLocation,
    file: &'a Path,
    id: String,
}

impl Upload<'_> {
    async fn run(&self, size_bytes: u64) -> Result<String, ObjectError> {
        let part_bytes = PART_BYTES.max(size_bytes.div_ceil(MAX_PARTS));
        let offsets =
            std::iter::successors(Some(0), |offset| Some(offset + part_bytes)).take_while(|o| *o < size_bytes);
        let mut parts: Vec<CompletedPart> = futures::stream::iter((1..).zip(offsets))
            .map(|(number, offset)| self.part(number, offset, part_bytes.min(size_bytes - offset)))
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        parts.sort_by_key(CompletedPart::part_number);
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(&self.object.bucket)
            .key(&self.object.key)
            .upload_id(&self.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await
            .map_err(|e| classify("upload", self.object, e))?;
        Ok(unquoted(answer.e_tag))
    }

    async fn part(&self, number: i32, offset: u64, length: u64) -> Result<CompletedPart, ObjectError> {
        let body = ByteStream::read_from()
            .path(self.file)
            .offset(offset)
            .length(Length::Exact(length))
            .build()
            .await
            .map_err(|e| unreadable(self.file, e))?;
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
