//! The HTTP API: executions to look at, follow, cancel, retry and prioritize; queues; health.
//!
//! JSON under `/v1`, problem details (RFC 9457) for errors, server-sent events to follow an execution.
//!
//! **Invariant**: a handler decides nothing: it asks the store and shows the answer.

pub mod auth;
pub mod events;
pub mod executions;
mod health;
mod metrics;
mod problem;
pub mod queues;
mod reproducer;
mod stream;
pub mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, patch, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::daemon::live::Live;
use crate::model::Clock;
use crate::store::SharedStore;
use crate::telemetry::metrics::PrometheusHandle;
use crate::worker::admission::Admission;
use crate::worker::scratch::ScratchRoot;

pub use problem::Problem;

/// How long open streams may hold up a shutdown.
const DRAIN: Duration = Duration::from_secs(2);

/// What handlers need.
#[derive(Clone)]
pub struct Context {
    /// The store.
    pub store: SharedStore,
    /// Progress as it happens.
    pub live: Live,
    /// Where jobs have their files: a daemon whose disk is full takes none.
    pub scratch: ScratchRoot,
    /// Who may ask.
    pub tokens: auth::Tokens,
    /// What running jobs may use.
    pub admission: Admission,
    /// What was counted, where anything is.
    pub metrics: Option<PrometheusHandle>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The routes.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/v1/executions", get(executions::list))
        .route("/v1/executions/{id}", get(executions::show).patch(executions::change))
        .route("/v1/executions/{id}/cancel", post(executions::cancel))
        .route("/v1/executions/{id}/retry", post(executions::retry))
        .route("/v1/executions/{id}/log", get(executions::log))
        .route("/v1/executions/{id}/stream", get(stream::stream))
        .route("/v1/executions/{id}/activities/{name}/reproducer", get(reproducer::reproducer))
        .route("/v1/events", get(events::list))
        .route("/v1/queues", get(queues::list))
        .route("/v1/queues/{name}", patch(queues::set))
        .route("/metrics", get(metrics::show))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(problem::no_such_route)
        .layer(axum::middleware::from_fn_with_state(context.tokens.clone(), auth::guard))
        .with_state(context)
}

/// Serves the API on `listener` until told to stop.
pub async fn serve(listener: TcpListener, context: Context, stop: CancellationToken) -> std::io::Result<()> {
    let drained = stop.clone();
    let server = axum::serve(listener, router(context)).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        ended = server.into_future() => ended,
        () = async { drained.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}
