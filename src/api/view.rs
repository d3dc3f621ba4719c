//! What an execution looks like from outside: the stable JSON of the API and of `--json`.

use indexmap::IndexMap;
use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::again::DefinitionView;
use crate::engine::ActivityState;
use crate::model::media::MediaInfo;
use crate::model::plan::ActivityKind;
use crate::model::work::FileRole;
use crate::model::{Code, ExecutionId, ExecutionState, Failure, InputObject, JobId, JobState, OutputObject};
use crate::store::{ExecutionRecord, ExecutionSummary, Progress, Warning};

/// An execution, whole.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExecutionView {
    /// Always `execution`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its identifier.
    pub id: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// Its state.
    pub state: ExecutionState,
    /// Why it is being stopped, while it is.
    #[serde(default)]
    pub stopping: Option<String>,
    /// What it works on.
    pub input: InputObject,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Which definition it runs; null where that is not known, and for a job without a workflow.
    #[serde(default)]
    pub definition: Option<DefinitionView>,
    /// Values of its parameters.
    pub params: IndexMap<String, Value>,
    /// The user's text.
    pub user_data: Option<String>,
    /// By name, each after what it needs.
    pub activities: IndexMap<String, ActivityView>,
    /// Warnings of the last attempts of its activities: how many.
    #[serde(default)]
    pub warning_count: u64,
    /// These warnings, in order: at most 100, and without those whose log has been pruned.
    #[serde(default)]
    pub warnings: Vec<WarningView>,
}

/// Something that a user should read; the activity went on.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WarningView {
    /// The activity.
    pub activity: String,
    /// Stable code; `docs/errors.md` explains it.
    #[schema(value_type = String)]
    pub code: Code,
    /// One sentence.
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

/// One activity.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActivityView {
    /// What it does.
    #[serde(rename = "type")]
    pub kind: ActivityKind,
    /// Its job.
    pub job: JobId,
    /// Its state.
    pub state: JobState,
    /// Its queue.
    #[serde(default)]
    pub queue: String,
    /// Its place there: 1–10, 10 first.
    #[serde(default)]
    pub priority: u8,
    /// Attempts so far.
    pub attempts: u32,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// How far it is, while it runs.
    pub progress: Option<Progress>,
    /// Its result: media information for `analysis`.
    pub result: Value,
    /// What it published.
    pub outputs: Vec<OutputView>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// Why it was skipped.
    pub skipped: Option<String>,
    /// What it waits for between two attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrying: Option<RetryView>,
}

/// What an activity waits for between two attempts.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RetryView {
    /// When the next attempt is queued: RFC 3339.
    pub at: String,
    /// Why the last attempt failed.
    pub failure: Failure,
    /// Since when something that it needs is away: RFC 3339. Absent where the activity itself failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_since: Option<String>,
}

/// A published object.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutputView {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Where the file is, for `reelmill run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Media type.
    pub content_type: String,
    /// What it is in its activity.
    pub role: FileRole,
    /// What it holds, for media files.
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
        let ExecutionSummary { id, workflow, state, input, created_at, ended_at, warnings } = &record.summary;
        Self {
            kind: "execution".to_owned(),
            id: *id,
            workflow: workflow.clone(),
            state: *state,
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

/// What an activity looks like.
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
    /// The executions.
    pub items: Vec<SummaryView>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<ExecutionId>,
}

/// An execution in a list.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SummaryView {
    /// Its identifier.
    pub id: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// Its state.
    pub state: ExecutionState,
    /// What it works on.
    pub input: InputObject,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Warnings of the last attempts of its activities: how many.
    #[serde(default)]
    pub warning_count: u64,
}

impl From<ExecutionSummary> for SummaryView {
    fn from(summary: ExecutionSummary) -> Self {
        let ExecutionSummary { id, workflow, state, input, created_at, ended_at, warnings } = summary;
        Self {
            id,
            workflow,
            state,
            input,
            created_at: created_at.to_string(),
            ended_at: ended_at.map(|at| at.to_string()),
            warning_count: warnings,
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
    /// The activity, where it is about one.
    pub activity: Option<String>,
    /// The attempt, where it is about one.
    pub attempt: Option<u32>,
    /// The sentence for people.
    pub message: String,
    /// The same as data.
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
