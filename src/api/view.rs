//! Executions in the stable JSON of the API and of `--json`.

use indexmap::IndexMap;
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::again::DefinitionView;
use crate::engine::ActivityState;
use crate::model::media::MediaInfo;
use crate::model::plan::ActivityKind;
use crate::model::work::FileRole;
use crate::model::{Code, ExecutionId, ExecutionStatus, Failure, InputObject, JobId, JobState, OutputObject};
use crate::store::{ExecutionRecord, ExecutionSummary, Progress, Warning};

/// An execution with its activities.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExecutionView {
    /// Always `execution`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Identifier of the execution.
    pub id: ExecutionId,
    /// Name of the workflow.
    pub workflow: String,
    /// State of the execution.
    pub state: ExecutionStatus,
    /// Queues in which its activities wait.
    #[serde(default)]
    pub waiting: Vec<WaitingView>,
    /// Reason why it is being stopped; null if it is not.
    #[serde(default)]
    pub stopping: Option<String>,
    /// Input object.
    pub input: InputObject,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Definition that it runs; null if that is unknown, and for a job without a workflow.
    #[serde(default)]
    pub definition: Option<DefinitionView>,
    /// Values of the parameters.
    pub params: IndexMap<String, Value>,
    /// Text given by the user.
    pub user_data: Option<String>,
    /// Activities by name, each after those that it needs.
    pub activities: IndexMap<String, ActivityView>,
    /// Number of warnings of the last attempts of its activities.
    #[serde(default)]
    pub warning_count: u64,
    /// Warnings of the last attempts, in order; at most 100, without those pruned with the log.
    #[serde(default)]
    pub warnings: Vec<WarningView>,
}

/// A queue in which jobs wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WaitingView {
    /// Name of the queue.
    pub queue: String,
    /// True if the queue is paused: none of its jobs is started.
    pub paused: bool,
}

impl WaitingView {
    /// Returns the queues in which jobs of an execution wait.
    pub(super) fn of(summary: &ExecutionSummary) -> Vec<Self> {
        summary.waiting().into_iter().map(|(queue, paused)| Self { queue: queue.to_owned(), paused }).collect()
    }
}

/// A warning of an activity, which continued.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WarningView {
    /// Name of the activity.
    pub activity: String,
    /// Stable code, explained in `docs/errors.md`.
    #[schema(value_type = String)]
    pub code: Code,
    /// Description in one sentence.
    pub message: String,
    /// RFC 3339.
    pub at: String,
}

impl From<&Warning> for WarningView {
    fn from(warning: &Warning) -> Self {
        let Warning { at, activity, code, message } = warning.clone();
        Self { activity, code, message, at: at.to_string() }
    }
}

/// An activity of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActivityView {
    /// Type of the activity.
    #[serde(rename = "type")]
    pub kind: ActivityKind,
    /// Identifier of its job.
    pub job: JobId,
    /// State of the activity.
    pub state: JobState,
    /// Queue of its job.
    #[serde(default)]
    pub queue: String,
    /// Priority, 1 to 10; 10 runs first.
    #[serde(default)]
    pub priority: u8,
    /// Number of attempts so far.
    pub attempts: u32,
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
    /// Reason why it was skipped.
    pub skipped: Option<String>,
    /// Next attempt, while it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrying: Option<RetryView>,
}

/// The next attempt of an activity that waits for it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RetryView {
    /// Time when the next attempt is queued: RFC 3339.
    pub at: String,
    /// Failure of the last attempt.
    pub failure: Failure,
    /// Start of an outage of infrastructure that the activity waits for: RFC 3339. Not set if the activity itself failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_since: Option<String>,
}

/// A published object.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutputView {
    /// Bucket of the object.
    pub bucket: String,
    /// Key of the object.
    pub key: String,
    /// Path of the file; only for `reelmill run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Media type.
    pub content_type: String,
    /// Role in its activity.
    pub role: FileRole,
    /// Media information of media files.
    pub media: Option<MediaInfo>,
}

impl From<&OutputObject> for OutputView {
    fn from(output: &OutputObject) -> Self {
        Self {
            bucket: output.location.bucket.clone(),
            key: output.location.key.clone(),
            path: None,
            size_bytes: output.size_bytes,
            content_type: output.content_type.clone(),
            role: output.role,
            media: output.media.clone(),
        }
    }
}

impl From<&ExecutionRecord> for ExecutionView {
    fn from(record: &ExecutionRecord) -> Self {
        let activities = record
            .plan
            .in_order()
            .into_iter()
            .filter_map(|index| Some((record.plan.graph[index].name.clone(), activity(record, index)?)))
            .collect();
        let ExecutionSummary { id, workflow, state, input, created_at, ended_at, warnings, .. } = &record.summary;
        Self {
            kind: "execution".to_owned(),
            id: *id,
            workflow: workflow.clone(),
            state: record.summary.status(),
            waiting: WaitingView::of(&record.summary),
            stopping: record.state.cancel.clone().filter(|_| !state.is_ended()),
            input: input.clone(),
            created_at: created_at.to_string(),
            ended_at: ended_at.map(|at| at.to_string()),
            definition: None,
            params: record.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            user_data: record.user_data.clone(),
            activities,
            warning_count: *warnings,
            warnings: record.warnings.iter().map(WarningView::from).collect(),
        }
    }
}

/// Returns the view of an activity.
pub(super) fn activity(record: &ExecutionRecord, index: NodeIndex) -> Option<ActivityView> {
    let job = record.jobs.get(index.index())?;
    let state = record.state.activities.get(index.index())?;
    let mut view = ActivityView {
        kind: record.plan.graph[index].kind,
        job: job.id,
        state: job.state,
        queue: record.plan.graph[index].queue.clone(),
        priority: job.priority,
        attempts: job.attempts,
        started_at: job.started_at.map(|at| at.to_string()),
        ended_at: job.ended_at.map(|at| at.to_string()),
        progress: job.progress,
        result: Value::Null,
        outputs: Vec::new(),
        error: None,
        skipped: None,
        retrying: None,
    };
    match state {
        ActivityState::Succeeded { result, outputs, .. } => {
            view.result = result.as_ref().clone();
            view.outputs = outputs.iter().map(OutputView::from).collect();
        }
        ActivityState::Retrying { until, failure, tally, .. } => {
            view.retrying = Some(RetryView {
                at: until.to_string(),
                failure: failure.clone(),
                away_since: tally.outage.map(|outage| outage.since.to_string()),
            });
        }
        ActivityState::Failed { failure, .. } => view.error = Some(failure.clone()),
        ActivityState::Skipped { reason, .. } => view.skipped = Some(reason.to_string()),
        _ => {}
    }
    Some(view)
}

/// A page of executions, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExecutionPage {
    /// Executions of the page.
    pub items: Vec<SummaryView>,
    /// Cursor of the next page; null on the last page.
    pub next: Option<ExecutionId>,
}

/// An execution in a list.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SummaryView {
    /// Identifier of the execution.
    pub id: ExecutionId,
    /// Name of the workflow.
    pub workflow: String,
    /// State of the execution.
    pub state: ExecutionStatus,
    /// Queues in which its activities wait.
    #[serde(default)]
    pub waiting: Vec<WaitingView>,
    /// Queues of its activities that have not ended; if all have ended, of all.
    #[serde(default)]
    pub queues: Vec<String>,
    /// Highest priority of these activities, 1 to 10; 10 runs first.
    #[serde(default)]
    pub priority: u8,
    /// Input object.
    pub input: InputObject,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Number of warnings of the last attempts of its activities.
    #[serde(default)]
    pub warning_count: u64,
}

impl From<ExecutionSummary> for SummaryView {
    fn from(summary: ExecutionSummary) -> Self {
        Self {
            state: summary.status(),
            waiting: WaitingView::of(&summary),
            queues: summary.queues().into_iter().map(str::to_owned).collect(),
            priority: summary.priority(),
            id: summary.id,
            workflow: summary.workflow,
            input: summary.input,
            created_at: summary.created_at.to_string(),
            ended_at: summary.ended_at.map(|at| at.to_string()),
            warning_count: summary.warnings,
        }
    }
}

/// A line of an execution's log.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// Always `log`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Position in the log, from 1, without gaps.
    pub seq: u64,
    /// RFC 3339.
    pub at: String,
    /// Name of the activity, if the line is about one.
    pub activity: Option<String>,
    /// Number of the attempt, if the line is about one.
    pub attempt: Option<u32>,
    /// Text for people.
    pub message: String,
    /// The same as structured data.
    pub event: Value,
}

impl From<&crate::engine::LogEntry> for LogLine {
    fn from(entry: &crate::engine::LogEntry) -> Self {
        Self {
            kind: "log".to_owned(),
            seq: entry.seq,
            at: entry.at.to_string(),
            activity: entry.activity.clone(),
            attempt: entry.attempt,
            message: entry.event.to_string(),
            event: serde_json::to_value(&entry.event).unwrap_or_default(),
        }
    }
}
