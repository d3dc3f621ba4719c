//! The operations, each in the words of [`LocalBuckets`].

use std::collections::BTreeMap;
use std::io::SeekFrom;

#[allow(
    clippy::wildcard_imports,
    reason = "tests see it otherwise; every operation is an input and an output type of this module"
)]
use s3s::dto::*;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, TrailingHeaders, s3_error};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::answer::{Conditions, etag, range, size, time};
use super::list;
use super::receive::Upload;
use crate::model::ObjectLocation;
use crate::objects::local::{LocalBuckets, Onto, Placement};
use crate::objects::{Head, OCTET_STREAM, ObjectError, Objects, Revision};

/// Bytes of an object read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Most parts in a list, and in an upload.
const MAX_PARTS: u32 = 10_000;

/// Refuses an upload that asks for what would not be done: better than an object that is not encrypted, not tagged or not
/// where it was meant to be. Every object is of the class STANDARD, so that is no wish.
macro_rules! refuse {
    ($input:expr) => {
        let input = &$input;
        if input.server_side_encryption.is_some() || input.sse_customer_algorithm.is_some() {
            return Err(s3_error!(NotImplemented, "this endpoint does not encrypt; leave server-side encryption out"));
        }
        if input.tagging.is_some() {
            return Err(s3_error!(NotImplemented, "this endpoint has no tags; metadata can say the same"));
        }
        if input.storage_class.as_ref().is_some_and(|class| class.as_str() != StorageClass::STANDARD) {
            return Err(s3_error!(InvalidStorageClass, "this endpoint has the storage class STANDARD only"));
        }
    };
}

/// The service.
pub struct Service {
    buckets: LocalBuckets,
}

impl Service {
    /// A service over `buckets`.
    pub const fn new(buckets: LocalBuckets) -> Self {
        Self { buckets }
    }

    async fn store(&self, mut req: S3Request<PutObjectInput>, event: &'static str) -> S3Result<PutObjectOutput> {
        refuse!(req.input);
        if req.input.if_match.is_some() {
            return Err(s3_error!(NotImplemented, "If-Match on an upload is not supported"));
        }
        let onto = onto(req.input.if_none_match.as_ref())?.unwrap_or(Onto::Anything);
        let object = location(&req.input.bucket, &req.input.key);
        let writer = self.buckets.writer(&object).await?;
        let upload = Upload::of_object(&mut req);
        let trailers = req.trailing_headers;
        let (staged, checksum) = upload.receive(writer, &object, |name| trailer(trailers.as_ref(), name)).await?;
        let placement = Placement {
            event,
            etag: None,
            content_type: req.input.content_type.unwrap_or_else(|| OCTET_STREAM.to_owned()),
            metadata: metadata(req.input.metadata),
            onto,
        };
        let head = self.buckets.place(staged, &object, placement).await?;
        Ok(PutObjectOutput {
            e_tag: Some(etag(&head)),
            size: Some(size(head.size_bytes)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..PutObjectOutput::default()
        })
    }

    /// What is copied.
    async fn source(&self, source: &CopySource) -> S3Result<(Head, std::fs::File)> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "a copy's source is a bucket and a key"));
        };
        self.open(&location(bucket, key), version_id.as_deref()).await
    }

    async fn open(&self, object: &ObjectLocation, version: Option<&str>) -> S3Result<(Head, std::fs::File)> {
        let revision = Revision { version: version.filter(|v| *v != "null"), etag: None };
        Ok(self.buckets.open_object(object, revision).await?)
    }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn list_buckets(&self, _req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.buckets.buckets().await?;
        let bucket =
            |(name, made_at)| Bucket { name: Some(name), creation_date: Some(time(made_at)), ..Bucket::default() };
        let buckets = Some(buckets.into_iter().map(bucket).collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, ..ListBucketsOutput::default() }))
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = req.input.bucket;
        if !self.buckets.create_bucket(&bucket).await? {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{bucket}")) }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.buckets.check_bucket(&req.input.bucket).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.buckets.check_bucket(&req.input.bucket).await?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        if !self.buckets.remove_bucket(&req.input.bucket).await? {
            return Err(s3_error!(BucketNotEmpty, "the bucket holds objects; delete them first"));
        }
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        list::v1(&self.buckets, req.input).await.map(S3Response::new)
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        list::v2(&self.buckets, req.input).await.map(S3Response::new)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let (head, _) = self.open(&location(&input.bucket, &input.key), input.version_id.as_deref()).await?;
        let conditions = Conditions {
            matching: input.if_match.as_ref(),
            not_matching: input.if_none_match.as_ref(),
            modified_since: input.if_modified_since.as_ref(),
            unmodified_since: input.if_unmodified_since.as_ref(),
        };
        conditions.check(&head)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(size(head.size_bytes)),
            e_tag: Some(etag(&head)),
            last_modified: Some(time(head.last_modified)),
            content_type: Some(head.content_type),
            metadata: Some(head.metadata.into_iter().collect()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "objects are not read by part; use Range"));
        }
        let object = location(&input.bucket, &input.key);
        let (head, file) = self.open(&object, input.version_id.as_deref()).await?;
        let conditions = Conditions {
            matching: input.if_match.as_ref(),
            not_matching: input.if_none_match.as_ref(),
            modified_since: input.if_modified_since.as_ref(),
            unmodified_since: input.if_unmodified_since.as_ref(),
        };
        conditions.check(&head)?;
        let (range, content_range) = range(input.range, head.size_bytes)?;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(range.start)).await.map_err(|e| ObjectError::io("read", &object, e))?;
        let length_bytes = range.end - range.start;
        let body = ReaderStream::with_capacity(file.take(length_bytes), CHUNK_BYTES);
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(body)),
            content_length: Some(size(length_bytes)),
            content_range,
            content_disposition: input.response_content_disposition,
            e_tag: Some(etag(&head)),
            last_modified: Some(time(head.last_modified)),
            content_type: Some(input.response_content_type.unwrap_or(head.content_type)),
            metadata: Some(head.metadata.into_iter().collect()),
            ..GetObjectOutput::default()
        }))
    }

    // A POST form arrives here too.
    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let event = if req.method == "POST" { "Post" } else { "Put" };
        self.store(req, event).await.map(S3Response::new)
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        refuse!(input);
        let (source, file) = self.source(&input.copy_source).await?;
        let conditions = Conditions {
            matching: input.copy_source_if_match.as_ref(),
            not_matching: input.copy_source_if_none_match.as_ref(),
            modified_since: input.copy_source_if_modified_since.as_ref(),
            unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        conditions.check(&source).map_err(|_| s3_error!(PreconditionFailed, "the source does not meet a condition"))?;
        let replaces = input.metadata_directive.is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
        let (content_type, metadata) = if replaces {
            (input.content_type.unwrap_or_else(|| OCTET_STREAM.to_owned()), metadata(input.metadata))
        } else {
            (source.content_type, source.metadata)
        };
        let object = location(&input.bucket, &input.key);
        let staged = self.buckets.copy(file, &object).await?;
        let placement = Placement { event: "Copy", etag: None, content_type, metadata, onto: Onto::Anything };
        let head = self.buckets.place(staged, &object, placement).await?;
        let result = CopyObjectResult {
            e_tag: Some(etag(&head)),
            last_modified: Some(time(head.last_modified)),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.buckets.delete(&location(&req.input.bucket, &req.input.key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let (bucket, delete) = (req.input.bucket, req.input.delete);
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for ObjectIdentifier { key, .. } in delete.objects {
            match self.buckets.delete(&location(&bucket, &key)).await.map_err(S3Error::from) {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    key: Some(key),
                    version_id: None,
                }),
            }
        }
        let deleted = if delete.quiet == Some(true) { None } else { Some(deleted) };
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors: Some(errors), request_charged: None }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        refuse!(input);
        let object = location(&input.bucket, &input.key);
        let content_type = input.content_type.unwrap_or_else(|| OCTET_STREAM.to_owned());
        let upload = self.buckets.begin_upload(&object, content_type, metadata(input.metadata)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload.id),
            checksum_algorithm: input.checksum_algorithm,
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, mut req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let number = part_number(req.input.part_number)?;
        let object = location(&req.input.bucket, &req.input.key);
        let upload = self.buckets.upload(&req.input.upload_id, &object).await?;
        let writer = self.buckets.part_writer(&upload).await?;
        let body = Upload::of_part(&mut req);
        let trailers = req.trailing_headers;
        let (staged, checksum) = body.receive(writer, &object, |name| trailer(trailers.as_ref(), name)).await?;
        let md5 = staged.md5().to_owned();
        self.buckets.keep_part(&upload, number, staged).await?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(md5)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..UploadPartOutput::default()
        }))
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = req.input;
        let number = part_number(input.part_number)?;
        let object = location(&input.bucket, &input.key);
        let upload = self.buckets.upload(&input.upload_id, &object).await?;
        let (source, file) = self.source(&input.copy_source).await?;
        let conditions = Conditions {
            matching: input.copy_source_if_match.as_ref(),
            not_matching: input.copy_source_if_none_match.as_ref(),
            modified_since: input.copy_source_if_modified_since.as_ref(),
            unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        conditions.check(&source).map_err(|_| s3_error!(PreconditionFailed, "the source does not meet a condition"))?;
        let asked = input.copy_source_range.as_deref().map(Range::parse).transpose();
        let asked = asked.map_err(|_| s3_error!(InvalidArgument, "a range to copy is written bytes=FIRST-LAST"))?;
        let (range, _) = range(asked, source.size_bytes)?;
        let staged = self.buckets.copy_part(&upload, file, range).await?;
        let md5 = staged.md5().to_owned();
        self.buckets.keep_part(&upload, number, staged).await?;
        let result = CopyPartResult {
            e_tag: Some(ETag::Strong(md5)),
            last_modified: Some(time(source.last_modified)),
            ..CopyPartResult::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let upload = self.buckets.upload(&input.upload_id, &location(&input.bucket, &input.key)).await?;
        let parts = self.buckets.parts(&upload).await?;
        let after = input.part_number_marker.and_then(|marker| u32::try_from(marker).ok()).unwrap_or(0);
        let limit = usize::try_from(input.max_parts.unwrap_or(1_000)).unwrap_or(0);
        let rest: Vec<_> = parts.into_iter().filter(|part| part.number > after).collect();
        let more = rest.len() > limit;
        let page = &rest[..rest.len().min(limit)];
        let part = |part: &crate::objects::local::Part| Part {
            part_number: i32::try_from(part.number).ok(),
            e_tag: Some(ETag::Strong(part.md5.clone())),
            size: Some(size(part.size_bytes)),
            ..Part::default()
        };
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(more),
            next_part_number_marker: page.last().filter(|_| more).and_then(|part| i32::try_from(part.number).ok()),
            parts: Some(page.iter().map(part).collect()),
            ..ListPartsOutput::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let uploads = self.buckets.uploads(&input.bucket).await?;
        let uploads = uploads.into_iter().filter(|upload| upload.object.key.starts_with(&prefix));
        let upload = |upload: crate::objects::local::Upload| MultipartUpload {
            key: Some(upload.object.key),
            upload_id: Some(upload.id),
            initiated: Some(time(upload.begun_at)),
            ..MultipartUpload::default()
        };
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            is_truncated: Some(false),
            uploads: Some(uploads.map(upload).collect()),
            ..ListMultipartUploadsOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let upload = self.buckets.upload(&input.upload_id, &location(&input.bucket, &input.key)).await?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let named: Option<Vec<(u32, String)>> = parts
            .into_iter()
            .map(|part| Some((u32::try_from(part.part_number?).ok()?, part.e_tag?.into_value())))
            .collect();
        let named = named.filter(|named| !named.is_empty()).ok_or_else(|| s3_error!(MalformedXML))?;
        if !named.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let onto = onto(input.if_none_match.as_ref())?.unwrap_or(Onto::Same);
        let head = self.buckets.complete_upload(&upload, &named, onto).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&head)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let object = location(&req.input.bucket, &req.input.key);
        let upload = self.buckets.upload(&req.input.upload_id, &object).await?;
        self.buckets.abort_upload(&upload).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// What an upload may be placed onto, where its request says so.
fn onto(not_matching: Option<&ETagCondition>) -> S3Result<Option<Onto>> {
    match not_matching {
        None => Ok(None),
        Some(ETagCondition::Any) => Ok(Some(Onto::Nothing)),
        Some(_) => Err(s3_error!(NotImplemented, "If-None-Match on an upload takes `*` only")),
    }
}

fn part_number(number: i32) -> S3Result<u32> {
    let number = u32::try_from(number).ok().filter(|number| (1..=MAX_PARTS).contains(number));
    number.ok_or_else(|| s3_error!(InvalidArgument, "parts are numbered from 1 to 10000"))
}

fn location(bucket: &str, key: &str) -> ObjectLocation {
    ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() }
}

fn metadata(metadata: Option<Metadata>) -> BTreeMap<String, String> {
    metadata.unwrap_or_default().into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
}

fn trailer(trailers: Option<&TrailingHeaders>, name: &str) -> Option<String> {
    trailers?.read(|headers| headers.get(name)?.to_str().ok().map(str::to_owned)).flatten()
}
