//! `/v1/executions`: list, show, cancel, retry, prioritize, log.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::view::{ExecutionPage, ExecutionView, LogLine, SummaryView};
use super::{Context, Problem};
use crate::model::{ExecutionId, ExecutionState, Timestamp};
use crate::store::{ExecutionFilter, StoreError};
use crate::workflow;

/// Entries of a page where nothing else is asked for, and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 1_000;

/// Who asks, in logs.
const BY: &str = "API";

/// What to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListQuery {
    workflow: Option<String>,
    state: Option<ExecutionState>,
    /// RFC 3339.
    since: Option<jiff::Timestamp>,
    cursor: Option<ExecutionId>,
    limit: Option<u32>,
}

/// Which part of a log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogQuery {
    after: u64,
    limit: Option<u32>,
}

pub(super) async fn list(
    State(context): State<Context>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ExecutionPage>, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let filter = ExecutionFilter {
        workflow: query.workflow,
        state: query.state,
        since: query.since.map(|since| Timestamp(since.as_microsecond())),
        before: query.cursor,
        // One more than asked for tells whether there is a next page.
        limit: limit + 1,
    };
    let mut items: Vec<SummaryView> =
        context.store.executions(filter).await?.into_iter().map(SummaryView::from).collect();
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = if more { items.last().map(|last| last.id) } else { None };
    Ok(Json(ExecutionPage { items, next }))
}

pub(super) async fn show(
    State(context): State<Context>,
    id: Result<Path<ExecutionId>, PathRejection>,
) -> Result<Json<ExecutionView>, Problem> {
    view(&context, parse(id)?).await.map(Json)
}

pub(super) async fn cancel(
    State(context): State<Context>,
    id: Result<Path<ExecutionId>, PathRejection>,
) -> Result<(StatusCode, Json<ExecutionView>), Problem> {
    let id = parse(id)?;
    context.store.cancel(id, "asked for", BY, context.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&context, id).await?)))
}

/// What a retry changes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryBody {
    /// Parameters, as text.
    pub params: BTreeMap<String, String>,
}

pub(super) async fn retry(
    State(context): State<Context>,
    id: Result<Path<ExecutionId>, PathRejection>,
    body: Bytes,
) -> Result<(StatusCode, Json<ExecutionView>), Problem> {
    let id = parse(id)?;
    let body: RetryBody = if body.is_empty() { RetryBody::default() } else { from_body(&body)? };
    let record = context.store.execution(id).await?.ok_or_else(|| not_found(id))?;
    let params = workflow::given_params(&record.plan, &body.params)
        .map_err(|failure| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &failure.code, failure.message))?;
    context.store.retry(id, params, BY, context.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&context, id).await?)))
}

/// What can be changed about an execution that runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionPatch {
    /// Priority of its jobs that have not ended: 1–10, 10 first.
    pub priority: u8,
}

pub(super) async fn change(
    State(context): State<Context>,
    id: Result<Path<ExecutionId>, PathRejection>,
    body: Bytes,
) -> Result<Json<ExecutionView>, Problem> {
    let id = parse(id)?;
    let ExecutionPatch { priority } = from_body(&body)?;
    if !(1..=10).contains(&priority) {
        return Err(Problem::bad_request(format!("priority: {priority} is not from 1 to 10")));
    }
    context.store.prioritize(id, priority, BY, context.clock.now()).await?;
    view(&context, id).await.map(Json)
}

fn from_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body: {error}")))
}

pub(super) async fn log(
    State(context): State<Context>,
    id: Result<Path<ExecutionId>, PathRejection>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<Vec<LogLine>>, Problem> {
    let id = parse(id)?;
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let entries = context.store.log(id, query.after, limit).await?;
    if entries.is_empty() && context.store.execution(id).await?.is_none() {
        return Err(not_found(id));
    }
    Ok(Json(entries.iter().map(LogLine::from).collect()))
}

pub(super) fn parse(id: Result<Path<ExecutionId>, PathRejection>) -> Result<ExecutionId, Problem> {
    id.map(|Path(id)| id).map_err(|_| Problem::bad_request("the identifier of an execution is a UUID"))
}

pub(super) async fn view(context: &Context, id: ExecutionId) -> Result<ExecutionView, Problem> {
    let record = context.store.execution(id).await?.ok_or_else(|| not_found(id))?;
    Ok(ExecutionView::from(&record))
}

pub(super) fn not_found(id: ExecutionId) -> Problem {
    StoreError::NotFound { what: "execution", id: id.to_string() }.into()
}
