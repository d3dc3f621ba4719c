//! `/v1/workflows`: list, show, put, enable, disable, validate.
//!
//! Definitions are the files of the daemon that gets the request. Their entity tag is the digest of their text.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::extract::{Place, Text};
use super::{Context, Finding, Problem};
use crate::daemon::catalog::{Definition, WorkflowFolder};
use crate::daemon::definitions::{ChangeError, Condition};

/// A workflow.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkflowView {
    /// Name of the workflow; name of its file if there was never a valid version.
    pub name: String,
    /// Purpose, in one sentence.
    pub description: Option<String>,
    /// Bucket whose uploads start it; null without a trigger.
    #[serde(default)]
    pub bucket: Option<String>,
    /// True if uploads start it; null if there was never a valid version.
    pub enabled: Option<bool>,
    /// True if the active version is that of the file.
    pub current: bool,
    /// Digest of the text, which is the entity tag.
    pub digest: String,
    /// Names of its activities, in order.
    pub activities: Vec<String>,
    /// Errors and warnings of the file.
    pub problems: Vec<Finding>,
    /// Text of the file; not set in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
}

impl From<&Definition> for WorkflowView {
    fn from(definition: &Definition) -> Self {
        let digest = definition.digest();
        let active = definition.active.as_deref();
        let names = active.map(|workflow| {
            let graph = &workflow.plan.graph;
            workflow.plan.in_order().into_iter().map(|node| graph[node].name.clone()).collect()
        });
        Self {
            name: definition.name.clone(),
            description: active.and_then(|workflow| workflow.description.clone()),
            bucket: active.and_then(|workflow| Some(workflow.trigger.as_ref()?.bucket.clone())),
            enabled: active.map(|workflow| workflow.enabled),
            current: active.is_some_and(|workflow| workflow.digest == digest),
            digest,
            activities: names.unwrap_or_default(),
            problems: definition.problems.iter().map(Finding::from).collect(),
            yaml: None,
        }
    }
}

/// Every workflow.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkflowList {
    /// Workflows, in the order of their files.
    pub items: Vec<WorkflowView>,
}

/// Result of checking a definition.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Validation {
    /// True if the definition has no errors.
    pub valid: bool,
    /// Errors and warnings of the definition.
    pub problems: Vec<Finding>,
}

/// Returns whether the disk or a quota is full, which is temporary.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let status = match &error {
            ChangeError::Wrong(diagnostics) => {
                return Self::definition(diagnostics.iter().map(Finding::from).collect());
            }
            ChangeError::Name { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ChangeError::Missing(_) => StatusCode::NOT_FOUND,
            ChangeError::Changed => StatusCode::PRECONDITION_FAILED,
            ChangeError::Refused(..) => StatusCode::CONFLICT,
            ChangeError::Away { .. } => StatusCode::SERVICE_UNAVAILABLE,
            ChangeError::Write { source, .. } if is_full(source) => StatusCode::SERVICE_UNAVAILABLE,
            ChangeError::Write { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::of(&error, status)
    }
}

/// List all workflows, with the errors of their files.
#[utoipa::path(get, path = "/v1/workflows", tag = "workflows", operation_id = "list_workflows",
    responses((status = 200, body = WorkflowList)))]
pub(super) async fn list(State(context): State<Context>) -> Json<WorkflowList> {
    Json(WorkflowList { items: context.catalog.definitions().iter().map(WorkflowView::from).collect() })
}

/// Show a workflow and its text.
#[utoipa::path(get, path = "/v1/workflows/{name}", tag = "workflows", operation_id = "show_workflow",
    params(
        ("name" = String, Path, description = "Name of the workflow"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tag of the version that the client has"),
    ),
    responses(
        (status = 200, body = WorkflowView, headers(("ETag" = String))),
        (status = 304, description = "The client has the current version"),
    ))]
pub(super) async fn show(
    State(context): State<Context>,
    Place(name): Place<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let definition = find(&context, &name)?;
    let known = tags(&headers, &header::IF_NONE_MATCH).unwrap_or_default();
    if known.iter().any(|tag| tag.names(&definition.digest())) {
        return Ok((StatusCode::NOT_MODIFIED, tag(&definition)).into_response());
    }
    Ok(answer(StatusCode::OK, &definition))
}

/// Create or replace a workflow, in its file. Later uploads start the new version.
#[utoipa::path(put, path = "/v1/workflows/{name}", tag = "workflows", operation_id = "put_workflow",
    params(
        ("name" = String, Path, description = "Name of the workflow; must be the `name` in the text",
            pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ("If-Match" = Option<String>, Header, description = "Entity tag of the version to replace"),
        ("If-None-Match" = Option<String>, Header, description = "`*` to create only: fails if the workflow exists"),
    ),
    request_body(content = Value, content_type = "application/yaml", description = "Text of a workflow file"),
    responses(
        (status = 200, body = WorkflowView, description = "The workflow was replaced", headers(("ETag" = String))),
        (status = 201, body = WorkflowView, description = "The workflow was created", headers(("ETag" = String))),
    ))]
pub(super) async fn put(
    State(context): State<Context>,
    Place(name): Place<String>,
    headers: HeaderMap,
    Text(text): Text,
) -> Result<Response, Problem> {
    let condition = Condition { new: tags(&headers, &header::IF_NONE_MATCH).is_some(), ..matching(&headers) };
    let asked = name.clone();
    let new = changing(&context, move |catalog| catalog.put(&asked, &text, &condition)).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &find(&context, &name)?))
}

/// Enable a workflow, in its file: uploads start it.
#[utoipa::path(post, path = "/v1/workflows/{name}/enable", tag = "workflows", operation_id = "enable_workflow",
    params(
        ("name" = String, Path, description = "Name of the workflow"),
        ("If-Match" = Option<String>, Header, description = "Entity tag of the version to change"),
    ),
    responses((status = 200, body = WorkflowView, headers(("ETag" = String)))))]
pub(super) async fn enable(
    State(context): State<Context>,
    Place(name): Place<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    switch(&context, name, true, &headers).await
}

/// Disable a workflow, in its file: uploads do not start it. Running executions continue.
#[utoipa::path(post, path = "/v1/workflows/{name}/disable", tag = "workflows", operation_id = "disable_workflow",
    params(
        ("name" = String, Path, description = "Name of the workflow"),
        ("If-Match" = Option<String>, Header, description = "Entity tag of the version to change"),
    ),
    responses((status = 200, body = WorkflowView, headers(("ETag" = String)))))]
pub(super) async fn disable(
    State(context): State<Context>,
    Place(name): Place<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    switch(&context, name, false, &headers).await
}

/// Check a definition with the templates of this daemon. Nothing is written.
#[utoipa::path(post, path = "/v1/workflows/validate", tag = "workflows", operation_id = "validate_workflow",
    request_body(content = Value, content_type = "application/yaml", description = "Text of a workflow file"),
    responses((status = 200, body = Validation)))]
pub(super) async fn validate(State(context): State<Context>, Text(text): Text) -> Json<Validation> {
    let catalog = Arc::clone(&context.catalog);
    let compiled = tokio::task::spawn_blocking(move || catalog.compile("workflow.yaml", &text)).await;
    Json(compiled.map_or(Validation { valid: false, problems: Vec::new() }, |compiled| Validation {
        valid: compiled.workflow.is_some(),
        problems: compiled.diagnostics.iter().map(Finding::from).collect(),
    }))
}

async fn switch(context: &Context, name: String, enabled: bool, headers: &HeaderMap) -> Result<Response, Problem> {
    let condition = matching(headers);
    let asked = name.clone();
    changing(context, move |catalog| catalog.switch(&asked, enabled, &condition)).await?;
    Ok(answer(StatusCode::OK, &find(context, &name)?))
}

/// Changes files on a thread for blocking calls.
async fn changing<T: Send + 'static>(
    context: &Context,
    change: impl FnOnce(&WorkflowFolder) -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, Problem> {
    let catalog = Arc::clone(&context.catalog);
    let changed = tokio::task::spawn_blocking(move || change(&catalog)).await;
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "WF0004", "the definition could not be checked");
    Ok(changed.map_err(broken)??)
}

fn find(context: &Context, name: &str) -> Result<Definition, Problem> {
    context.catalog.definition(name).ok_or_else(|| Problem::not_found("workflow", name))
}

fn answer(status: StatusCode, definition: &Definition) -> Response {
    let view = WorkflowView { yaml: Some(definition.text.clone()), ..WorkflowView::from(definition) };
    (status, tag(definition), Json(view)).into_response()
}

fn tag(definition: &Definition) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{}\"", definition.digest()))]
}

/// Returns the condition of `If-Match`. Weak tags never match, since they name no exact version.
fn matching(headers: &HeaderMap) -> Condition {
    let strong = |tags: Vec<Tag>| tags.into_iter().filter(|tag| !tag.weak).map(|tag| tag.text).collect();
    Condition { matches: tags(headers, &header::IF_MATCH).map(strong), new: false }
}

/// An entity tag of a condition.
struct Tag {
    /// Text without quotes; `*` matches any.
    text: String,
    /// True if written `W/"…"`.
    weak: bool,
}

impl Tag {
    fn names(&self, digest: &str) -> bool {
        self.text == "*" || self.text == digest
    }
}

/// Returns the entity tags of all headers of a name; `None` without the header.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<Tag>> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
    let tag = |tag: &str| {
        let weak = tag.trim().strip_prefix("W/");
        Tag { text: weak.unwrap_or(tag).trim().trim_matches('"').to_owned(), weak: weak.is_some() }
    };
    let tags: Vec<_> = lines.flat_map(|line| line.split(',')).map(tag).collect();
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &HeaderName, lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn every_tag_of_every_header_counts_and_a_weak_one_replaces_nothing() {
        let matches = |lines: &[&'static str]| matching(&headers(&header::IF_MATCH, lines)).matches;
        assert_eq!(matches(&[]), None);
        assert_eq!(matches(&["\"a\", \"b\"", "\"c\""]), Some(["a", "b", "c"].map(str::to_owned).to_vec()));
        assert_eq!(matches(&["W/\"a\"", "W/\"b\", \"c\""]), Some(vec!["c".to_owned()]));
        assert_eq!(matches(&["W/\"a\""]), Some(Vec::new()), "a condition that nothing meets");
        assert_eq!(matches(&["*"]), Some(vec!["*".to_owned()]));
        let known = tags(&headers(&header::IF_NONE_MATCH, &["W/\"a\"", "\"b\""]), &header::IF_NONE_MATCH).unwrap();
        assert!(known.iter().any(|tag| tag.names("a")), "to have something like it is to have it");
        assert!(known.iter().any(|tag| tag.names("b")) && !known.iter().any(|tag| tag.names("c")));
    }

    #[test]
    fn field_fault_a_full_disk_is_answered_503_by_the_api() {
        let written = |errno| {
            let source = std::io::Error::from_raw_os_error(errno);
            Problem::from(ChangeError::Write { path: "vod.yaml".to_owned(), source }).status
        };
        assert_eq!([28, 122, 27].map(written), [503; 3], "ENOSPC, EDQUOT, EFBIG");
        assert_eq!(written(13), 500, "what does not pass is no reason to try again");
        let (operation, source) = ("start an execution", "database or disk is full".into());
        assert_eq!(Problem::from(crate::store::StoreError::Database { operation, source }).status, 503);
    }
}
