//! `/v1/events`: the ledger, newest first; of one object, to tell why its upload started something or did not.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::{Context, Problem};
use crate::model::{ExecutionId, InputObject, ObjectLocation};
use crate::store::{EventRecord, MatchDecision};

/// Entries where nothing else is asked for, and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 1_000;

/// An entry of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        let EventRecord { at, event, decisions, executions, duplicates, unreadable, body } = record;
        let (object, name, shape) = match event {
            Some(event) => (Some(event.object), Some(event.name), Some(event.shape)),
            None => (None, None, None),
        };
        Self { at: at.to_string(), object, name, shape, duplicates, decisions, executions, unreadable, body }
    }
}

/// Entries of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventList {
    /// Newest first.
    pub items: Vec<EventView>,
}

/// Which entries.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListQuery {
    bucket: Option<String>,
    key: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn list(
    State(context): State<Context>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<EventList>, Problem> {
    let Query(ListQuery { bucket, key, limit }) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let object = match (bucket, key) {
        (Some(bucket), Some(key)) => Some(ObjectLocation { bucket, key }),
        (None, None) => None,
        _ => return Err(Problem::bad_request("an object is named by both `bucket` and `key`")),
    };
    let limit = limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let items = context.store.events(object, limit).await?.into_iter().map(EventView::from).collect();
    Ok(Json(EventList { items }))
}
