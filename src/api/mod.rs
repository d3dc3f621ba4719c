//! The HTTP API: single jobs, executions, workflows, templates, queues, events, notifications; health.
//!
//! JSON under `/v1`, problem details (RFC 9457) for errors, server-sent events to follow an execution; [`openapi`]
//! describes it for programs.
//!
//! **Invariant**: handlers have no logic of their own: they call the store and format its answers. Bodies are limited in
//! size, responses other than streams in time, and every rejected request gets a problem with a code.

pub mod again;
pub mod auth;
pub mod events;
pub mod executions;
pub(crate) mod extract;
mod fields;
mod health;
mod idempotency;
pub mod jobs;
mod metrics;
pub mod notifications;
pub mod openapi;
pub mod origin;
pub(crate) mod problem;
pub mod queues;
mod reproducer;
mod stream;
pub mod templates;
pub mod view;
mod wait;
pub(crate) mod whole;
pub mod workflows;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response_with_state};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::daemon::catalog::WorkflowFolder;
use crate::daemon::live::Live;
use crate::http::{self, Limits};
use crate::intake::Intake;
use crate::model::Clock;
use crate::store::SharedStore;
use crate::telemetry::metrics::PrometheusHandle;
use crate::worker::admission::Admission;
use crate::worker::scratch::ScratchRoot;

pub use problem::{Finding, Parameter, ParameterPlace, Problem};

/// Most open connections; more wait. Each client that follows an execution has one.
const CONNECTIONS: usize = 2_048;

/// Longest that a shutdown waits for open requests.
const DRAIN: Duration = Duration::from_secs(2);

/// Part of [`DRAIN`] in which event streams still send events.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// Timeout of a request until its response begins: longer than the longest wait for a result.
const ANSWER: Duration = wait::LONGEST.saturating_add(Duration::from_secs(15));

/// Parts of the daemon that handlers use.
#[derive(Clone)]
pub struct Context {
    /// Store of executions, events and queues.
    pub store: SharedStore,
    /// Intake, which starts executions.
    pub intake: Intake,
    /// Active workflows and their files.
    pub catalog: Arc<WorkflowFolder>,
    /// Progress of running jobs.
    pub live: Live,
    /// Scratch folder of jobs: a daemon whose disk is full claims none.
    pub scratch: ScratchRoot,
    /// Access tokens.
    pub tokens: auth::Tokens,
    /// Memory and scratch space that running jobs may use.
    pub admission: Admission,
    /// Metrics of this process; `None` if it records none.
    pub metrics: Option<PrometheusHandle>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
}

/// Returns the routes with their OpenAPI descriptions.
fn routes() -> OpenApiRouter<Context> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(jobs::list, jobs::submit))
        .routes(routes!(jobs::show, jobs::change))
        .routes(routes!(jobs::cancel))
        .routes(routes!(executions::list, executions::start))
        .routes(routes!(executions::show, executions::change))
        .routes(routes!(executions::cancel))
        .routes(routes!(executions::retry))
        .routes(routes!(executions::log))
        .routes(routes!(stream::stream))
        .routes(routes!(reproducer::reproducer))
        .routes(routes!(workflows::list))
        .routes(routes!(workflows::show, workflows::put))
        .routes(routes!(workflows::enable))
        .routes(routes!(workflows::disable))
        .routes(routes!(workflows::validate))
        .routes(routes!(templates::list))
        .routes(routes!(templates::show))
        .routes(routes!(queues::list))
        .routes(routes!(queues::set))
        .routes(routes!(events::list))
        .routes(routes!(notifications::list))
        .routes(routes!(notifications::resend))
        .routes(routes!(openapi::show))
        .routes(routes!(metrics::show))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// Returns the routes with access control and limits.
pub fn router(context: Context) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(extract::BODY_BYTES))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(context.tokens.clone(), auth::guard))
        .layer(from_fn_with_state(context.tokens.clone(), origin::guard))
        .with_state(context)
}

/// Ends requests that take too long.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(ANSWER, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("the request took longer than {} s: send it again", ANSWER.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "CLI0021", detail).into_response()
    })
}

/// Ends event streams [`LAST_EVENTS`] after `stop`: clients still get the events of jobs that just ended, and then
/// reconnect to another daemon.
async fn ends_with(State(stop): State<CancellationToken>, response: Response) -> Response {
    let streams = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    if !streams {
        return response;
    }
    let told = async move {
        stop.cancelled().await;
        tokio::time::sleep(LAST_EVENTS).await;
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(told))))
}

/// Serves `routes` on `listener` until `stop`.
pub async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let routes = routes.layer(map_response_with_state(stop.clone(), ends_with));
    let service = TowerToHyperService::new(routes);
    http::serve("the API", listener, service, Limits { connections: CONNECTIONS, drain: DRAIN }, stop).await;
}
