//! POST forms: a browser uploads a file with a form that the owner of the key pair signed.
//!
//! **Invariant**: the fields, which stand before the file, are bounded and checked before a byte of the file is taken;
//! the file goes to disk as it comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{Stream, StreamExt, TryStreamExt};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{CONTENT_TYPE, ETAG, HOST, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use multer::{Field, Multipart};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use s3s::{Body, HttpResponse, S3Error, S3Result, s3_error};
use sha1::Sha1;
use sha2::Sha256;

use super::access::{Access, check_header};
use super::front::escaped;
use super::headers::{GIVEN_BACK, META, checked, keep};
use super::hosts::BucketHosts;
use super::keys::KeyPair;
use super::policy::{FILE_NAME, Policy};
use super::receive::Upload;
use super::service::location;
use crate::objects::checksum::Algorithm;
use crate::objects::local::{EndpointAttributes, LocalBuckets, Placement, unhex};
use crate::objects::{Head, OCTET_STREAM};

/// Most bytes of all fields.
const MAX_FIELDS_BYTES: usize = 256 * 1024;

/// Most fields.
const MAX_FIELDS: usize = 100;

/// Largest file in bytes, as in S3: 5 GiB.
const MAX_FILE_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Most bytes that are read before the signature of the form is checked: its fields, and the part of the file that
/// arrived with them.
const MAX_UNSIGNED_BYTES: usize = 1024 * 1024;

/// Handler of forms.
pub struct Forms {
    buckets: LocalBuckets,
    keys: KeyPair,
    hosts: BucketHosts,
}

impl Forms {
    /// Forms that are signed with `keys`.
    pub const fn new(buckets: LocalBuckets, keys: KeyPair, hosts: BucketHosts) -> Self {
        Self { buckets, keys, hosts }
    }

    /// Returns whether a request is a form.
    pub fn is_form(parts: &Parts) -> bool {
        parts.method == Method::POST && content_type(parts).to_ascii_lowercase().starts_with("multipart/form-data")
    }

    /// Stores the file of a form, and answers as its fields request.
    pub async fn take(&self, parts: Parts, body: Body) -> S3Result<HttpResponse> {
        let bucket = self.bucket(&parts)?;
        let boundary = multer::parse_boundary(content_type(&parts));
        let boundary = boundary.map_err(|e| s3_error!(MalformedPOSTRequest, "the form has no boundary: {e}"))?;
        let trusted = Arc::new(AtomicBool::new(false));
        let mut form = Multipart::new(bounded(body, Arc::clone(&trusted)), boundary);
        let (mut fields, file) = fields(&mut form).await?;
        let name = file.as_ref().and_then(Field::file_name).unwrap_or_default();
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let policy = self.authorize(&fields, &bucket, &name).await?;
        trusted.store(true, Ordering::Relaxed);
        let file = file.ok_or_else(|| s3_error!(InvalidArgument, "the form has no field `file` with the file"))?;
        fields.iter().try_for_each(|(name, value)| check_header(name, value))?;
        for value in fields.values_mut() {
            *value = value.replace(FILE_NAME, &name);
        }
        let key = fields.get("key").filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| s3_error!(InvalidArgument, "the form has no field `key`"))?.clone();
        let head = self.store(&bucket, &key, &fields, &policy, file).await?;
        answer(&parts, &bucket, &key, &fields, &head)
    }

    fn bucket(&self, parts: &Parts) -> S3Result<String> {
        let path = percent_decode_str(parts.uri.path()).decode_utf8().map_err(|_| s3_error!(InvalidURI))?;
        let path = path.trim_matches('/');
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        match self.hosts.bucket(host) {
            Some(bucket) if path.is_empty() => Ok(bucket.to_owned()),
            None if !path.is_empty() && !path.contains('/') => Ok(path.to_owned()),
            _ => Err(s3_error!(MethodNotAllowed, "a form is sent to a bucket, and names its key in a field")),
        }
    }

    /// Checks the signature and the policy of a form.
    async fn authorize(&self, fields: &BTreeMap<String, String>, bucket: &str, file: &str) -> S3Result<Policy> {
        let field = |name: &str| fields.get(name).map(String::as_str);
        let (v4, v2, text) = (field("x-amz-signature"), field("signature"), field("policy"));
        let Some(text) = text else {
            if v4.is_none() && v2.is_none() {
                return Err(Access::unsigned(&self.buckets, Some(bucket)).await);
            }
            return Err(s3_error!(InvalidArgument, "the form is signed and has no policy"));
        };
        let needed = |name: &'static str| {
            field(name).ok_or_else(|| s3_error!(InvalidArgument, "the form has no field `{name}` beside its policy"))
        };
        let is_signed = match (v4, v2) {
            (Some(signature), _) => {
                if needed("x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
                    return Err(s3_error!(InvalidArgument, "a form is signed with AWS4-HMAC-SHA256"));
                }
                let (credential, date) = (needed("x-amz-credential")?, needed("x-amz-date")?);
                let scope: Vec<&str> = credential.split('/').collect();
                let [key, day, region, service, "aws4_request"] = scope[..] else {
                    return Err(s3_error!(
                        InvalidArgument,
                        "x-amz-credential is written KEY/DAY/REGION/s3/aws4_request"
                    ));
                };
                self.check_key(key)?;
                date.starts_with(day) && self.is_signed_v4(text, signature, [day, region, service])
            }
            (None, Some(signature)) => {
                self.check_key(needed("awsaccesskeyid")?)?;
                self.is_signed_v2(text, signature)
            }
            (None, None) => return Err(s3_error!(InvalidArgument, "the form has a policy and no signature")),
        };
        if !is_signed {
            return Err(s3_error!(
                SignatureDoesNotMatch,
                "the signature is not that of the form's policy; sign it again"
            ));
        }
        let policy = Policy::parse(text)?;
        self.buckets.check_bucket(bucket).await?;
        if field("bucket").is_some_and(|named| named != bucket) {
            return Err(s3_error!(AccessDenied, "the form names another bucket than the one that it was sent to"));
        }
        // Checked before the policy, for a clearer message: the form itself is incomplete.
        if field("key").is_none() {
            return Err(s3_error!(InvalidArgument, "the form has no field `key`"));
        }
        policy.check(fields, bucket, file, self.buckets.now())?;
        Ok(policy)
    }

    fn check_key(&self, access_key: &str) -> S3Result<()> {
        if access_key == self.keys.access_key_id {
            return Ok(());
        }
        Err(s3_error!(InvalidAccessKeyId, "this endpoint does not know the access key; sign with its own key pair"))
    }

    fn is_signed_v4(&self, policy: &str, signature: &str, scope: [&str; 3]) -> bool {
        let mut key = format!("AWS4{}", self.keys.secret_access_key).into_bytes();
        for part in scope.into_iter().chain(["aws4_request"]) {
            let Ok(mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
            key = mac.chain_update(part).finalize().into_bytes().to_vec();
        }
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        mac.chain_update(policy).verify_slice(&unhex(signature)).is_ok()
    }

    fn is_signed_v2(&self, policy: &str, signature: &str) -> bool {
        use base64::Engine;
        let Ok(signature) = base64::engine::general_purpose::STANDARD.decode(signature) else { return false };
        let Ok(mac) = Hmac::<Sha1>::new_from_slice(self.keys.secret_access_key.as_bytes()) else { return false };
        mac.chain_update(policy).verify_slice(&signature).is_ok()
    }

    async fn store(
        &self,
        bucket: &str,
        key: &str,
        fields: &BTreeMap<String, String>,
        policy: &Policy,
        file: Field<'static>,
    ) -> S3Result<Head> {
        let object = location(bucket, key);
        let allowed = policy.length_bytes();
        let max_bytes = MAX_FILE_BYTES.min(*allowed.end());
        let mut announced = Vec::new();
        for algorithm in Algorithm::ALL {
            if let Some(value) = fields.get(algorithm.header()) {
                announced.push((algorithm, checked(algorithm, value)?));
            }
        }
        let writer = self.buckets.writer(&object).await?;
        // Counted while it arrives, because a form does not declare the size of its file.
        let mut came = 0_u64;
        let bytes = file.map_err(malformed).and_then(move |chunk| {
            came += chunk.len() as u64;
            futures::future::ready(if came > max_bytes { Err(too_large(max_bytes)) } else { Ok(chunk) })
        });
        let bytes = bytes.map_err(|error| Box::new(error) as s3s::StdError).boxed();
        let mut upload = Upload::of_form(bytes, fields.get("content-md5").cloned(), announced);
        if let Some(algorithm) = fields.get("x-amz-checksum-algorithm").and_then(|name| Algorithm::named(name)) {
            upload.want(algorithm);
        }
        let (staged, checksum) = upload.receive(writer, &object).await?;
        let size_bytes = std::fs::metadata(staged.path()).map_or(0, |file| file.len());
        if size_bytes < *allowed.start() {
            return Err(s3_error!(
                EntityTooSmall,
                "the file has {size_bytes} bytes; the form takes {} or more",
                allowed.start()
            ));
        }
        let mut headers = BTreeMap::new();
        for name in GIVEN_BACK {
            if let Some(value) = fields.get(name) {
                keep(&mut headers, name, value.bytes().map(char::from).collect());
            }
        }
        let metadata =
            fields.iter().filter_map(|(name, value)| Some((name.strip_prefix(META)?.to_owned(), value.clone())));
        let placement = Placement {
            event: "Post",
            content_type: fields.get("content-type").cloned().unwrap_or_else(|| OCTET_STREAM.to_owned()),
            metadata: metadata.collect(),
            kept: EndpointAttributes { headers, checksum, parts: Vec::new() },
            ..Placement::default()
        };
        Ok(self.buckets.place(staged, &object, placement).await?)
    }
}

/// The bytes of a form. Until it is `trusted` there is an end to them. The connection hands on one piece at a time, and
/// reads no more while that is not taken.
fn bounded(
    body: Body,
    trusted: Arc<AtomicBool>,
) -> impl Stream<Item = Result<bytes::Bytes, s3s::StdError>> + Send + 'static {
    let mut came = 0_usize;
    body.map(move |chunk| {
        came = came.saturating_add(chunk.as_ref().map_or(0, bytes::Bytes::len));
        if came > MAX_UNSIGNED_BYTES && !trusted.load(Ordering::Relaxed) {
            return Err(Box::new(fields_too_long()) as s3s::StdError);
        }
        chunk
    })
}

fn fields_too_long() -> S3Error {
    s3_error!(
        MaxPostPreDataLengthExceededError,
        "the fields before the file have more than {MAX_FIELDS_BYTES} bytes, or are more than {MAX_FIELDS}"
    )
}

fn too_large(max_bytes: u64) -> S3Error {
    s3_error!(EntityTooLarge, "the file is larger than the {max_bytes} bytes that the form takes")
}

fn malformed(error: multer::Error) -> S3Error {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<S3Error>() {
            Ok(error) => *error,
            Err(_) => s3_error!(IncompleteBody, "the form ended early"),
        },
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
            s3_error!(IncompleteBody, "the form ended early")
        }
        error => s3_error!(MalformedPOSTRequest, "the form cannot be read: {error}"),
    }
}

/// The fields before the file, with names in lower case, and the file. Fields after the file are ignored.
async fn fields(form: &mut Multipart<'static>) -> S3Result<(BTreeMap<String, String>, Option<Field<'static>>)> {
    let mut fields = BTreeMap::new();
    let mut bytes = 0_usize;
    while let Some(mut field) = form.next_field().await.map_err(malformed)? {
        let name = field.name().map(str::to_ascii_lowercase);
        let name = name.ok_or_else(|| s3_error!(MalformedPOSTRequest, "the form has a field without a name"))?;
        if name == "file" {
            return Ok((fields, Some(field)));
        }
        let mut value = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(malformed)? {
            value.extend_from_slice(&chunk);
            bytes += chunk.len();
            if bytes > MAX_FIELDS_BYTES {
                return Err(fields_too_long());
            }
        }
        let value = String::from_utf8(value);
        let value = value.map_err(|_| s3_error!(MalformedPOSTRequest, "the field `{name}` is not in UTF-8"))?;
        if fields.len() == MAX_FIELDS {
            return Err(fields_too_long());
        }
        if fields.insert(name.clone(), value).is_some() {
            return Err(s3_error!(InvalidArgument, "the form has the field `{name}` twice"));
        }
    }
    Ok((fields, None))
}

fn content_type(parts: &Parts) -> &str {
    parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Returns the response that the form asks for: a redirect or a status.
fn answer(
    parts: &Parts,
    bucket: &str,
    key: &str,
    fields: &BTreeMap<String, String>,
    head: &Head,
) -> S3Result<HttpResponse> {
    let etag = format!("\"{}\"", head.etag);
    let mut response = HttpResponse::new(Body::empty());
    let set = |response: &mut HttpResponse, name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(&mut response, ETAG, &etag);
    // An invalid address is ignored, as S3 does.
    let page = ["success_action_redirect", "redirect"].into_iter().find_map(|name| fields.get(name));
    let page = page.and_then(|page| Url::parse(page).ok()).filter(|page| matches!(page.scheme(), "http" | "https"));
    if let Some(mut page) = page {
        page.query_pairs_mut().append_pair("bucket", bucket).append_pair("key", key).append_pair("etag", &etag);
        *response.status_mut() = StatusCode::SEE_OTHER;
        set(&mut response, LOCATION, page.as_str());
        return Ok(response);
    }
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mut place = Url::parse(&format!("http://{host}/")).map_err(|e| s3_error!(e, InternalError))?;
    let path = if parts.uri.path() == "/" { key.to_owned() } else { format!("{bucket}/{key}") };
    place.set_path(&path);
    set(&mut response, LOCATION, place.as_str());
    match fields.get("success_action_status").map(String::as_str) {
        Some("200") => {}
        Some("201") => {
            *response.status_mut() = StatusCode::CREATED;
            set(&mut response, CONTENT_TYPE, "application/xml");
            *response.body_mut() = Body::from(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><PostResponse><Location>{}</Location><Bucket>{}</Bucket><Key>{}</Key>\
                 <ETag>{}</ETag></PostResponse>",
                escaped(place.as_str()),
                escaped(bucket),
                escaped(key),
                escaped(&etag),
            ));
        }
        _ => *response.status_mut() = StatusCode::NO_CONTENT,
    }
    Ok(response)
}
