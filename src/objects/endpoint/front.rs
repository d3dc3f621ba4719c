//! The layer in front of s3s: what it has no part of, and what it does otherwise than S3.
//!
//! It gives every answer the identifier of its request, errors a text, and pages of other origins the word that their
//! browser waits for. It takes POST forms itself ([`super::form`]), refuses presigned URLs that last too long, and lets
//! bodies pass whose length their client does not know.
//!
//! **Invariant**: nothing of a body is read here before s3s, or the form, has checked the signature.

use std::sync::Arc;

use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, ORIGIN, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::service::Service;
use hyper::{Method, Request, StatusCode};
use s3s::service::S3Service;
use s3s::{Body, HttpError, HttpResponse, S3Error, S3Result};

use super::answer::coded;
use super::cors::{self, CorsRule};
use super::form::Forms;
use super::receive::{CONTENT_SHA256, UnsizedBody};
use super::rest::UnreadBody;
use crate::objects::local::LocalBuckets;

/// Longest time a presigned URL may be valid for, in seconds: seven days, as in S3.
const MAX_EXPIRES_S: i64 = 7 * 24 * 60 * 60;

/// Region for signatures, if the client's is not a valid region.
const REGION: &str = "us-east-1";

/// The service in front. Clones share everything.
#[derive(Clone)]
pub struct Front {
    s3: S3Service,
    shared: Arc<Shared>,
}

struct Shared {
    buckets: LocalBuckets,
    cors: Vec<CorsRule>,
    forms: Forms,
}

impl Front {
    /// A layer in front of `s3`.
    pub fn new(s3: S3Service, buckets: LocalBuckets, cors: Vec<CorsRule>, forms: Forms) -> Self {
        Self { s3, shared: Arc::new(Shared { buckets, cors, forms }) }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
        let id = format!("{:016X}", self.shared.buckets.tick());
        let (mut parts, body) = request.into_parts();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let origin = parts.headers.get(ORIGIN).cloned();
        if let Some(answer) = cors::preflight(&self.shared.cors, &parts) {
            let mut response = match answer {
                Ok(headers) => {
                    let mut response = HttpResponse::new(Body::empty());
                    *response.headers_mut() = headers;
                    response
                }
                Err(error) => refusal(error)?,
            };
            finish(&mut response, &id, &path, &method);
            return Ok(response);
        }
        let rest = UnreadBody::new(&parts.headers);
        let body = rest.of(body);
        let served = match check(&parts) {
            Err(error) => Err(error),
            Ok(()) if Forms::is_form(&parts) => self.shared.forms.take(parts, body).await,
            Ok(()) => {
                let body = without_length(&mut parts, body);
                self.s3.call(Request::from_parts(parts, body)).await.map(Ok)?
            }
        };
        let mut response = match served {
            Ok(response) => response,
            Err(error) => refusal(error)?,
        };
        if response.status().as_u16() >= 400 && !rest.drain().await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        finish(&mut response, &id, &path, &method);
        response.headers_mut().extend(cors::allowed(&self.shared.cors, &method, origin.as_ref()));
        Ok(response)
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = HttpResponse;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<HttpResponse, HttpError>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

fn refusal(error: S3Error) -> Result<HttpResponse, HttpError> {
    error.to_http_response().map_err(|error| HttpError::new(Box::new(error)))
}

/// Refuses requests that s3s would accept, or would refuse with another status than S3.
fn check(parts: &Parts) -> S3Result<()> {
    let query = parts.uri.query().unwrap_or_default();
    let expires = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Expires="));
    if !expires.is_none_or(|text| text.parse().is_ok_and(|expires: i64| (1..=MAX_EXPIRES_S).contains(&expires))) {
        return Err(coded(
            "AuthorizationQueryParametersError",
            StatusCode::FORBIDDEN,
            "X-Amz-Expires must be from 1 second to 7 days (604800); presign the URL again",
        ));
    }
    let signed = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match signed.and_then(region) {
        Some(region) if !is_region(region) => Err(coded(
            MALFORMED,
            StatusCode::BAD_REQUEST,
            format!("`{region}` is not a region: lower-case letters, digits and `-`; sign for {REGION}"),
        )),
        _ => Ok(()),
    }
}

/// Code of an error after which clients sign again, for the region that it names.
const MALFORMED: &str = "AuthorizationHeaderMalformed";

/// The region that an `Authorization` header was signed for.
fn region(authorization: &str) -> Option<&str> {
    between(authorization, "Credential=", ",")?.split('/').nth(2)
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Keeps a body of unknown length from s3s, which asks for one; the upload takes it from there ([`UnsizedBody`]).
/// Chunks that are signed one by one announce their length beside.
fn without_length(parts: &mut Parts, body: Body) -> Body {
    let has_length = parts.headers.contains_key(CONTENT_LENGTH) || !parts.headers.contains_key(TRANSFER_ENCODING);
    let streams = parts.headers.get(CONTENT_SHA256).is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"));
    if has_length || streams || parts.method != Method::PUT {
        return body;
    }
    parts.extensions.insert(UnsizedBody::new(body));
    Body::empty()
}

/// Gives an answer its identifier, and an error the text that it lacks.
fn finish(response: &mut HttpResponse, id: &str, path: &str, method: &Method) {
    for name in ["x-amz-request-id", "x-amz-id-2"] {
        if let Ok(value) = HeaderValue::from_str(id) {
            response.headers_mut().insert(name, value);
        }
    }
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED || method == Method::HEAD && status.as_u16() >= 400 {
        // No bytes may follow such an answer.
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
        return;
    }
    if status.as_u16() < 400 {
        return;
    }
    let text = response.body().bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let Some(text) = text.filter(|text| text.ends_with("</Error>")) else { return };
    let code = between(&text, "<Code>", "</Code>").unwrap_or_default();
    let message = if text.contains("<Message>") {
        String::new()
    } else {
        format!("<Message>{}</Message>", escaped(explained(code)))
    };
    let head = text.trim_end_matches("</Error>");
    let region = if code == MALFORMED { format!("<Region>{REGION}</Region>") } else { String::new() };
    let whole = format!(
        "{head}{message}{region}<Resource>{}</Resource><RequestId>{id}</RequestId><HostId>{id}</HostId></Error>",
        escaped(path)
    );
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(whole);
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

/// Text as XML has it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns the message of an error that s3s sends without one.
fn explained(code: &str) -> &'static str {
    match code {
        "SignatureDoesNotMatch" => {
            "the signature does not match: check the secret key, and that nothing between client and endpoint changes \
             host, path, query or headers"
        }
        "InvalidURI" => "the path or the query of the request cannot be read",
        "InvalidBucketName" => {
            "a bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`, and begins and ends with a letter or digit"
        }
        "KeyTooLongError" => "a key has at most 1024 bytes in UTF-8",
        "MalformedXML" => "the XML of the request is not valid for this operation",
        "MalformedPOSTRequest" => "the form cannot be read; send it as multipart/form-data with the file last",
        "MissingContentLength" => "the request needs the header Content-Length",
        "MissingRequestBodyError" => "the request needs a body",
        "MaxMessageLengthExceeded" => "the body of the request is too long",
        "IncompleteBody" => "the length of the body differs from the one in the request",
        "InternalError" => "the endpoint failed; the daemon's log has the cause; the request can be sent again",
        "MethodNotAllowed" => "this path does not support this method",
        "NotImplemented" => "this endpoint does not have this operation",
        _ => "the request was refused",
    }
}
