//! `/v1/queues`: list, set.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Place};
use super::{Context, Problem, whole};
use crate::store::{QueueChange, QueueStatus};

/// Highest concurrency: every store can hold it.
pub(crate) const MOST: i64 = 2_147_483_647;

/// A queue.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QueueView {
    /// Name of the queue.
    pub name: String,
    /// Most jobs that run at once, over all daemons; 0: no limit but worker slots.
    pub concurrency: u32,
    /// True: its jobs wait, none is claimed.
    pub paused: bool,
    /// Number of waiting jobs.
    pub waiting: u64,
    /// Number of running jobs.
    pub running: u64,
    /// Time when the execution of its oldest waiting job was created: RFC 3339.
    pub oldest: Option<String>,
}

impl From<QueueStatus> for QueueView {
    fn from(status: QueueStatus) -> Self {
        let QueueStatus { name, concurrency, paused, waiting, running, oldest } = status;
        Self { name, concurrency, paused, waiting, running, oldest: oldest.map(|at| at.to_string()) }
    }
}

/// Every queue.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QueueList {
    /// Queues, by name.
    pub items: Vec<QueueView>,
}

/// Change of a queue. Fields that are not set stay as they are.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default, expecting = "an object")]
pub struct QueuePatch {
    /// True to pause the queue, false to resume it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Most jobs that run at once, over all daemons; 0: no limit but worker slots.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "whole::optional::<0, MOST, _, _>")]
    #[schema(maximum = 2_147_483_647)]
    pub concurrency: Option<u32>,
}

/// List all queues, by name.
#[utoipa::path(get, path = "/v1/queues", tag = "queues", operation_id = "list_queues",
    responses((status = 200, body = QueueList)))]
pub(super) async fn list(State(context): State<Context>) -> Result<Json<QueueList>, Problem> {
    let items = context.store.queues().await?.into_iter().map(QueueView::from).collect();
    Ok(Json(QueueList { items }))
}

/// Change a queue. It must exist: had a job, or be in the configuration; so a misspelled name is an error.
#[utoipa::path(patch, path = "/v1/queues/{name}", tag = "queues", operation_id = "set_queue",
    params(("name" = String, Path, description = "Name of the queue")), request_body = QueuePatch,
    responses((status = 200, body = QueueView)))]
pub(super) async fn set(
    State(context): State<Context>,
    Place(name): Place<String>,
    body: Body<QueuePatch>,
) -> Result<Json<QueueView>, Problem> {
    let QueuePatch { paused, concurrency } = body.value;
    find(&context, &name).await?;
    context.store.set_queue(&name, QueueChange { paused, concurrency }).await?;
    find(&context, &name).await.map(Json)
}

async fn find(context: &Context, name: &str) -> Result<QueueView, Problem> {
    let queues = context.store.queues().await?;
    let names = queues.iter().map(|queue| queue.name.clone()).collect::<Vec<_>>().join(", ");
    queues.into_iter().find(|queue| queue.name == name).map(QueueView::from).ok_or_else(|| {
        let detail = format!("there is no queue {name}; the queues are {names}");
        Problem::new(StatusCode::NOT_FOUND, "STORE0006", detail)
    })
}
