//! The form of a notification: CloudEvents 1.0, JSON. `schemas/notification.schema.json` is made from the types here.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::ActivityState;
use crate::model::media::MediaInfo;
use crate::model::plan::{ActivityKind, Plan};
use crate::model::work::FileRole;
use crate::model::{Code, ExecutionState, InputObject, JobState, OutputObject};
use crate::store::{ExecutionRecord, Notification, Warning};

/// Event that a receiver gets.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Notification of Reelmill")]
pub struct CloudEvent {
    /// Always `1.0`.
    specversion: &'static str,
    /// The same in every delivery of one notification.
    id: String,
    /// Always `/reelmill`.
    source: &'static str,
    /// `reelmill.{execution,job}.{started,succeeded,failed,cancelled}.v1`.
    r#type: String,
    /// The execution, or the job that runs by itself.
    subject: String,
    /// Time when the state was reached: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    time: String,
    /// Always `application/json`.
    datacontenttype: &'static str,
    /// Report of the execution.
    data: Outcome,
}

/// Report of an execution.
#[derive(Debug, Serialize, JsonSchema)]
struct Outcome {
    /// The execution.
    execution: String,
    /// The job, where it runs by itself.
    job: Option<String>,
    /// The workflow; of a job that runs by itself what stands for one.
    workflow: String,
    /// The reported state.
    state: ExecutionState,
    /// Input object.
    input: Input,
    /// The user's text.
    user_data: Option<String>,
    /// Time of creation: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    /// Time of the end.
    #[schemars(extend("format" = "date-time"))]
    ended_at: Option<String>,
    /// Its activities, by name.
    #[schemars(with = "BTreeMap<String, ActivityReport>")]
    activities: IndexMap<String, ActivityReport>,
    /// Published objects, without segments, which their playlist names.
    outputs: Vec<Output>,
    /// Failure of the execution: that of its first activity that failed.
    failure: Option<FailureReport>,
    /// Warnings of the last attempts of its activities: how many.
    warning_count: u64,
    /// The first of these warnings, at most 20, in order.
    warnings: Vec<WarningReport>,
    /// True if the event did not fit into a message: results and media information are left out then and, where that
    /// is not enough, outputs, after them activities, and warnings last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// An object that an execution works on.
#[derive(Debug, Serialize, JsonSchema)]
struct Input {
    /// Its bucket.
    bucket: String,
    /// Its key.
    key: String,
    /// Size in bytes, if the event had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    /// Entity tag without quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// Version, in versioned buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// User metadata, names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

/// Report of an activity.
#[derive(Debug, Serialize, JsonSchema)]
struct ActivityReport {
    /// Type of the activity.
    r#type: ActivityKind,
    /// Its state.
    state: JobState,
    /// Attempts so far.
    attempts: u32,
    /// Its job.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    /// First claim: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    started_at: Option<String>,
    /// End.
    #[schemars(extend("format" = "date-time"))]
    ended_at: Option<String>,
    /// Its result, where it succeeded: what `activities.NAME` is in expressions.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Failure, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureReport>,
}

/// An object that an activity published.
#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    /// The activity.
    activity: String,
    /// Its bucket.
    bucket: String,
    /// Its key.
    key: String,
    /// Size in bytes.
    size_bytes: u64,
    /// Media type: `video/mp4`.
    content_type: String,
    /// Media information, for media files.
    media: Option<MediaInfo>,
}

/// Failure of an activity.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct FailureReport {
    /// Stable code; `docs/errors.md` explains it.
    #[schemars(with = "String")]
    code: Code,
    /// One sentence.
    message: String,
    /// The activity.
    activity: String,
}

/// A warning of an activity that continued.
#[derive(Debug, Serialize, JsonSchema)]
struct WarningReport {
    /// Stable code; `docs/errors.md` explains it.
    #[schemars(with = "String")]
    code: Code,
    /// One sentence.
    message: String,
    /// The activity.
    activity: String,
}

/// Most warnings in one event.
const WARNINGS: usize = 20;

/// Largest event, in bytes: what SQS and SNS take, less what they add.
const LARGEST: usize = 240 * 1024;

/// Makes the event of `notification` about the execution `record`, which may be a single job.
///
/// `id` is the same in every delivery of one notification, so that a receiver can drop repetitions. If the
/// event is larger than a message may be, results and media information are left out, then outputs, activities and
/// warnings, and `truncated` is true.
#[must_use]
pub fn cloudevent(notification: &Notification, record: &ExecutionRecord) -> Value {
    let mut event = json!(whole(notification, record));
    if event.to_string().len() > LARGEST {
        let data = &mut event["data"];
        data["truncated"] = true.into();
        let activities = data["activities"].as_object_mut().into_iter().flat_map(|activities| activities.values_mut());
        activities.for_each(|activity| activity["result"] = Value::Null);
        let outputs = data["outputs"].as_array_mut().into_iter().flatten();
        outputs.for_each(|output| output["media"] = Value::Null);
    }
    if event.to_string().len() > LARGEST {
        event["data"]["outputs"] = json!([]);
    }
    if event.to_string().len() > LARGEST {
        event["data"]["activities"] = json!({});
    }
    if event.to_string().len() > LARGEST {
        event["data"]["warnings"] = json!([]);
    }
    event
}

fn whole(notification: &Notification, record: &ExecutionRecord) -> CloudEvent {
    let head = &record.summary;
    let what = match notification.state {
        ExecutionState::Pending | ExecutionState::Running => "started",
        ended => ended.as_str(),
    };
    let (mut activities, mut outputs) = (IndexMap::new(), Vec::new());
    for index in record.plan.in_order() {
        let activity = &record.plan.graph[index];
        let Some(state) = record.state.activity(index) else { continue };
        let job = record.jobs.get(index.index());
        let (result, failure) = match state {
            ActivityState::Succeeded { result, .. } => (Some(result.as_ref().clone()), None),
            ActivityState::Failed { failure, .. } => (None, Some(failure)),
            _ => (None, None),
        };
        let report = ActivityReport {
            r#type: activity.kind,
            state: state.name(),
            attempts: state.attempt(),
            job: job.map(|job| job.id.to_string()),
            started_at: job.and_then(|job| job.started_at).map(|at| at.to_string()),
            ended_at: job.and_then(|job| job.ended_at).map(|at| at.to_string()),
            result,
            failure: failure.map(|why| FailureReport {
                code: why.code,
                message: why.message.clone(),
                activity: activity.name.clone(),
            }),
        };
        activities.insert(activity.name.clone(), report);
        // Segments are named by their playlist, and a long film has more of them than a message holds.
        let told = state.outputs().iter().filter(|output| output.role != FileRole::Segment);
        outputs.extend(told.map(|output| Output::new(&activity.name, output)));
    }
    let failure = activities.values().find_map(|activity: &ActivityReport| activity.failure.clone());
    let execution = notification.execution.to_string();
    let single = Plan::single(&head.workflow).is_some();
    let of = if single { "job" } else { "execution" };
    CloudEvent {
        specversion: "1.0",
        id: format!("{execution}-{}", notification.id),
        source: "/reelmill",
        r#type: format!("reelmill.{of}.{what}.v1"),
        subject: execution.clone(),
        time: notification.at.to_string(),
        datacontenttype: "application/json",
        data: Outcome {
            job: single.then(|| execution.clone()),
            execution,
            workflow: head.workflow.clone(),
            state: notification.state,
            input: Input::from(&head.input),
            user_data: record.user_data.clone(),
            created_at: head.created_at.to_string(),
            ended_at: head.ended_at.map(|at| at.to_string()),
            activities,
            outputs,
            failure,
            warning_count: head.warnings,
            warnings: record.warnings.iter().take(WARNINGS).map(WarningReport::from).collect(),
            truncated: false,
        },
    }
}

impl From<&InputObject> for Input {
    fn from(input: &InputObject) -> Self {
        let InputObject { location, size_bytes, etag, version, metadata } = input.clone();
        Self { bucket: location.bucket, key: location.key, size_bytes, etag, version, metadata }
    }
}

impl From<&Warning> for WarningReport {
    fn from(warning: &Warning) -> Self {
        let Warning { activity, code, message, .. } = warning.clone();
        Self { code, message, activity }
    }
}

impl Output {
    fn new(activity: &str, output: &OutputObject) -> Self {
        let OutputObject { location, size_bytes, content_type, media, .. } = output.clone();
        let activity = activity.to_owned();
        Self { activity, bucket: location.bucket, key: location.key, size_bytes, content_type, media }
    }
}
