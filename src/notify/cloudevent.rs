//! The form of a notification: CloudEvents 1.0, JSON.

use serde_json::{Value, json};

use crate::engine::ActivityState;
use crate::model::ExecutionState;
use crate::model::plan::Plan;
use crate::model::work::FileRole;
use crate::store::{ExecutionRecord, Notification};

/// Largest event, in bytes: what SQS and SNS take, less what they add.
const LARGEST: usize = 240 * 1024;

/// What `notification` tells of the execution `record`, which may be a single job.
///
/// `id` is the same in every delivery of one notification, so that a receiver can drop repetitions. Results and media
/// information are left out where there is more of them than a message holds, and `truncated` says so.
#[must_use]
pub fn cloudevent(notification: &Notification, record: &ExecutionRecord) -> Value {
    let mut event = whole(notification, record);
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
    event
}

fn whole(notification: &Notification, record: &ExecutionRecord) -> Value {
    let head = &record.summary;
    let what = match notification.state {
        ExecutionState::Pending | ExecutionState::Running => "started",
        ended => ended.as_str(),
    };
    let mut activities = serde_json::Map::new();
    let mut outputs = Vec::new();
    let mut failure = Value::Null;
    for index in record.plan.in_order() {
        let activity = &record.plan.graph[index];
        let Some(state) = record.state.activity(index) else { continue };
        let mut entry = json!({ "type": activity.kind, "state": state.name(), "attempts": state.attempt() });
        if let Some(job) = record.jobs.get(index.index()) {
            entry["job"] = json!(job.id);
            entry["started_at"] = json!(job.started_at.map(|at| at.to_string()));
            entry["ended_at"] = json!(job.ended_at.map(|at| at.to_string()));
        }
        if let ActivityState::Succeeded { result, .. } = state {
            entry["result"] = result.as_ref().clone();
        }
        if let ActivityState::Failed { failure: why, .. } = state {
            let why = json!({ "code": why.code, "message": why.message, "activity": activity.name });
            entry["failure"] = why.clone();
            if failure.is_null() {
                failure = why;
            }
        }
        activities.insert(activity.name.clone(), entry);
        // Segments are named by their playlist, and a long film has more of them than a message holds.
        let told = state.outputs().iter().filter(|output| output.role != FileRole::Segment);
        outputs.extend(told.map(|output| {
            json!({
                "activity": activity.name,
                "bucket": output.location.bucket,
                "key": output.location.key,
                "size_bytes": output.size_bytes,
                "content_type": output.content_type,
                "media": output.media,
            })
        }));
    }
    let single = Plan::single(&head.workflow).is_some();
    let of = if single { "job" } else { "execution" };
    json!({
        "specversion": "1.0",
        "id": format!("{}-{}", notification.execution, notification.id),
        "source": "/reelmill",
        "type": format!("reelmill.{of}.{what}.v1"),
        "subject": notification.execution,
        "time": notification.at.to_string(),
        "datacontenttype": "application/json",
        "data": {
            "execution": notification.execution,
            "job": single.then_some(notification.execution),
            "workflow": head.workflow,
            "state": notification.state,
            "input": head.input,
            "user_data": record.user_data,
            "created_at": head.created_at.to_string(),
            "ended_at": head.ended_at.map(|at| at.to_string()),
            "activities": activities,
            "outputs": outputs,
            "failure": failure,
        },
    })
}
