//! Uploads in parts.

use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CopyPartResult, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Part, Range, StorageClass,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use super::answer::{Conditions, range, size, time};
use super::headers::{announced, checksum_type, metadata, to_keep};
use super::objects::{fill_checksum, onto, source_conditions};
use super::receive::Upload;
use super::service::{OWNER, Service, location, owner};
use crate::objects::OCTET_STREAM;
use crate::objects::checksum::Algorithm;
use crate::objects::local::{self, CompletionRequest, NamedPart, PlaceCondition, UploadChecksum, UploadStart};

/// Most parts of an upload.
const MAX_PARTS: u32 = 10_000;

/// Most parts, or uploads, in a list.
const MAX_LISTED: i32 = 1_000;

impl Service {
    pub(super) async fn begin(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let input = req.input;
        let summed = summed(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
        let metadata = metadata(input.metadata);
        let beginning = UploadStart {
            content_type: input.content_type.unwrap_or_else(|| OCTET_STREAM.to_owned()),
            headers: to_keep(&req.headers, &metadata),
            metadata,
            summed,
        };
        let upload = self.buckets.begin_upload(&location(&input.bucket, &input.key), beginning).await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload.id),
            checksum_algorithm: summed.map(|summed| summed.algorithm.name().to_owned().into()),
            checksum_type: summed.map(|summed| checksum_type(summed.composite).to_owned().into()),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn part(&self, req: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
        let number = part_number(req.input.part_number)?;
        let object = location(&req.input.bucket, &req.input.key);
        let upload = self.buckets.upload(&req.input.upload_id, &object).await?;
        let writer = self.buckets.part_writer(&upload).await?;
        let mut body =
            Upload::new(&req.headers, req.input.body, req.input.content_length, req.trailing_headers, &req.extensions)?;
        if let Some(summed) = upload.summed {
            body.want(summed.algorithm);
        }
        let (staged, checksum) = body.receive(writer, &object).await?;
        let md5 = staged.md5().to_owned();
        self.buckets.keep_part(&upload, number, staged, checksum.clone()).await?;
        let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(md5)), ..UploadPartOutput::default() };
        fill_checksum!(output, checksum.as_ref());
        Ok(output)
    }

    pub(super) async fn part_copy(&self, req: S3Request<UploadPartCopyInput>) -> S3Result<UploadPartCopyOutput> {
        let input = req.input;
        let number = part_number(input.part_number)?;
        let object = location(&input.bucket, &input.key);
        let upload = self.buckets.upload(&input.upload_id, &object).await?;
        let (_, source, _, file) = self.source(&input.copy_source).await?;
        source_conditions!(input).check_source(&source)?;
        let bytes = match input.copy_source_range.as_deref() {
            None => 0..source.size_bytes,
            Some(text) => copied(text, source.size_bytes)?,
        };
        let staged = self.buckets.copy_part(&upload, file, bytes).await?;
        let checksum = match upload.summed {
            Some(summed) => Some(self.buckets.checksum(&staged, summed.algorithm).await?),
            None => None,
        };
        let md5 = staged.md5().to_owned();
        self.buckets.keep_part(&upload, number, staged, checksum.clone()).await?;
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(md5)),
            last_modified: Some(time(self.buckets.now())),
            ..CopyPartResult::default()
        };
        fill_checksum!(result, checksum.as_ref());
        Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
    }

    pub(super) async fn parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let upload = self.buckets.upload(&input.upload_id, &location(&input.bucket, &input.key)).await?;
        let parts = self.buckets.parts(&upload).await?;
        let after = input.part_number_marker.and_then(|marker| u32::try_from(marker).ok()).unwrap_or(0);
        let max_parts = input.max_parts.unwrap_or(MAX_LISTED);
        let limit = usize::try_from(max_parts.min(MAX_LISTED));
        let limit = limit.map_err(|_| s3_error!(InvalidArgument, "max-parts must not be negative"))?;
        let rest: Vec<_> = parts.into_iter().filter(|part| part.number > after).collect();
        // Of a page of nothing there is no next one.
        let more = rest.len() > limit && limit > 0;
        let page = &rest[..rest.len().min(limit)];
        let part = |part: &local::Part| {
            let mut listed = Part {
                part_number: i32::try_from(part.number).ok(),
                e_tag: Some(ETag::Strong(part.md5.clone())),
                size: Some(size(part.size_bytes)),
                last_modified: Some(time(part.modified_at)),
                ..Part::default()
            };
            fill_checksum!(listed, part.checksum.as_ref());
            listed
        };
        let summed = upload.summed;
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(more),
            max_parts: Some(max_parts),
            part_number_marker: i32::try_from(after).ok(),
            next_part_number_marker: page.last().and_then(|part| i32::try_from(part.number).ok()),
            parts: Some(page.iter().map(part).collect()),
            owner: Some(owner()),
            initiator: Some(s3s::dto::Initiator { display_name: Some(OWNER.to_owned()), id: Some(OWNER.to_owned()) }),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            checksum_algorithm: summed.map(|summed| summed.algorithm.name().to_owned().into()),
            checksum_type: summed.map(|summed| checksum_type(summed.composite).to_owned().into()),
            ..ListPartsOutput::default()
        })
    }

    pub(super) async fn uploads(&self, input: ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().filter(|delimiter| !delimiter.is_empty());
        let after = (input.key_marker.clone().unwrap_or_default(), input.upload_id_marker.clone());
        let mut uploads = self.buckets.uploads(&input.bucket).await?;
        uploads.retain(|upload| upload.object.key.starts_with(&prefix));
        uploads.sort_by(|a, b| (&a.object.key, &a.id).cmp(&(&b.object.key, &b.id)));
        // Behind the key; with an identifier, behind that upload of the key.
        uploads.retain(|upload| match &after {
            (key, _) if key.is_empty() => true,
            (key, Some(id)) => (&upload.object.key, &upload.id) > (key, id),
            (key, None) => upload.object.key > *key,
        });
        let max_uploads = input.max_uploads.unwrap_or(MAX_LISTED);
        let limit = usize::try_from(max_uploads.min(MAX_LISTED));
        let limit = limit.map_err(|_| s3_error!(InvalidArgument, "max-uploads must not be negative"))?;
        let (mut listed, mut prefixes, mut next) = (Vec::new(), Vec::<String>::new(), None);
        let mut more = false;
        for upload in uploads {
            let rest = &upload.object.key[prefix.len()..];
            let group = delimiter.as_ref().and_then(|d| Some(rest.find(d.as_str())? + d.len()));
            let group = group.map(|end| format!("{prefix}{}", &rest[..end]));
            let grouped = group.is_some() && group.as_ref() == prefixes.last();
            if !grouped && listed.len() + prefixes.len() == limit {
                // Of a page of nothing there is no next one.
                more = limit > 0;
                break;
            }
            // The next page begins behind the last upload of a group.
            next = Some((upload.object.key.clone(), upload.id.clone()));
            if grouped {
                continue;
            }
            match group {
                Some(group) => prefixes.push(group),
                None => listed.push(MultipartUpload {
                    key: Some(upload.object.key),
                    upload_id: Some(upload.id),
                    initiated: Some(time(upload.begun_at)),
                    owner: Some(owner()),
                    storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
                    ..MultipartUpload::default()
                }),
            }
        }
        let next = next.filter(|_| more);
        let prefixes = prefixes.into_iter().map(|prefix| s3s::dto::CommonPrefix { prefix: Some(prefix) });
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix,
            delimiter,
            key_marker: input.key_marker,
            upload_id_marker: input.upload_id_marker,
            next_key_marker: next.as_ref().map(|(key, _)| key.clone()),
            next_upload_id_marker: next.map(|(_, id)| id),
            max_uploads: Some(max_uploads),
            is_truncated: Some(more),
            common_prefixes: Some(prefixes.collect()),
            uploads: Some(listed),
            ..ListMultipartUploadsOutput::default()
        })
    }

    pub(super) async fn complete(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let input = req.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        if parts.is_empty() {
            return Err(s3_error!(MalformedXML, "the request must name a part"));
        }
        let parts = parts.into_iter().map(named).collect::<S3Result<Vec<_>>>()?;
        if !parts.is_sorted_by(|a, b| a.number <= b.number) {
            return Err(s3_error!(InvalidPartOrder, "the parts must be in the order of their numbers"));
        }
        let completion = CompletionRequest {
            parts,
            checksums: announced(&req.headers)?,
            composite: input.checksum_type.map(|kind| kind.as_str() == ChecksumType::COMPOSITE),
            size_bytes: input.mpu_object_size.map(|n| u64::try_from(n).unwrap_or(u64::MAX)),
            onto: onto(input.if_match.as_ref(), input.if_none_match.as_ref())?.unwrap_or(PlaceCondition::Same),
        };
        let object = location(&input.bucket, &input.key);
        let done = self.buckets.complete_upload(&input.upload_id, &object, completion).await?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(done.etag)),
            checksum_type: done.checksum.as_ref().map(|sum| checksum_type(sum.composite).to_owned().into()),
            ..CompleteMultipartUploadOutput::default()
        };
        fill_checksum!(output, done.checksum.as_ref());
        Ok(output)
    }
}

/// Returns the checksum that a request asks for.
fn summed(algorithm: Option<&ChecksumAlgorithm>, kind: Option<&ChecksumType>) -> S3Result<Option<UploadChecksum>> {
    let composite = match kind.map(ChecksumType::as_str) {
        None => None,
        Some(ChecksumType::COMPOSITE) => Some(true),
        Some(ChecksumType::FULL_OBJECT) => Some(false),
        Some(other) => {
            return Err(s3_error!(InvalidRequest, "`{other}` is not a checksum type; use COMPOSITE or FULL_OBJECT"));
        }
    };
    let Some(name) = algorithm.map(ChecksumAlgorithm::as_str) else {
        return match composite {
            Some(_) => Err(s3_error!(InvalidRequest, "a checksum type needs a checksum algorithm")),
            None => Ok(None),
        };
    };
    let Some(algorithm) = Algorithm::named(name) else {
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        return Err(s3_error!(InvalidRequest, "`{name}` is not a checksum algorithm of this endpoint; it has {known}"));
    };
    // As S3: by default of the parts, but for CRC64NVME, which there is of the bytes only.
    let composite = composite.unwrap_or(algorithm != Algorithm::Crc64nvme);
    if (composite && algorithm == Algorithm::Crc64nvme) || (!composite && !algorithm.is_crc()) {
        return Err(s3_error!(
            InvalidRequest,
            "{name} does not support the checksum type {}",
            checksum_type(composite)
        ));
    }
    Ok(Some(UploadChecksum { algorithm, composite }))
}

fn named(part: CompletedPart) -> S3Result<NamedPart> {
    let sent = [
        (Algorithm::Crc32, part.checksum_crc32),
        (Algorithm::Crc32c, part.checksum_crc32c),
        (Algorithm::Crc64nvme, part.checksum_crc64nvme),
        (Algorithm::Sha1, part.checksum_sha1),
        (Algorithm::Sha256, part.checksum_sha256),
    ];
    // Some clients send an element for each, and leave most of them empty.
    let sent = sent.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value.filter(|v| !v.is_empty())?)));
    let number = part.part_number.and_then(|number| u32::try_from(number).ok());
    let (Some(number), Some(etag)) = (number, part.e_tag) else {
        return Err(s3_error!(MalformedXML, "a part needs PartNumber and ETag"));
    };
    Ok(NamedPart { number, etag: etag.into_value(), checksums: sent.collect() })
}

/// The bytes of a source that are copied: all of them must be there.
fn copied(text: &str, size_bytes: u64) -> S3Result<std::ops::Range<u64>> {
    let invalid = || s3_error!(InvalidArgument, "a range to copy must be bytes=FIRST-LAST");
    let (first, last) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(invalid)?;
    let last: u64 = last.parse().map_err(|_| invalid())?;
    first.parse::<u64>().map_err(|_| invalid())?;
    let asked = Range::parse(text).map_err(|_| invalid())?;
    if last >= size_bytes {
        return Err(s3_error!(
            InvalidArgument,
            "the range {text} ends beyond the source, which has {size_bytes} bytes"
        ));
    }
    range(Some(asked), size_bytes).map(|(bytes, _)| bytes)
}

fn part_number(number: i32) -> S3Result<u32> {
    let number = u32::try_from(number).ok().filter(|number| (1..=MAX_PARTS).contains(number));
    number.ok_or_else(|| s3_error!(InvalidArgument, "parts are numbered from 1 to 10000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_types_are_those_of_s3() {
        let of = |algorithm: &str, kind: Option<&str>| {
            let kind = kind.map(|kind| ChecksumType::from(kind.to_owned()));
            summed(Some(&ChecksumAlgorithm::from(algorithm.to_owned())), kind.as_ref()).map(|s| s.map(|s| s.composite))
        };
        assert!(matches!(of("SHA256", None), Ok(Some(true))));
        assert!(matches!(of("CRC32", None), Ok(Some(true))));
        assert!(matches!(of("CRC32", Some("FULL_OBJECT")), Ok(Some(false))));
        assert!(matches!(of("CRC64NVME", None), Ok(Some(false))));
        for (algorithm, kind) in
            [("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE"), ("MD4", "COMPOSITE"), ("CRC32", "HALF")]
        {
            assert!(of(algorithm, Some(kind)).is_err(), "{algorithm} {kind}");
        }
        assert!(summed(None, Some(&ChecksumType::from_static(ChecksumType::COMPOSITE))).is_err());
    }

    #[test]
    fn a_range_to_copy_lies_within_the_source() {
        assert_eq!(copied("bytes=0-9", 10).unwrap(), 0..10);
        for wrong in ["bytes=0-10", "bytes=10-12", "bytes=5-4", "0-9", "bytes=0-", "bytes=-3", "bytes=a-b", ""] {
            assert!(copied(wrong, 10).is_err(), "{wrong}");
        }
    }
}
