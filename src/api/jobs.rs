//! `/v1/jobs`: single activities without a workflow.
//!
//! A job is an execution of a plan with one activity, and both have the same identifier: routes of executions work for
//! jobs too.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::executions::{BY, InputBody, PAGE, PAGE_MAX, PriorityPatch, States, check_user_data, look_up, record};
use super::extract::{Asked, Body, Place};
use super::idempotency::Key;
use super::problem::Finding;
use super::view::{OutputView, WaitingView, WarningView, activity};
use super::wait::{self, Wait};
use super::{Context, ParameterPlace, Problem, whole};
use crate::model::plan::{ActivityKind, IfExists, Plan};
use crate::model::{ExecutionId, Failure, InputObject, JobId, JobState};
use crate::store::{ExecutionFilter, ExecutionRecord, ExecutionSummary, NewExecution, Progress};
use crate::workflow::Single;

/// A job to submit.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct JobBody {
    /// Type of the job.
    #[serde(rename = "type")]
    pub kind: ActivityKind,
    /// Input object.
    pub input: InputBody,
    /// Name of a transcoding, snapshot or watermark template; `parameters` override it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Parameters, as under the key of this type in a workflow.
    #[serde(default)]
    #[schema(required = false)]
    pub parameters: Map<String, Value>,
    /// Destination of its outputs; not needed by an analysis without a chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputBody>,
    /// Queue of the job; `default` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Priority, 1 to 10; 10 runs first. 6 by default.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole::optional::<1, 10, _, _>")]
    #[schema(minimum = 1, maximum = 10)]
    pub priority: Option<u8>,
    /// Longest that one attempt may take, like `30m`; `2h` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Text of up to 1024 bytes that notifications repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub user_data: Option<String>,
}

/// Destination of outputs.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct OutputBody {
    /// Bucket of the outputs.
    #[schema(min_length = 1)]
    pub bucket: String,
    /// Prefix of every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Handling of an existing object that was made from another upload; `warn` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_exists: Option<IfExists>,
}

impl JobBody {
    /// Returns the activity that the job is, as a workflow would define it.
    fn single(&self) -> Result<Single, Problem> {
        let mut parameters = self.parameters.clone();
        if let Some(template) = &self.template
            && parameters.insert("template".to_owned(), template.as_str().into()).is_some()
        {
            let detail = "it is in `parameters` too; give it once";
            return Err(Problem::invalid(ParameterPlace::Body, "template", detail));
        }
        let mut beside = Map::new();
        let texts = [("queue", &self.queue), ("timeout", &self.timeout)];
        beside.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into()))));
        beside.extend(self.priority.map(|priority| ("priority".to_owned(), priority.into())));
        beside.extend(self.output.as_ref().map(|output| ("output".to_owned(), json!(output))));
        Ok(Single { kind: self.kind, parameters, beside })
    }
}

/// A job with its result.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobView {
    /// Identifier of the job, and of its execution.
    pub id: JobId,
    /// Type of the job.
    #[serde(rename = "type")]
    pub kind: ActivityKind,
    /// State of the job.
    pub state: JobState,
    /// Queue in which it waits, while it does.
    #[serde(default)]
    pub waiting: Vec<WaitingView>,
    /// Reason why it is being stopped; null if it is not.
    pub stopping: Option<String>,
    /// Input object.
    pub input: InputObject,
    /// Queue of the job.
    pub queue: String,
    /// Priority, 1 to 10; 10 runs first.
    pub priority: u8,
    /// Number of attempts so far.
    pub attempts: u32,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Progress, while it runs.
    pub progress: Option<Progress>,
    /// Result: media information for `analysis`, else null.
    pub result: Value,
    /// Published objects.
    pub outputs: Vec<OutputView>,
    /// Failure, if it failed.
    pub error: Option<Failure>,
    /// Text given by the user.
    pub user_data: Option<String>,
    /// Number of warnings of the last attempt.
    #[serde(default)]
    pub warning_count: u64,
    /// Warnings of the last attempt, in order; at most 100, without those pruned with the log.
    #[serde(default)]
    pub warnings: Vec<WarningView>,
}

impl JobView {
    /// Returns the job that an execution is; `None` for an execution of a workflow.
    #[must_use]
    pub fn of(record: &ExecutionRecord) -> Option<Self> {
        let kind = Plan::single(&record.summary.workflow)?;
        let node = record.plan.graph.node_indices().next()?;
        let activity = activity(record, node)?;
        let head = &record.summary;
        Some(Self {
            id: JobId(head.id.0),
            kind,
            state: activity.state,
            waiting: WaitingView::of(head),
            stopping: record.state.cancel.clone().filter(|_| !head.state.is_ended()),
            input: head.input.clone(),
            queue: activity.queue,
            priority: activity.priority,
            attempts: activity.attempts,
            created_at: head.created_at.to_string(),
            started_at: activity.started_at,
            ended_at: head.ended_at.map(|at| at.to_string()),
            progress: activity.progress,
            result: activity.result,
            outputs: activity.outputs,
            error: activity.error,
            user_data: record.user_data.clone(),
            warning_count: head.warnings,
            warnings: record.warnings.iter().map(WarningView::from).collect(),
        })
    }
}

/// A page of jobs, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobPage {
    /// Jobs of the page.
    pub items: Vec<JobSummary>,
    /// Cursor of the next page; null on the last page.
    pub next: Option<JobId>,
}

/// A job in a list.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobSummary {
    /// Identifier of the job.
    pub id: JobId,
    /// Type of the job.
    #[serde(rename = "type")]
    pub kind: ActivityKind,
    /// State of the job.
    pub state: JobState,
    /// Queue in which it waits, while it does.
    #[serde(default)]
    pub waiting: Vec<WaitingView>,
    /// Queue of the job.
    #[serde(default)]
    pub queue: String,
    /// Priority, 1 to 10; 10 runs first.
    #[serde(default)]
    pub priority: u8,
    /// Input object.
    pub input: InputObject,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Number of warnings of the last attempt.
    #[serde(default)]
    pub warning_count: u64,
}

impl JobSummary {
    fn of(summary: ExecutionSummary) -> Option<Self> {
        let job = summary.jobs.first()?;
        Some(Self {
            id: JobId(summary.id.0),
            kind: Plan::single(&summary.workflow)?,
            state: job.state,
            waiting: WaitingView::of(&summary),
            queue: job.queue.clone(),
            priority: job.priority,
            input: summary.input,
            created_at: summary.created_at.to_string(),
            ended_at: summary.ended_at.map(|at| at.to_string()),
            warning_count: summary.warnings,
        })
    }
}

/// Filter of jobs.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only jobs of this type.
    #[serde(rename = "type")]
    #[param(required = false)]
    kind: Option<ActivityKind>,
    /// Only jobs in one of these states, comma-separated; `running` includes `retrying`.
    #[param(required = false, value_type = Option<String>,
        pattern = "^(pending|queued|running|succeeded|failed|cancelled)(,(pending|queued|running|succeeded|failed|cancelled))*$", example = "queued,running")]
    state: States,
    /// True: only jobs that have warnings.
    #[param(required = false)]
    warnings: bool,
    /// `next` of the previous page.
    #[param(required = false)]
    cursor: Option<ExecutionId>,
    /// Most jobs in the page; 50 by default.
    #[serde(deserialize_with = "whole::optional::<1, PAGE_MAX, _, _>")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Submit a job. Requests with the same `Idempotency-Key` and the same body submit it once.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", operation_id = "submit_job",
    params(("Idempotency-Key" = Option<String>, Header, description = "Key that identifies the request when it is sent again", pattern = "^[!-~]([\\t -~]*[!-~])?$", min_length = 1, max_length = 255), Wait),
    request_body = JobBody,
    responses(
        (status = 200, body = JobView, description = "The job has ended"),
        (status = 202, body = JobView, description = "The job has not ended yet"),
    ))]
pub(super) async fn submit(
    State(context): State<Context>,
    key: Key,
    Asked(wait): Asked<Wait>,
    body: Body<JobBody>,
) -> Result<Response, Problem> {
    let wait = wait.duration()?;
    check_user_data(body.value.user_data.as_deref())?;
    let single = body.value.single()?;
    let compiled = context.catalog.compile_single(&single);
    let Some(workflow) = compiled.workflow else {
        // The user did not write the text that lines and columns refer to.
        let findings = compiled.diagnostics.iter().map(Finding::from);
        let findings = findings.map(|finding| Finding { line: None, column: None, ..finding });
        return Err(Problem::definition(findings.collect()));
    };
    let (id, _) = key.first(&context, body.digest, context.intake.ids.next(context.clock.now()).to_string()).await?;
    let id: ExecutionId = id.parse().map_err(|_| Problem::not_found("job", id))?;
    if context.store.execution(id).await?.is_none() {
        let new = NewExecution {
            id,
            jobs: vec![JobId(id.0)],
            plan: workflow.plan,
            input: look_up(&context, body.value.input).await?,
            params: std::collections::BTreeMap::new(),
            user_data: body.value.user_data,
            cause: BY.to_owned(),
        };
        context.intake.start(new).await?;
    }
    let job = job(wait::ended(&context, id, wait).await?)?;
    let status = if job.ended_at.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, [(header::LOCATION, format!("/v1/jobs/{id}"))], Json(job)).into_response())
}

/// List single jobs, newest first. Jobs of workflows are in their executions.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", operation_id = "list_jobs",
    params(ListQuery), responses((status = 200, body = JobPage)))]
pub(super) async fn list(
    State(context): State<Context>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<JobPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE);
    let kinds = query.kind.map_or(ActivityKind::ALL.to_vec(), |kind| vec![kind]);
    let filter = ExecutionFilter {
        workflows: kinds.into_iter().map(Plan::name_of_single).collect(),
        states: query.state.0,
        warned: query.warnings,
        since: None,
        before: query.cursor,
        // One more than the limit shows that there is a next page.
        limit: limit + 1,
    };
    let mut items: Vec<JobSummary> =
        context.store.executions(filter).await?.into_iter().filter_map(JobSummary::of).collect();
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = if more { items.last().map(|last| last.id) } else { None };
    Ok(Json(JobPage { items, next }))
}

/// Show a job and its result.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", operation_id = "show_job",
    params(("id" = ExecutionId, Path, description = "Identifier of the job"), Wait),
    responses((status = 200, body = JobView)))]
pub(super) async fn show(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    Asked(wait): Asked<Wait>,
) -> Result<Json<JobView>, Problem> {
    found(&context, id).await?;
    job(wait::ended(&context, id, wait.duration()?).await?).map(Json)
}

/// Cancel a job. If it runs, it is stopped.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", operation_id = "cancel_job",
    params(("id" = ExecutionId, Path, description = "Identifier of the job")),
    responses((status = 202, body = JobView)))]
pub(super) async fn cancel(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    found(&context, id).await?;
    context.store.cancel(id, "asked for", BY, context.clock.now()).await?;
    Ok((StatusCode::ACCEPTED, Json(found(&context, id).await?)))
}

/// Change the priority of a job that has not ended.
#[utoipa::path(patch, path = "/v1/jobs/{id}", tag = "jobs", operation_id = "prioritize_job",
    params(("id" = ExecutionId, Path, description = "Identifier of the job")), request_body = PriorityPatch,
    responses((status = 200, body = JobView)))]
pub(super) async fn change(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    body: Body<PriorityPatch>,
) -> Result<Json<JobView>, Problem> {
    found(&context, id).await?;
    context.store.prioritize(id, body.value.priority, BY, context.clock.now()).await?;
    found(&context, id).await.map(Json)
}

/// Returns the job with an identifier; fails if there is none or it is an execution of a workflow.
async fn found(context: &Context, id: ExecutionId) -> Result<JobView, Problem> {
    let record = record(context, id).await.map_err(|problem| match problem.status {
        404 => Problem::not_found("job", id),
        _ => problem,
    })?;
    job(record)
}

#[expect(clippy::needless_pass_by_value, reason = "nobody needs the record besides")]
fn job(record: ExecutionRecord) -> Result<JobView, Problem> {
    JobView::of(&record).ok_or_else(|| Problem::not_found("job", record.summary.id))
}
