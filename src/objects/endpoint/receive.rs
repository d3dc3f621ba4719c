//! Receiving the body of an upload, and holding it against the length and checksums that came with it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, ChecksumAlgorithm, PutObjectInput, StreamingBlob, UploadPartInput};
use s3s::{S3Error, S3Request, S3Result, s3_error};

use crate::model::ObjectLocation;
use crate::objects::ObjectError;
use crate::objects::local::{Staged, Writer};

/// Request header that announces which checksum comes behind the body.
const TRAILER: &str = "x-amz-trailer";

/// A body, and what it must be.
pub struct Upload {
    body: StreamingBlob,
    length_bytes: Option<u64>,
    /// MD5 in Base64.
    md5: Option<String>,
    /// Checksums in Base64.
    announced: Checksum,
    algorithms: Vec<String>,
}

macro_rules! upload_of {
    ($request:expr) => {{
        let algorithm = $request.input.checksum_algorithm.as_ref().map(|a| a.as_str().to_owned());
        let trailer = $request.headers.get(TRAILER).and_then(|value| value.to_str().ok());
        let trailer = trailer.and_then(|name| name.strip_prefix("x-amz-checksum-")).map(str::to_uppercase);
        Upload {
            body: $request
                .input
                .body
                .take()
                .unwrap_or_else(|| StreamingBlob::wrap(futures::stream::empty::<S3Result<_>>())),
            length_bytes: $request.input.content_length.and_then(|n| u64::try_from(n).ok()),
            md5: $request.input.content_md5.take(),
            announced: Checksum {
                checksum_crc32: $request.input.checksum_crc32.take(),
                checksum_crc32c: $request.input.checksum_crc32c.take(),
                checksum_crc64nvme: $request.input.checksum_crc64nvme.take(),
                checksum_sha1: $request.input.checksum_sha1.take(),
                checksum_sha256: $request.input.checksum_sha256.take(),
                checksum_type: None,
            },
            algorithms: algorithm.into_iter().chain(trailer).collect(),
        }
    }};
}

impl Upload {
    /// The body of a whole object.
    pub fn of_object(request: &mut S3Request<PutObjectInput>) -> Self {
        upload_of!(request)
    }

    /// The body of a part.
    pub fn of_part(request: &mut S3Request<UploadPartInput>) -> Self {
        upload_of!(request)
    }

    /// Writes the body; `trailer` gives the checksum that came behind it. Answers with the checksums computed.
    pub async fn receive(
        mut self,
        mut writer: Writer,
        object: &ObjectLocation,
        trailer: impl FnOnce(&str) -> Option<String>,
    ) -> S3Result<(Staged, Checksum)> {
        let mut hasher = self.hasher();
        while let Some(chunk) = self.body.next().await {
            let chunk = chunk.map_err(|e| S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, e))?;
            hasher.update(&chunk);
            writer.write(&chunk).await.map_err(|e| ObjectError::io("write", object, e))?;
        }
        if self.length_bytes.is_some_and(|length| length != writer.size_bytes()) {
            return Err(s3_error!(IncompleteBody));
        }
        let staged = writer.finish().await.map_err(|e| ObjectError::io("write", object, e))?;
        self.check_md5(&staged)?;
        let computed = hasher.finalize();
        check(&computed, &self.announced, trailer)?;
        Ok((staged, computed))
    }

    fn hasher(&self) -> ChecksumHasher {
        let wanted = |name: &str, announced: &Option<String>| {
            announced.is_some() || self.algorithms.iter().any(|algorithm| algorithm == name)
        };
        let a = &self.announced;
        ChecksumHasher {
            crc32: wanted(ChecksumAlgorithm::CRC32, &a.checksum_crc32).then(Default::default),
            crc32c: wanted(ChecksumAlgorithm::CRC32C, &a.checksum_crc32c).then(Default::default),
            crc64nvme: wanted(ChecksumAlgorithm::CRC64NVME, &a.checksum_crc64nvme).then(Default::default),
            sha1: wanted(ChecksumAlgorithm::SHA1, &a.checksum_sha1).then(Default::default),
            sha256: wanted(ChecksumAlgorithm::SHA256, &a.checksum_sha256).then(Default::default),
        }
    }

    fn check_md5(&self, staged: &Staged) -> S3Result<()> {
        let Some(md5) = &self.md5 else { return Ok(()) };
        let md5 = STANDARD.decode(md5).map_err(|_| s3_error!(InvalidDigest))?;
        if format!("{:x}", bytes::Bytes::from(md5)) == staged.md5() {
            return Ok(());
        }
        Err(s3_error!(BadDigest, "the body does not have the MD5 that came with it"))
    }
}

fn check(computed: &Checksum, announced: &Checksum, trailer: impl FnOnce(&str) -> Option<String>) -> S3Result<()> {
    let pairs = [
        ("crc32", &computed.checksum_crc32, &announced.checksum_crc32),
        ("crc32c", &computed.checksum_crc32c, &announced.checksum_crc32c),
        ("crc64nvme", &computed.checksum_crc64nvme, &announced.checksum_crc64nvme),
        ("sha1", &computed.checksum_sha1, &announced.checksum_sha1),
        ("sha256", &computed.checksum_sha256, &announced.checksum_sha256),
    ];
    let behind = pairs.iter().find(|(_, computed, announced)| computed.is_some() && announced.is_none());
    let behind = behind.and_then(|(name, computed, _)| Some((computed, trailer(&format!("x-amz-checksum-{name}"))?)));
    let trailer_matches = behind.is_none_or(|(computed, announced)| computed.as_ref() == Some(&announced));
    let headers_match = pairs.iter().all(|(_, computed, announced)| announced.is_none() || computed == announced);
    if trailer_matches && headers_match {
        return Ok(());
    }
    Err(s3_error!(BadDigest, "the body does not have the checksum that came with it"))
}
