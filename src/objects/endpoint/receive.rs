//! Receiving the body of an upload, and holding it against the length and checksums that came with it.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use hyper::{HeaderMap, StatusCode};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Error, S3ErrorCode, S3Result, StdError, TrailingHeaders, s3_error};
use sha2::{Digest, Sha256};

use super::answer::coded;
use super::headers::{announced, checked};
use crate::model::ObjectLocation;
use crate::objects::ObjectError;
use crate::objects::checksum::{Algorithm, Checksum, Hasher};
use crate::objects::local::{Staged, Writer};

/// Request header that announces which checksum comes behind the body.
const TRAILER: &str = "x-amz-trailer";

/// Request header with the algorithm of a checksum.
const ALGORITHMS: [&str; 2] = ["x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"];

/// Request header with the SHA-256 that was signed.
pub const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// A body whose length the client does not know beforehand. The front keeps it from s3s, which would ask for the
/// length, and its SHA-256 is compared with the signed one here.
#[derive(Clone)]
pub struct UnsizedBody(Arc<Mutex<Option<Body>>>);

impl UnsizedBody {
    /// Wraps a body.
    pub fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A body, with its expected length and checksums.
pub struct Upload {
    body: BoxStream<'static, Result<Bytes, StdError>>,
    length_bytes: Option<u64>,
    /// MD5 in Base64.
    md5: Option<String>,
    /// SHA-256 in hex, where no other part checks it.
    sha256: Option<String>,
    announced: Vec<(Algorithm, String)>,
    trailer: Option<(Algorithm, TrailingHeaders)>,
    wanted: Option<Algorithm>,
}

impl Upload {
    /// The body of a request, by its headers.
    pub fn new(
        headers: &HeaderMap,
        body: Option<StreamingBlob>,
        length_bytes: Option<i64>,
        trailers: Option<TrailingHeaders>,
        extensions: &hyper::http::Extensions,
    ) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let unknown = extensions.get::<UnsizedBody>().and_then(UnsizedBody::take);
        let sha256 = unknown.as_ref().and_then(|_| text(CONTENT_SHA256)).filter(|hash| hash.len() == 64);
        let trailer = text(TRAILER).and_then(|name| name.trim().strip_prefix("x-amz-checksum-"));
        let trailer = trailer.and_then(Algorithm::named).zip(trailers);
        let announced = announced(headers)?;
        if announced.len() + usize::from(trailer.is_some()) > 1 {
            return Err(s3_error!(InvalidRequest, "an upload must have one x-amz-checksum header at most"));
        }
        let length_bytes = match unknown {
            Some(_) => None,
            None => length_bytes.and_then(|n| u64::try_from(n).ok()),
        };
        Ok(Self {
            body: match unknown {
                Some(body) => body.boxed(),
                None => body.map_or_else(|| futures::stream::empty().boxed(), StreamExt::boxed),
            },
            length_bytes,
            md5: text("content-md5").map(str::to_owned),
            sha256: sha256.map(str::to_owned),
            announced,
            trailer,
            wanted: ALGORITHMS.into_iter().find_map(text).and_then(Algorithm::named),
        })
    }

    /// The body of a form, which has a length in no case.
    pub fn of_form(
        body: BoxStream<'static, Result<Bytes, StdError>>,
        md5: Option<String>,
        announced: Vec<(Algorithm, String)>,
    ) -> Self {
        Self { body, length_bytes: None, md5, sha256: None, announced, trailer: None, wanted: None }
    }

    /// Makes sure that a checksum of this kind is computed.
    pub fn want(&mut self, algorithm: Algorithm) {
        self.wanted = Some(algorithm);
    }

    /// Writes the body. Returns the checksum that was requested or announced.
    pub async fn receive(
        mut self,
        mut writer: Writer,
        object: &ObjectLocation,
    ) -> S3Result<(Staged, Option<Checksum>)> {
        let announced = self.announced.first().map(|(algorithm, _)| *algorithm);
        let sent = announced.or_else(|| self.trailer.as_ref().map(|(algorithm, _)| *algorithm));
        let mut hashers: Vec<Hasher> = Vec::new();
        // The requested checksum comes first, because the first one is stored.
        for algorithm in self.wanted.into_iter().chain(sent.filter(|sent| self.wanted != Some(*sent))) {
            hashers.push(algorithm.hasher());
        }
        let mut sha256 = self.sha256.as_ref().map(|_| Sha256::new());
        while let Some(chunk) = self.body.next().await {
            let chunk = chunk.map_err(broken)?;
            for hasher in &mut hashers {
                hasher.update(&chunk);
            }
            if let Some(sha256) = &mut sha256 {
                sha256.update(&chunk);
            }
            writer.write(&chunk).await.map_err(|e| ObjectError::io("write", object, e))?;
        }
        if self.length_bytes.is_some_and(|length| length != writer.size_bytes()) {
            return Err(s3_error!(IncompleteBody, "the length of the body differs from the one in the request"));
        }
        let staged = writer.finish().await.map_err(|e| ObjectError::io("write", object, e))?;
        let sha256 = sha256.map(|sha256| format!("{:x}", bytes::Bytes::copy_from_slice(&sha256.finalize())));
        if sha256.as_deref() != self.sha256.as_deref() {
            return Err(other_than_signed());
        }
        self.check_md5(&staged)?;
        let computed: Vec<Checksum> = hashers.into_iter().map(Hasher::finish).collect();
        self.check(&computed, object)?;
        Ok((staged, computed.into_iter().next()))
    }

    fn check_md5(&self, staged: &Staged) -> S3Result<()> {
        let Some(md5) = &self.md5 else { return Ok(()) };
        let md5 = STANDARD.decode(md5).ok().filter(|bytes| bytes.len() == 16);
        let md5 = md5.ok_or_else(|| s3_error!(InvalidDigest, "Content-MD5 is no MD5 in Base64"))?;
        if format!("{:x}", bytes::Bytes::from(md5)) == staged.md5() {
            return Ok(());
        }
        Err(s3_error!(BadDigest, "the MD5 of the body differs from the one in the request"))
    }

    fn check(&self, computed: &[Checksum], object: &ObjectLocation) -> S3Result<()> {
        let mut sent = self.announced.clone();
        if let Some((algorithm, trailers)) = &self.trailer {
            let value = trailers.read(|headers| headers.get(algorithm.header())?.to_str().ok().map(str::to_owned));
            let value = value.flatten();
            let value = value.ok_or_else(|| {
                s3_error!(InvalidRequest, "the {} that x-amz-trailer names is missing", algorithm.name())
            })?;
            sent.push((*algorithm, checked(*algorithm, &value)?));
        }
        for (algorithm, value) in sent {
            if !computed.iter().any(|sum| sum.algorithm == algorithm && sum.value == value) {
                return Err(ObjectError::WrongChecksum { object: object.clone(), algorithm: algorithm.name() }.into());
            }
        }
        Ok(())
    }
}

/// Returns the S3 error of a body that ended early: s3s checks the signatures of chunks while they are read.
pub(super) fn broken(source: StdError) -> S3Error {
    let source = match source.downcast::<S3Error>() {
        Ok(error) => return *error,
        Err(source) => source,
    };
    let text = source.to_string();
    if text.contains("Sha256Mismatch") {
        return other_than_signed();
    }
    let (code, message) = if text.contains("SignatureMismatch") {
        (S3ErrorCode::SignatureDoesNotMatch, "the signature of a chunk of the body does not match")
    } else if text.contains("FormatError") || text.contains("TooLarge") || text.contains("TooMany") {
        (S3ErrorCode::InvalidRequest, "the chunks of the body cannot be read")
    } else {
        (S3ErrorCode::IncompleteBody, "the body ended early")
    };
    let mut error = S3Error::with_message(code, message);
    error.set_source(source);
    error
}

fn other_than_signed() -> S3Error {
    coded("XAmzContentSHA256Mismatch", StatusCode::BAD_REQUEST, "the body does not have the SHA-256 that was signed")
}
