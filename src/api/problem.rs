//! Errors as problem details (RFC 9457).

use std::fmt;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::intake::IntakeError;
use crate::model::{Code, Coded, Failure};
use crate::objects::ObjectError;
use crate::store::StoreError;
use crate::yaml::{Diagnostic, Severity};

/// Media type of problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// `Retry-After` of 429 and 503, in seconds.
const ASK_AGAIN_S: u32 = 5;

/// Problem details of a rejected or failed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// HTTP status code.
    pub status: u16,
    /// Name of the status.
    pub title: String,
    /// Description of what went wrong, and where.
    pub detail: String,
    /// Stable code of `docs/errors.md`.
    #[schema(value_type = String)]
    pub code: Code,
    /// The part of the request that is invalid, where it is one part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub parameter: Option<Parameter>,
    /// All errors and warnings of a definition that was rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Finding>,
}

/// A part of a request that has a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Parameter {
    /// Its place in the request.
    #[serde(rename = "in")]
    pub place: ParameterPlace,
    /// Its name; of a field in a body its path, like `input.bucket`.
    pub name: String,
}

/// The place of a parameter in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterPlace {
    /// Behind the `?` of the address.
    Query,
    /// A part of the path.
    Path,
    /// A header.
    Header,
    /// A field of the JSON body.
    Body,
    /// A field of a form.
    Form,
}

/// An error or a warning in a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: String,
    /// Stable code of `docs/errors.md`.
    #[schema(value_type = String)]
    pub code: Code,
    /// Description in one sentence.
    pub message: String,
    /// Suggestion for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Line in the definition, from 1; not set if the definition was not a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in the line, in characters from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

/// `3:5: error[WF0101]: an activity has no key transcod (its keys are …)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.line.zip(self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

impl From<&Diagnostic> for Finding {
    fn from(diagnostic: &Diagnostic) -> Self {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Self {
            severity: severity.to_owned(),
            code: diagnostic.code,
            message: diagnostic.message.clone(),
            hint: diagnostic.hint.clone(),
            line: Some(diagnostic.line),
            column: Some(diagnostic.column),
        }
    }
}

impl Problem {
    /// Makes a problem with a stable code of `docs/errors.md`.
    pub(crate) fn new(status: StatusCode, code: impl Into<Code>, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: detail.into(),
            code: code.into(),
            parameter: None,
            errors: Vec::new(),
        }
    }

    /// Makes a problem of a request that cannot be parsed.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "CLI0003", detail)
    }

    /// A request with an invalid parameter; `detail` says what is expected.
    pub(crate) fn invalid(place: ParameterPlace, name: &str, detail: impl fmt::Display) -> Self {
        let (status, what) = match place {
            ParameterPlace::Query => (StatusCode::BAD_REQUEST, "query parameter"),
            ParameterPlace::Path => (StatusCode::BAD_REQUEST, "path parameter"),
            ParameterPlace::Header => (StatusCode::BAD_REQUEST, "header"),
            ParameterPlace::Body => (StatusCode::UNPROCESSABLE_ENTITY, "body field"),
            ParameterPlace::Form => (StatusCode::UNPROCESSABLE_ENTITY, "form field"),
        };
        let parameter = Some(Parameter { place, name: name.to_owned() });
        Self { parameter, ..Self::new(status, "CLI0003", format!("{what} `{name}`: {detail}")) }
    }

    /// Makes a problem of a request that can be parsed but not carried out.
    pub(super) fn unprocessable(code: impl Into<Code>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// Makes the problem that there is no `what` with this identifier.
    pub(crate) fn not_found(what: &'static str, id: impl std::fmt::Display) -> Self {
        StoreError::NotFound { what, id: id.to_string() }.into()
    }

    /// Makes a problem of an invalid definition. `code` and `detail` are those of the first error.
    pub(super) fn definition(errors: Vec<Finding>) -> Self {
        let first = errors.iter().find(|finding| finding.severity == "error").or(errors.first());
        let (code, detail) = first.map_or((Code::new("WF0006"), "the definition is invalid".to_owned()), |first| {
            let hint = first.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            (first.code, format!("{}{hint}", first.message))
        });
        let problem = Self::unprocessable(code, detail);
        Self { errors, ..problem }
    }

    /// Makes the problem of an error, and logs it where it is the server's.
    pub(crate) fn of(error: &impl Coded, status: StatusCode) -> Self {
        if status.is_server_error() {
            tracing::error!(error = %error.with_code(), source = ?error.source(), "a request failed");
        }
        Self::new(status, error.code(), error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::NotFound { .. } => StatusCode::NOT_FOUND,
            StoreError::Illegal(_) | StoreError::Stale { .. } => StatusCode::CONFLICT,
            // The disk is full, the database is away: it passes.
            StoreError::Closed | StoreError::Database { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::of(&error, status)
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        let asked_for = error.is_not_found() || matches!(error, ObjectError::InvalidName { .. });
        let status = if asked_for { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::SERVICE_UNAVAILABLE };
        Self::of(&error, status)
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Store(error) => error.into(),
            IntakeError::Objects(error) => error.into(),
            full @ IntakeError::Full { .. } => Self::of(&full, StatusCode::TOO_MANY_REQUESTS),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::unprocessable(failure.code, failure.message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], Json(&self)).into_response();
        // The console shows problems as pages.
        response.extensions_mut().insert(self);
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(ASK_AGAIN_S));
        }
        response
    }
}

/// Returns the problem of an unknown path.
pub(crate) async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "CLI0004",
        format!("no route at {}: see /v1/openapi.json for all routes", uri.path()),
    )
}

/// Returns the problem of an unsupported method.
pub(crate) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not support {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "CLI0004", detail)
}
