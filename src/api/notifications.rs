//! `/v1/notifications`: what was told, what was set aside, and sending it again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::executions::{PAGE, PAGE_MAX};
use super::extract::{Asked, Place};
use super::{Context, Problem, whole};
use crate::model::plan::NotifyChannel;
use crate::model::{ExecutionId, ExecutionState};
use crate::store::{Delivery, NotificationFilter, NotificationRecord};

/// A notification.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NotificationView {
    /// Its identifier.
    pub id: i64,
    /// The execution, or job, that it tells of.
    pub execution: ExecutionId,
    /// The state that it tells.
    pub state: ExecutionState,
    /// Its receiver.
    pub to: NotifyChannel,
    /// What became of it.
    pub delivery: Delivery,
    /// Deliveries tried.
    pub attempts: u32,
    /// RFC 3339: when the state was reached.
    pub at: String,
    /// RFC 3339: when it is tried next, while it is pending.
    pub due_at: Option<String>,
    /// Why the last delivery failed.
    pub error: Option<String>,
}

impl From<NotificationRecord> for NotificationView {
    fn from(record: NotificationRecord) -> Self {
        let NotificationRecord { notification, delivery, due_at, error } = record;
        Self {
            id: notification.id,
            execution: notification.execution,
            state: notification.state,
            to: notification.target.to,
            delivery,
            attempts: notification.attempts,
            at: notification.at.to_string(),
            due_at: due_at.map(|at| at.to_string()),
            error,
        }
    }
}

/// A page of notifications, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NotificationPage {
    /// The notifications.
    pub items: Vec<NotificationView>,
    /// Cursor of the next page; null on the last one.
    pub next: Option<i64>,
}

/// Which notifications.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those of this execution, or job.
    #[param(required = false)]
    execution: Option<ExecutionId>,
    /// Only those of which this became.
    #[param(required = false)]
    delivery: Option<Delivery>,
    /// `next` of the page before.
    #[param(required = false)]
    cursor: Option<i64>,
    /// At most so many.
    #[serde(deserialize_with = "whole::optional::<1, PAGE_MAX, _, _>")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Notifications, newest first.
#[utoipa::path(get, path = "/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    params(ListQuery), responses((status = 200, body = NotificationPage)))]
pub(super) async fn list(
    State(context): State<Context>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<NotificationPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE);
    let ListQuery { execution, delivery, cursor: before, .. } = query;
    // One more than asked for tells whether there is a next page.
    let filter = NotificationFilter { execution, delivery, before, limit: limit + 1 };
    let mut items: Vec<NotificationView> =
        context.store.notifications(filter).await?.into_iter().map(NotificationView::from).collect();
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = if more { items.last().map(|last| last.id) } else { None };
    Ok(Json(NotificationPage { items, next }))
}

/// Send a notification again that was delivered or set aside. One that is pending stays so.
#[utoipa::path(post, path = "/v1/notifications/{id}/resend", tag = "notifications", operation_id = "resend_notification",
    params(("id" = i64, Path, description = "Its identifier")), responses((status = 204)))]
pub(super) async fn resend(State(context): State<Context>, Place(id): Place<i64>) -> Result<StatusCode, Problem> {
    context.store.resend(id, context.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
