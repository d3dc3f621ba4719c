//! `/v1/events`: pages of the ledger, newest first, or the entries of one object.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::executions::{PAGE, PAGE_MAX};
use super::extract::Asked;
use super::{Context, ParameterPlace, Problem, whole};
use crate::model::{ExecutionId, InputObject, ObjectLocation};
use crate::objects::Revision;
use crate::store::{EventFilter, EventRecord, MatchDecision};

/// An entry of the ledger: a received upload event.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EventView {
    /// Time when it was received: RFC 3339.
    pub at: String,
    /// Uploaded object; null for a message in an unknown format.
    pub object: Option<InputObject>,
    /// Name of the event: `Put`, `CompleteMultipartUpload`.
    pub name: Option<String>,
    /// Format of the message: `s3`, `sns`, `eventbridge`; `embedded` for uploads to the daemon itself.
    pub shape: Option<String>,
    /// Number of later deliveries of the same event; they are ignored.
    pub duplicates: u32,
    /// Decision of each workflow, with the reason.
    pub decisions: Vec<MatchDecision>,
    /// Executions that it started.
    pub executions: Vec<ExecutionId>,
    /// Reason why the message could not be read.
    pub unreadable: Option<String>,
    /// First 4 KiB of a message that could not be read.
    pub body: Option<String>,
}

impl From<EventRecord> for EventView {
    fn from(record: EventRecord) -> Self {
        let EventRecord { seq: _, at, event, decisions, executions, duplicates, unreadable, body } = record;
        let (object, name, shape) = match event {
            Some(event) => (Some(event.object), Some(event.name), Some(event.shape)),
            None => (None, None, None),
        };
        Self { at: at.to_string(), object, name, shape, duplicates, decisions, executions, unreadable, body }
    }
}

/// A page of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EventList {
    /// Entries, newest first.
    pub items: Vec<EventView>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<i64>,
    /// False if the object that was asked for has no entries and does not exist; not set otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_exists: Option<bool>,
}

/// Filter of ledger entries.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only events of the object in this bucket; needs `key`.
    #[param(required = false)]
    bucket: Option<String>,
    /// Only events of the object with this key; needs `bucket`.
    #[param(required = false)]
    key: Option<String>,
    /// `next` of the previous page.
    #[param(required = false)]
    cursor: Option<i64>,
    /// Most events in the page; 50 by default.
    #[serde(deserialize_with = "whole::optional::<1, PAGE_MAX, _, _>")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// List upload events, newest first, with the decision of each workflow.
#[utoipa::path(get, path = "/v1/events", tag = "events", operation_id = "list_events",
    params(ListQuery), responses((status = 200, body = EventList)))]
pub(super) async fn list(
    State(context): State<Context>,
    Asked(ListQuery { bucket, key, cursor: before, limit }): Asked<ListQuery>,
) -> Result<Json<EventList>, Problem> {
    let object = match (bucket, key) {
        (Some(bucket), Some(key)) => Some(ObjectLocation { bucket, key }),
        (None, None) => None,
        (bucket, _) => {
            let missing = if bucket.is_none() { "bucket" } else { "key" };
            let detail = "missing; an object is named by both `bucket` and `key`";
            return Err(Problem::invalid(ParameterPlace::Query, missing, detail));
        }
    };
    let filter = EventFilter { object: object.clone(), before, limit: limit.unwrap_or(PAGE) };
    let (records, next) = page(&context, filter).await?;
    let object_exists = match object.filter(|_| records.is_empty() && before.is_none()) {
        Some(object) if is_missing(&context, &object).await => Some(false),
        _ => None,
    };
    Ok(Json(EventList { items: records.into_iter().map(EventView::from).collect(), next, object_exists }))
}

/// Returns whether the storage says that an object does not exist.
async fn is_missing(context: &Context, object: &ObjectLocation) -> bool {
    context.intake.objects.head(object, Revision::LATEST).await.is_err_and(|error| error.is_not_found())
}

/// Returns the entries of a page, and the cursor of the next page.
pub(crate) async fn page(context: &Context, filter: EventFilter) -> Result<(Vec<EventRecord>, Option<i64>), Problem> {
    let limit = filter.limit as usize;
    // One more than the limit shows that there is a next page.
    let mut records = context.store.events(EventFilter { limit: filter.limit + 1, ..filter }).await?;
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|last| last.seq);
    Ok((records, next))
}
