//! `/v1/events`: pages of the ledger, newest first; of one object, to tell why its upload started something or did not.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::executions::{PAGE, PAGE_MAX};
use super::extract::Asked;
use super::{Context, ParameterPlace, Problem, whole};
use crate::model::{ExecutionId, InputObject, ObjectLocation};
use crate::store::{EventFilter, EventRecord, MatchDecision};

/// An entry of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EventView {
    /// RFC 3339: when it was written down.
    pub at: String,
    /// What was uploaded; absent for a message that no shape fits.
    pub object: Option<InputObject>,
    /// Name of the event: `Put`, `CompleteMultipartUpload`.
    pub name: Option<String>,
    /// In which shape it came: `s3`, `sns`, `eventbridge`.
    pub shape: Option<String>,
    /// Later deliveries of the same upload, which did nothing.
    pub duplicates: u32,
    /// What each workflow made of it, and why.
    pub decisions: Vec<MatchDecision>,
    /// Executions it started.
    pub executions: Vec<ExecutionId>,
    /// Why no shape fits, for such a message.
    pub unreadable: Option<String>,
    /// The beginning of such a message.
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
    /// Newest first.
    pub items: Vec<EventView>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<i64>,
}

/// Which entries.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only of the object in this bucket, with `key`.
    #[param(required = false)]
    bucket: Option<String>,
    /// Only of the object with this key, with `bucket`.
    #[param(required = false)]
    key: Option<String>,
    /// `next` of the page before.
    #[param(required = false)]
    cursor: Option<i64>,
    /// At most so many.
    #[serde(deserialize_with = "whole::optional::<1, PAGE_MAX, _, _>")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Uploads that were announced, newest first, with what each workflow made of them.
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
    let (records, next) = page(&context, EventFilter { object, before, limit: limit.unwrap_or(PAGE) }).await?;
    Ok(Json(EventList { items: records.into_iter().map(EventView::from).collect(), next }))
}

/// The entries of a page, and where the next one begins.
pub(crate) async fn page(context: &Context, filter: EventFilter) -> Result<(Vec<EventRecord>, Option<i64>), Problem> {
    let limit = filter.limit as usize;
    // One more than asked for tells whether there is a next page.
    let mut records = context.store.events(EventFilter { limit: filter.limit + 1, ..filter }).await?;
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|last| last.seq);
    Ok((records, next))
}
