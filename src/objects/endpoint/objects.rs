//! Objects: stored, read, copied and deleted.

use std::io::SeekFrom;

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use s3s::dto::{
    Checksum as ChecksumDto, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition, Error, GetObjectAttributesInput,
    GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, MetadataDirective, ObjectIdentifier, ObjectPart, PutObjectInput, PutObjectOutput, Range,
    StorageClass, StreamingBlob, Timestamp, TimestampFormat,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::answer::{Conditions, etag, range, size, time};
use super::headers::{add_checksum, checksum_type, given_back, metadata, to_keep};
use super::receive::Upload;
use super::service::{Service, location};
use crate::model::ObjectLocation;
use crate::objects::checksum::{Algorithm, Checksum};
use crate::objects::local::{DeleteCondition, EndpointAttributes, PlaceCondition, Placement, Tag};
use crate::objects::{Head, OCTET_STREAM, ObjectError, Revision};

/// Bytes of an object read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Most keys in a request to delete.
const MAX_DELETED: usize = 1_000;

/// Requested bytes of an object.
struct RequestedRange {
    range: std::ops::Range<u64>,
    content_range: Option<String>,
    parts_count: Option<i32>,
}

impl RequestedRange {
    fn new(wanted: Option<Range>, part: Option<i32>, head: &Head, kept: &EndpointAttributes) -> S3Result<Self> {
        let Some(part) = part else {
            let (range, content_range) = range(wanted, head.size_bytes)?;
            return Ok(Self { range, content_range, parts_count: None });
        };
        if wanted.is_some() {
            return Err(s3_error!(InvalidRequest, "use Range or partNumber, not both"));
        }
        if kept.parts.is_empty() && part == 1 {
            return Ok(Self { range: 0..head.size_bytes, content_range: None, parts_count: None });
        }
        let index = usize::try_from(part).ok().and_then(|part| part.checked_sub(1));
        let Some((index, found)) = index.and_then(|index| Some((index, kept.parts.get(index)?))) else {
            return Err(s3_error!(InvalidPart, "the object has no part {part}; it has {}", kept.parts.len().max(1)));
        };
        let start: u64 = kept.parts.iter().take(index).map(|part| part.size_bytes).sum();
        let end = start + found.size_bytes;
        let content_range = format!("bytes {start}-{}/{}", end.saturating_sub(1), head.size_bytes);
        let parts_count = i32::try_from(kept.parts.len()).ok();
        Ok(Self { range: start..end, content_range: Some(content_range), parts_count })
    }
}

/// Sets the one field of an answer that is for this kind of checksum.
macro_rules! fill_checksum {
    ($output:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            let value = Some(checksum.value.clone());
            match checksum.algorithm {
                $crate::objects::checksum::Algorithm::Crc32 => $output.checksum_crc32 = value,
                $crate::objects::checksum::Algorithm::Crc32c => $output.checksum_crc32c = value,
                $crate::objects::checksum::Algorithm::Crc64nvme => $output.checksum_crc64nvme = value,
                $crate::objects::checksum::Algorithm::Sha1 => $output.checksum_sha1 = value,
                $crate::objects::checksum::Algorithm::Sha256 => $output.checksum_sha256 = value,
            }
        }
    };
}
pub(super) use fill_checksum;

macro_rules! conditions {
    ($input:expr) => {
        Conditions {
            matching: $input.if_match.as_ref(),
            not_matching: $input.if_none_match.as_ref(),
            modified_since: $input.if_modified_since.as_ref(),
            unmodified_since: $input.if_unmodified_since.as_ref(),
        }
    };
}

/// Conditions on the source of a copy.
macro_rules! source_conditions {
    ($input:expr) => {
        Conditions {
            matching: $input.copy_source_if_match.as_ref(),
            not_matching: $input.copy_source_if_none_match.as_ref(),
            modified_since: $input.copy_source_if_modified_since.as_ref(),
            unmodified_since: $input.copy_source_if_unmodified_since.as_ref(),
        }
    };
}
pub(super) use source_conditions;

impl Service {
    pub(super) async fn head(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let (head, kept, _) = self.open(&location(&input.bucket, &input.key), input.version_id.as_deref()).await?;
        conditions!(input).check(&head)?;
        let asked = RequestedRange::new(input.range, input.part_number, &head, &kept)?;
        let mut headers = given_back(&head, &kept, &[]);
        if asked.content_range.is_none() {
            add_checksum(&mut headers, &kept, input.checksum_mode.as_ref());
        }
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(size(asked.range.end - asked.range.start)),
            content_range: asked.content_range,
            parts_count: asked.parts_count,
            e_tag: Some(etag(&head)),
            last_modified: Some(time(head.last_modified)),
            content_type: Some(head.content_type),
            ..HeadObjectOutput::default()
        };
        let status = output.content_range.as_ref().map(|_| hyper::StatusCode::PARTIAL_CONTENT);
        Ok(S3Response { output, status, headers, extensions: hyper::http::Extensions::new() })
    }

    pub(super) async fn get(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let object = location(&input.bucket, &input.key);
        let (head, kept, file) = self.open(&object, input.version_id.as_deref()).await?;
        conditions!(input).check(&head)?;
        let asked = RequestedRange::new(input.range, input.part_number, &head, &kept)?;
        let overridden = [
            ("cache-control", input.response_cache_control.is_some()),
            ("content-disposition", input.response_content_disposition.is_some()),
            ("content-encoding", input.response_content_encoding.is_some()),
            ("content-language", input.response_content_language.is_some()),
            ("expires", input.response_expires.is_some()),
        ];
        let overridden: Vec<&str> = overridden.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        let mut headers = given_back(&head, &kept, &overridden);
        if asked.content_range.is_none() {
            add_checksum(&mut headers, &kept, input.checksum_mode.as_ref());
        }
        let mut file = tokio::fs::File::from_std(file);
        file.seek(SeekFrom::Start(asked.range.start)).await.map_err(|e| ObjectError::io("read", &object, e))?;
        let length_bytes = asked.range.end - asked.range.start;
        let body = ReaderStream::with_capacity(file.take(length_bytes), CHUNK_BYTES);
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(StreamingBlob::wrap(body)),
            content_length: Some(size(length_bytes)),
            content_range: asked.content_range,
            parts_count: asked.parts_count,
            e_tag: Some(etag(&head)),
            last_modified: Some(time(head.last_modified)),
            content_type: Some(head.content_type),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    pub(super) async fn attributes(
        &self,
        req: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let input = req.input;
        let (head, kept, _) = self.open(&location(&input.bucket, &input.key), input.version_id.as_deref()).await?;
        // Some clients send them in one header with commas.
        let asked: Vec<&str> =
            input.object_attributes.iter().flat_map(|a| a.as_str().split(',')).map(str::trim).collect();
        let known = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];
        if let Some(unknown) = asked.iter().find(|name| !known.contains(*name)) {
            return Err(s3_error!(
                InvalidArgument,
                "an object has no attribute `{unknown}`; it has {}",
                known.join(", ")
            ));
        }
        let wants = |name: &str| asked.contains(&name);
        let object_parts = wants("ObjectParts").then(|| parts_of(&kept, input.part_number_marker, input.max_parts));
        let output = GetObjectAttributesOutput {
            e_tag: wants("ETag").then(|| etag(&head)),
            checksum: kept.checksum.as_ref().filter(|_| wants("Checksum")).map(checksum_dto),
            object_parts: object_parts.flatten(),
            storage_class: wants("StorageClass").then(|| StorageClass::from_static(StorageClass::STANDARD)),
            object_size: wants("ObjectSize").then(|| size(head.size_bytes)),
            last_modified: Some(time(head.last_modified)),
            ..GetObjectAttributesOutput::default()
        };
        Ok(S3Response::new(output))
    }

    pub(super) async fn put(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let onto =
            onto(req.input.if_match.as_ref(), req.input.if_none_match.as_ref())?.unwrap_or(PlaceCondition::Anything);
        let object = location(&req.input.bucket, &req.input.key);
        let writer = self.buckets.writer(&object).await?;
        let upload =
            Upload::new(&req.headers, req.input.body, req.input.content_length, req.trailing_headers, &req.extensions)?;
        let (staged, checksum) = upload.receive(writer, &object).await?;
        let metadata = metadata(req.input.metadata);
        let placement = Placement {
            content_type: req.input.content_type.unwrap_or_else(|| OCTET_STREAM.to_owned()),
            kept: EndpointAttributes {
                headers: to_keep(&req.headers, &metadata),
                checksum: checksum.clone(),
                parts: Vec::new(),
            },
            metadata,
            onto,
            ..Placement::default()
        };
        let head = self.buckets.place(staged, &object, placement).await?;
        let mut output = PutObjectOutput {
            e_tag: Some(etag(&head)),
            size: Some(size(head.size_bytes)),
            ..PutObjectOutput::default()
        };
        fill_checksum!(output, checksum.as_ref());
        output.checksum_type = checksum.as_ref().map(|sum| checksum_type(sum.composite).to_owned().into());
        Ok(S3Response::new(output))
    }

    pub(super) async fn copy(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let onto = onto_by_headers(&req.headers)?.unwrap_or(PlaceCondition::Anything);
        let (from, source, kept, file) = self.source(&input.copy_source).await?;
        source_conditions!(input).check_source(&source)?;
        let object = location(&input.bucket, &input.key);
        let replaces = input.metadata_directive.is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
        if from == object && !replaces {
            return Err(s3_error!(
                InvalidRequest,
                "an object is copied onto itself only with other metadata (x-amz-metadata-directive: REPLACE)"
            ));
        }
        let (content_type, metadata, headers) = if replaces {
            let metadata = metadata(input.metadata);
            let headers = to_keep(&req.headers, &metadata);
            (input.content_type.unwrap_or_else(|| OCTET_STREAM.to_owned()), metadata, headers)
        } else {
            (source.content_type, source.metadata, kept.headers)
        };
        let wanted = input.checksum_algorithm.as_ref().and_then(|name| Algorithm::named(name.as_str()));
        let algorithm = wanted.or(kept.checksum.as_ref().map(|sum| sum.algorithm));
        let staged = self.buckets.copy(file, &object).await?;
        let checksum = match (algorithm, kept.checksum) {
            (None, _) => None,
            (Some(algorithm), Some(sum)) if sum.algorithm == algorithm && !sum.composite => Some(sum),
            (Some(algorithm), _) => Some(self.buckets.checksum(&staged, algorithm).await?),
        };
        let placement = Placement {
            event: "Copy",
            content_type,
            metadata,
            onto,
            kept: EndpointAttributes { headers, checksum: checksum.clone(), parts: Vec::new() },
            ..Placement::default()
        };
        let head = self.buckets.place(staged, &object, placement).await?;
        let mut result = CopyObjectResult {
            e_tag: Some(etag(&head)),
            last_modified: Some(time(head.last_modified)),
            ..CopyObjectResult::default()
        };
        fill_checksum!(result, checksum.as_ref());
        result.checksum_type = checksum.as_ref().map(|sum| checksum_type(sum.composite).to_owned().into());
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    pub(super) async fn delete(&self, input: DeleteObjectInput) -> S3Result<()> {
        no_version(input.version_id.as_deref())?;
        let only = DeleteCondition {
            etag: input.if_match.map(tag),
            size_bytes: input.if_match_size.map(|n| u64::try_from(n).unwrap_or(u64::MAX)),
            modified_s: input.if_match_last_modified_time.as_ref().map(second),
        };
        Ok(self.buckets.delete_only(&location(&input.bucket, &input.key), only).await?)
    }

    pub(super) async fn delete_many(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        let (bucket, delete) = (input.bucket, input.delete);
        if delete.objects.len() > MAX_DELETED {
            return Err(s3_error!(
                MalformedXML,
                "one request deletes at most {MAX_DELETED} objects, and this one names {}",
                delete.objects.len()
            ));
        }
        self.buckets.check_bucket(&bucket).await?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in delete.objects {
            let key = object.key.clone();
            match self.delete_one(&bucket, object).await {
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
        Ok(DeleteObjectsOutput { deleted, errors: Some(errors), request_charged: None })
    }

    async fn delete_one(&self, bucket: &str, object: ObjectIdentifier) -> Result<(), S3Error> {
        no_version(object.version_id.as_deref())?;
        let only = DeleteCondition {
            etag: object.e_tag.map(|etag| tag(ETagCondition::ETag(etag))),
            size_bytes: object.size.map(|n| u64::try_from(n).unwrap_or(u64::MAX)),
            modified_s: object.last_modified_time.as_ref().map(second),
        };
        Ok(self.buckets.delete_only(&location(bucket, &object.key), only).await?)
    }

    /// Returns the source of a copy.
    pub(super) async fn source(
        &self,
        source: &CopySource,
    ) -> S3Result<(ObjectLocation, Head, EndpointAttributes, std::fs::File)> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "the source of a copy must be a bucket and a key"));
        };
        let object = location(bucket, key);
        let (head, kept, file) = self.open(&object, version_id.as_deref()).await?;
        Ok((object, head, kept, file))
    }

    async fn open(
        &self,
        object: &ObjectLocation,
        version: Option<&str>,
    ) -> S3Result<(Head, EndpointAttributes, std::fs::File)> {
        no_version(version)?;
        Ok(self.buckets.open_kept(object, Revision::LATEST).await?)
    }
}

fn checksum_dto(checksum: &Checksum) -> ChecksumDto {
    let mut dto = ChecksumDto {
        checksum_type: Some(checksum_type(checksum.composite).to_owned().into()),
        ..ChecksumDto::default()
    };
    fill_checksum!(dto, Some(checksum));
    dto
}

fn parts_of(kept: &EndpointAttributes, marker: Option<i32>, limit: Option<i32>) -> Option<GetObjectAttributesParts> {
    if kept.parts.is_empty() {
        return None;
    }
    let after = marker.and_then(|marker| u32::try_from(marker).ok()).unwrap_or(0);
    let max_parts = limit.unwrap_or(1_000).clamp(0, 1_000);
    let rest: Vec<_> = kept.parts.iter().filter(|part| part.number > after).collect();
    let page = &rest[..rest.len().min(usize::try_from(max_parts).unwrap_or(0))];
    let part = |part: &&crate::objects::local::KeptPart| {
        let mut dto = ObjectPart {
            part_number: i32::try_from(part.number).ok(),
            size: Some(size(part.size_bytes)),
            ..ObjectPart::default()
        };
        fill_checksum!(dto, part.checksum.as_ref());
        dto
    };
    Some(GetObjectAttributesParts {
        total_parts_count: i32::try_from(kept.parts.len()).ok(),
        is_truncated: Some(page.len() < rest.len()),
        max_parts: Some(max_parts),
        part_number_marker: i32::try_from(after).ok(),
        next_part_number_marker: page.last().and_then(|part| i32::try_from(part.number).ok()),
        parts: Some(page.iter().map(part).collect()),
    })
}

/// Returns the condition of an upload on the object that it replaces, where its request has one.
pub(super) fn onto(
    matching: Option<&ETagCondition>,
    not_matching: Option<&ETagCondition>,
) -> S3Result<Option<PlaceCondition>> {
    match (matching, not_matching) {
        (None, None) => Ok(None),
        (Some(condition), None) => Ok(Some(PlaceCondition::Object(tag(condition.clone())))),
        (None, Some(ETagCondition::Any)) => Ok(Some(PlaceCondition::Nothing)),
        (None, Some(ETagCondition::ETag(etag))) => Ok(Some(PlaceCondition::Other(etag.value().to_owned()))),
        (Some(_), Some(_)) => Err(s3_error!(InvalidRequest, "use If-Match or If-None-Match, not both")),
    }
}

/// Returns the same condition of a copy, of which s3s does not read the headers.
fn onto_by_headers(headers: &HeaderMap) -> S3Result<Option<PlaceCondition>> {
    let condition = |name: HeaderName| {
        let invalid = |_| s3_error!(InvalidArgument, "{name} is `*` or the ETag of an object");
        headers.get(&name).map(|value| ETagCondition::parse_http_header(value.as_bytes()).map_err(invalid)).transpose()
    };
    onto(condition(IF_MATCH)?.as_ref(), condition(IF_NONE_MATCH)?.as_ref())
}

fn tag(condition: ETagCondition) -> Tag {
    match condition {
        ETagCondition::Any => Tag::Any,
        ETagCondition::ETag(etag) => Tag::Is(etag.into_value()),
    }
}

/// A time in whole seconds; an invalid time becomes one that no object has.
fn second(timestamp: &Timestamp) -> i64 {
    let mut text = Vec::new();
    let written = timestamp.format(TimestampFormat::EpochSeconds, &mut text);
    let whole = std::str::from_utf8(&text).ok().and_then(|text| text.split('.').next()?.parse().ok());
    written.ok().and(whole).unwrap_or(i64::MIN)
}

/// Refuses a request for a version: this endpoint keeps none, and the current object may be another one.
pub(super) fn no_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null" | "") => Ok(()),
        Some(version) => Err(s3_error!(NoSuchVersion, "this endpoint keeps no versions, so there is no `{version}`")),
    }
}
