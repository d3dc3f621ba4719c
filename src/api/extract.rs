//! Extractors of request bodies, queries, paths and forms. Each error is a problem with a code.

use axum::body::Bytes;
use axum::extract::{Form, FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::fields::{self, FieldError};
use super::{ParameterPlace, Problem};

/// Largest body, in bytes: a workflow may have 256 KiB.
pub(super) const BODY_BYTES: usize = 512 * 1024;

/// A body in JSON. An empty body of a POST is `{}`, if `T` can be read from that.
pub(super) struct Body<T> {
    /// Parsed value.
    pub(super) value: T,
    /// SHA-256 of the body's bytes.
    pub(super) digest: [u8; 32],
}

/// A body in YAML.
pub(super) struct Text(pub(super) String);

/// Parameters of a query.
pub(crate) struct Asked<T>(pub(crate) T);

/// Query of a route without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

/// Parameters in a path.
pub(crate) struct Place<T>(pub(crate) T);

/// Fields of a submitted form.
pub(crate) struct Sent<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let posted = request.method() == Method::POST;
        let named = media_type(request.headers()).is_some_and(|name| name == "application/json");
        let bytes = body(request, state).await?;
        let digest = Sha256::digest(&bytes).into();
        // A POST without a body stands for the defaults, and needs no Content-Type.
        if posted
            && bytes.is_empty()
            && let Ok(value) = serde_json::from_slice(b"{}")
        {
            return Ok(Self { value, digest });
        }
        // A form on another site can send other types without a preflight request, but not this one.
        if !named {
            return Err(unsupported("application/json"));
        }
        let value = match parsed(&bytes) {
            // `null` counts as no body.
            Err(problem) if posted && bytes.trim_ascii() == b"null" => parsed(b"{}").map_err(|_| problem)?,
            read => read?,
        };
        // serde reads a list as the fields in their order.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::unprocessable("CLI0003", "the body is a list; an object is expected"));
        }
        Ok(Self { value, digest })
    }
}

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let named = media_type(request.headers())
            .is_some_and(|name| matches!(name.as_str(), "application/yaml" | "application/x-yaml" | "text/yaml"));
        if !named {
            return Err(unsupported("application/yaml"));
        }
        let bytes = body(request, state).await?;
        let text = String::from_utf8(bytes.to_vec());
        text.map(Self).map_err(|_| Problem::bad_request("the body is not text in UTF-8"))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
        fields::read(&pairs).map(Self).map_err(|error| invalid(ParameterPlace::Query, error))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Place<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Problem::bad_request(format!("path: {}", error.body_text())))?;
        let pairs: Vec<_> = path.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        fields::read(&pairs).map(Self).map_err(|error| invalid(ParameterPlace::Path, error))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        let Form(pairs) = form.map_err(|error| Problem::new(error.status(), "CLI0003", error.body_text()))?;
        fields::read(&pairs).map(Self).map_err(|error| invalid(ParameterPlace::Form, error))
    }
}

fn invalid(place: ParameterPlace, error: FieldError) -> Problem {
    match error.name {
        Some(name) => Problem::invalid(place, &name, error.detail),
        None => Problem::bad_request(error.detail),
    }
}

/// Reads the JSON body of a request.
fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        match path.as_str() {
            _ if !error.is_data() => Problem::bad_request(format!("the body is not JSON: {error}")),
            "." => Problem::unprocessable("CLI0003", format!("the body: {error}")),
            path => Problem::invalid(ParameterPlace::Body, path, error),
        }
    })?;
    json.end().map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|error| {
        let status = error.status();
        let detail = match status {
            StatusCode::PAYLOAD_TOO_LARGE => format!("the body is larger than {BODY_BYTES} bytes"),
            _ => error.body_text(),
        };
        Problem::new(status, "CLI0003", detail)
    })
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let named = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(named.split(';').next()?.trim().to_ascii_lowercase())
}

fn unsupported(wanted: &str) -> Problem {
    let detail = format!("the body must be {wanted}, with `Content-Type: {wanted}`");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "CLI0003", detail)
}
