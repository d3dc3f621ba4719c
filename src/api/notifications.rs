//! `/v1/notifications`: list notifications and their deliveries, send one again.

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
    /// Identifier of the notification.
    pub id: i64,
    /// Execution or job that it is about.
    pub execution: ExecutionId,
    /// State that it reports.
    pub state: ExecutionState,
    /// Receiver.
    pub to: NotifyChannel,
    /// State of its delivery.
    pub delivery: Delivery,
    /// Number of delivery attempts.
    pub attempts: u32,
    /// Time when the state was reached: RFC 3339.
    pub at: String,
    /// Time of the next attempt, while it is pending: RFC 3339.
    pub due_at: Option<String>,
    /// Reason why the last attempt failed.
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
    /// Notifications of the page.
    pub items: Vec<NotificationView>,
    /// Cursor of the next page; null on the last page.
    pub next: Option<i64>,
}

/// Filter of notifications.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only notifications of this execution or job.
    #[param(required = false)]
    execution: Option<ExecutionId>,
    /// Only notifications in this state of delivery; `set_aside` for dead-lettered ones.
    #[param(required = false)]
    delivery: Option<Delivery>,
    /// `next` of the previous page.
    #[param(required = false)]
    cursor: Option<i64>,
    /// Most notifications in the page; 50 by default.
    #[serde(deserialize_with = "whole::optional::<1, PAGE_MAX, _, _>")]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// List notifications, newest first.
#[utoipa::path(get, path = "/v1/notifications", tag = "notifications", operation_id = "list_notifications",
    params(ListQuery), responses((status = 200, body = NotificationPage)))]
pub(super) async fn list(
    State(context): State<Context>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<NotificationPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE);
    let ListQuery { execution, delivery, cursor: before, .. } = query;
    // One more than the limit shows that there is a next page.
    let filter = NotificationFilter { execution, delivery, before, limit: limit + 1 };
    let mut items: Vec<NotificationView> =
        context.store.notifications(filter).await?.into_iter().map(NotificationView::from).collect();
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = if more { items.last().map(|last| last.id) } else { None };
    Ok(Json(NotificationPage { items, next }))
}

/// Send a delivered or dead-lettered notification again. A pending one does not change.
#[utoipa::path(post, path = "/v1/notifications/{id}/resend", tag = "notifications", operation_id = "resend_notification",
    params(("id" = i64, Path, description = "Identifier of the notification")), responses((status = 204)))]
pub(super) async fn resend(State(context): State<Context>, Place(id): Place<i64>) -> Result<StatusCode, Problem> {
    context.store.resend(id, context.clock.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
