//! `/metrics`: Prometheus text. Values of the whole fleet are read from the store at each scrape.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::{Context, Problem};
use crate::intake::Catalog as _;
use crate::model::ExecutionState;
use crate::telemetry::metrics;

/// States of ended executions.
const ENDS: [ExecutionState; 3] = [ExecutionState::Succeeded, ExecutionState::Failed, ExecutionState::Cancelled];
/// Media type of the Prometheus text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Read metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", operation_id = "metrics",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4; charset=utf-8")))]
pub(super) async fn show(State(context): State<Context>) -> Result<impl IntoResponse, Problem> {
    let Some(handle) = &context.metrics else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "CLI0004", "this process records no metrics"));
    };
    let now = context.clock.now();
    for queue in context.store.queues().await? {
        // A paused queue must not make an autoscaler add daemons.
        let oldest = queue.oldest.filter(|_| !queue.paused).map_or(Duration::ZERO, |oldest| now.since(oldest));
        metrics::queue(&queue.name, queue.waiting, queue.running, oldest);
    }
    for workflow in context.catalog.active().iter() {
        metrics::workflow(&workflow.name, &ENDS.map(ExecutionState::as_str));
    }
    metrics::notifications_waiting(context.store.notifications_waiting().await?);
    let (used, limit) = context.admission.scratch();
    metrics::scratch(used, limit);
    Ok(([(header::CONTENT_TYPE, TEXT)], handle.render()))
}
