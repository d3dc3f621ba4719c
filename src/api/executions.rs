//! `/v1/executions`: list, show, start by hand, cancel, retry, prioritize, log.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};

use super::extract::{Asked, Body, NoQuery, Place};
use super::idempotency::Key;
use super::view::{ExecutionPage, ExecutionView, LogLine, SummaryView};
use super::wait::{self, Wait};
use super::{Context, ParameterPlace, Problem, again, whole};
use crate::model::{ExecutionId, ExecutionStatus, JobId, ObjectLocation, Timestamp};
use crate::store::{ExecutionFilter, ExecutionRecord, NewExecution};
use crate::workflow;

/// Default and largest number of entries in a page.
pub(super) const PAGE: u32 = 50;
pub(super) const PAGE_MAX: i64 = 1_000;

/// Default number of log lines in an answer.
const LOG_PAGE: u32 = 1_000;

/// Name of the API in logs of executions.
pub(super) const BY: &str = "API";

/// Longest `user_data`, in bytes.
const USER_DATA_BYTES: usize = 1024;

/// Filter of executions.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only executions of this workflow; `job:TYPE` for single jobs of a type.
    #[param(required = false)]
    workflow: Option<String>,
    /// Only executions in one of these states, comma-separated.
    #[param(required = false, value_type = Option<String>,
        pattern = "^(pending|queued|running|succeeded|failed|cancelled)(,(pending|queued|running|succeeded|failed|cancelled))*$", example = "failed,cancelled")]
    state: States,
    /// True: only executions that have warnings.
    #[param(required = false)]
    warnings: bool,
    /// Only executions created at or after this time: RFC 3339.
    #[serde(deserialize_with = "time")]
    #[param(required = false, value_type = Option<String>, format = DateTime)]
    since: Option<jiff::Timestamp>,
    /// `next` of the previous page.
    #[param(required = false)]
    cursor: Option<ExecutionId>,
    /// Most executions in the page; 50 by default.
    #[serde(deserialize_with = "whole::optional::<1, PAGE_MAX, _, _>")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// A time as RFC 3339 has it.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |_| D::Error::invalid_value(Unexpected::Str(&text), &"a time like 2026-11-30T18:05:00Z");
    text.parse().map(Some).map_err(wrong)
}

/// Comma-separated states; none: any.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct States(pub(super) Vec<ExecutionStatus>);

impl TryFrom<String> for States {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        states(&text).map(Self)
    }
}

/// Parses comma-separated states.
fn states(text: &str) -> Result<Vec<ExecutionStatus>, String> {
    let one = |name: &str| {
        ExecutionStatus::parse(name.trim()).ok_or_else(|| {
            let names: Vec<&str> = ExecutionStatus::ALL.iter().map(|state| state.as_str()).collect();
            format!("`{name}` is not one of {}; several are comma-separated", names.join(", "))
        })
    };
    let found: BTreeSet<ExecutionStatus> = text.split(',').map(one).collect::<Result<_, _>>()?;
    Ok(found.into_iter().collect())
}

/// Part of a log.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Only lines after the line with this `seq`.
    #[param(required = false)]
    after: u64,
    /// Most lines to return; 1000 by default.
    #[serde(deserialize_with = "whole::optional::<1, PAGE_MAX, _, _>")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// List executions, newest first.
#[utoipa::path(get, path = "/v1/executions", tag = "executions", operation_id = "list_executions",
    params(ListQuery), responses((status = 200, body = ExecutionPage)))]
pub(super) async fn list(
    State(context): State<Context>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<ExecutionPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE);
    let filter = ExecutionFilter {
        workflows: query.workflow.into_iter().collect(),
        states: query.state.0,
        warned: query.warnings,
        since: query.since.map(|since| Timestamp(since.as_microsecond())),
        before: query.cursor,
        // One more than the limit shows that there is a next page.
        limit: limit + 1,
    };
    let mut items: Vec<SummaryView> =
        context.store.executions(filter).await?.into_iter().map(SummaryView::from).collect();
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = if more { items.last().map(|last| last.id) } else { None };
    Ok(Json(ExecutionPage { items, next }))
}

/// Show an execution and its activities.
#[utoipa::path(get, path = "/v1/executions/{id}", tag = "executions", operation_id = "show_execution",
    params(("id" = ExecutionId, Path, description = "Identifier of the execution")),
    responses((status = 200, body = ExecutionView)))]
pub(super) async fn show(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    Asked(NoQuery {}): Asked<NoQuery>,
) -> Result<Json<ExecutionView>, Problem> {
    view(&context, id).await.map(Json)
}

/// An execution to start.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct ExecutionBody {
    /// Name of the workflow. It may be disabled, and needs no trigger.
    #[schema(min_length = 1)]
    pub workflow: String,
    /// Input object.
    pub input: InputBody,
    /// Values of the workflow's parameters, as text.
    #[serde(default)]
    #[schema(required = false)]
    pub params: BTreeMap<String, String>,
    /// Priority of all its jobs, 1 to 10; 10 runs first. Not set: as in the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole::optional::<1, 10, _, _>")]
    #[schema(minimum = 1, maximum = 10)]
    pub priority: Option<u8>,
    /// Text of up to 1024 bytes that notifications repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub user_data: Option<String>,
}

/// An input object.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct InputBody {
    /// Bucket of the object.
    #[schema(min_length = 1)]
    pub bucket: String,
    /// Key of the object.
    #[schema(min_length = 1)]
    pub key: String,
    /// Version of the object, in versioned buckets. Not set: the current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Start an execution by hand. Requests with the same `Idempotency-Key` and the same body start it once.
#[utoipa::path(post, path = "/v1/executions", tag = "executions", operation_id = "start_execution",
    params(("Idempotency-Key" = Option<String>, Header, description = "Key that identifies the request when it is sent again", pattern = "^[!-~]([\\t -~]*[!-~])?$", min_length = 1, max_length = 255), Wait),
    request_body = ExecutionBody,
    responses(
        (status = 200, body = ExecutionView, description = "The execution has ended"),
        (status = 202, body = ExecutionView, description = "The execution has not ended yet"),
    ))]
pub(super) async fn start(
    State(context): State<Context>,
    key: Key,
    Asked(wait): Asked<Wait>,
    body: Body<ExecutionBody>,
) -> Result<Response, Problem> {
    let wait = wait.duration()?;
    let ExecutionBody { workflow, input, params, priority, user_data } = body.value;
    check_user_data(user_data.as_deref())?;
    let active = context.intake.catalog.active();
    let workflow = active.iter().find(|known| known.name == workflow).ok_or_else(|| {
        let broken = context.intake.catalog.broken();
        if let Some(file) = broken.iter().find(|file| file.workflow == workflow) {
            return Problem::unprocessable("STORE0006", format!("{workflow} is broken: {file}"));
        }
        let names: Vec<&str> = active.iter().map(|known| known.name.as_str()).collect();
        Problem::unprocessable(
            "STORE0006",
            format!("there is no workflow {workflow}; the workflows are {}", names.join(", ")),
        )
    })?;
    let mut plan = std::sync::Arc::clone(&workflow.plan);
    if let Some(priority) = priority {
        let plan = std::sync::Arc::make_mut(&mut plan);
        plan.graph.node_weights_mut().for_each(|activity| activity.priority = priority);
    }
    let now = context.clock.now();
    let (id, _) = key.first(&context, body.digest, context.intake.ids.next(now).to_string()).await?;
    let id: ExecutionId = id.parse().map_err(|_| Problem::not_found("execution", id))?;
    if context.store.execution(id).await?.is_none() {
        let input = look_up(&context, input).await?;
        let params = workflow::params(&plan, &params, &input.metadata)?;
        let jobs = plan.graph.node_indices().map(|_| JobId(context.intake.ids.next(now))).collect();
        let cause = BY.to_owned();
        context.intake.start(NewExecution { id, jobs, plan, input, params, user_data, cause }).await?;
    }
    let record = wait::ended(&context, id, wait).await?;
    let status = if record.summary.state.is_ended() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = [(axum::http::header::LOCATION, format!("/v1/executions/{id}"))];
    Ok((status, location, Json(view_of(&context, &record))).into_response())
}

/// Looks up the object that a request names.
pub(super) async fn look_up(context: &Context, input: InputBody) -> Result<crate::model::InputObject, Problem> {
    let InputBody { bucket, key, version } = input;
    Ok(context.intake.look_up(ObjectLocation { bucket, key }, version).await?)
}

pub(super) fn check_user_data(user_data: Option<&str>) -> Result<(), Problem> {
    match user_data {
        Some(text) if text.len() > USER_DATA_BYTES => {
            let detail = format!("{} bytes; at most {USER_DATA_BYTES} are allowed", text.len());
            Err(Problem::invalid(ParameterPlace::Body, "user_data", detail))
        }
        _ => Ok(()),
    }
}

/// Cancel an execution. Its running jobs are stopped.
#[utoipa::path(post, path = "/v1/executions/{id}/cancel", tag = "executions", operation_id = "cancel_execution",
    params(("id" = ExecutionId, Path, description = "Identifier of the execution")),
    responses((status = 202, body = ExecutionView)))]
pub(super) async fn cancel(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
) -> Result<(StatusCode, Json<ExecutionView>), Problem> {
    context.store.cancel(id, "asked for", BY, context.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(view(&context, id).await?)))
}

/// Options of a retry.
#[derive(Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default, expecting = "an object")]
pub struct RetryBody {
    /// Parameters that change for the retry, as text.
    pub params: BTreeMap<String, String>,
    /// True: start a new execution of the workflow's current definition, from its first activity. The execution may
    /// have succeeded. False: run the activities that did not succeed again, in this execution.
    pub latest: bool,
}

/// Retry an execution: its activities that did not succeed run again, with the definition that the execution started
/// with (`definition.changed` is true if the workflow has changed since). With `latest`, a new execution of the current
/// definition starts. Requests with the same `Idempotency-Key` and the same body do so once.
#[utoipa::path(post, path = "/v1/executions/{id}/retry", tag = "executions", operation_id = "retry_execution",
    params(
        ("id" = ExecutionId, Path, description = "Identifier of the execution"),
        ("Idempotency-Key" = Option<String>, Header, description = "Key that identifies the request when it is sent again", pattern = "^[!-~]([\\t -~]*[!-~])?$", min_length = 1, max_length = 255),
    ),
    request_body = Option<RetryBody>,
    responses((status = 202, body = ExecutionView, description = "The execution, or the new one with `latest`")))]
pub(super) async fn retry(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    key: Key,
    body: Body<RetryBody>,
) -> Result<Response, Problem> {
    let record = record(&context, id).await?;
    if body.value.latest {
        let new = context.intake.ids.next(context.clock.now()).to_string();
        let (new, _) = key.first(&context, body.digest, new).await?;
        let new: ExecutionId = new.parse().map_err(|_| Problem::not_found("execution", new))?;
        if context.store.execution(new).await?.is_none() {
            again::start_again(&context, &record, &body.value.params, new, BY).await?;
        }
        return accepted(&context, new).await;
    }
    let params = workflow::given_params(&record.plan, &body.value.params)?;
    let (run, first) = key.first(&context, body.digest, record.state.run.to_string()).await?;
    // A repeated request retries only if the first one did not get that far.
    if first || run == record.state.run.to_string() {
        context.store.retry(id, params, BY, context.clock.now()).await?;
    }
    accepted(&context, id).await
}

async fn accepted(context: &Context, id: ExecutionId) -> Result<Response, Problem> {
    let location = [(axum::http::header::LOCATION, format!("/v1/executions/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(view(context, id).await?)).into_response())
}

/// Change of a running execution or job.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct PriorityPatch {
    /// Priority of jobs that have not ended, 1 to 10; 10 runs first.
    #[serde(deserialize_with = "whole::needed::<1, 10, _, _>")]
    #[schema(minimum = 1, maximum = 10)]
    pub priority: u8,
}

/// Change the priority of an execution's jobs that have not ended.
#[utoipa::path(patch, path = "/v1/executions/{id}", tag = "executions", operation_id = "prioritize_execution",
    params(("id" = ExecutionId, Path, description = "Identifier of the execution")), request_body = PriorityPatch,
    responses((status = 200, body = ExecutionView)))]
pub(super) async fn change(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    body: Body<PriorityPatch>,
) -> Result<Json<ExecutionView>, Problem> {
    context.store.prioritize(id, body.value.priority, BY, context.clock.now()).await?;
    view(&context, id).await.map(Json)
}

/// Read the log of an execution, in order.
#[utoipa::path(get, path = "/v1/executions/{id}/log", tag = "executions", operation_id = "read_log",
    params(("id" = ExecutionId, Path, description = "Identifier of the execution"), LogQuery),
    responses((status = 200, body = Vec<LogLine>)))]
pub(super) async fn log(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    Asked(query): Asked<LogQuery>,
) -> Result<Json<Vec<LogLine>>, Problem> {
    let entries = context.store.log(id, query.after, query.limit.unwrap_or(LOG_PAGE)).await?;
    if entries.is_empty() && context.store.execution(id).await?.is_none() {
        return Err(Problem::not_found("execution", id));
    }
    Ok(Json(entries.iter().map(LogLine::from).collect()))
}

/// Returns an execution; fails if there is none.
pub(crate) async fn record(context: &Context, id: ExecutionId) -> Result<ExecutionRecord, Problem> {
    context.store.execution(id).await?.ok_or_else(|| Problem::not_found("execution", id))
}

pub(super) async fn view(context: &Context, id: ExecutionId) -> Result<ExecutionView, Problem> {
    Ok(view_of(context, &record(context, id).await?))
}

fn view_of(context: &Context, record: &ExecutionRecord) -> ExecutionView {
    ExecutionView { definition: again::definition(context, &record.plan), ..ExecutionView::from(record) }
}
