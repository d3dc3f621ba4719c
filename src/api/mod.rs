//! The HTTP API: single jobs, executions, workflows, templates, queues, events, notifications; health.
//!
//! JSON under `/v1`, problem details (RFC 9457) for errors, server-sent events to follow an execution; [`openapi`] says
//! all of it for programs.
//!
//! **Invariant**: a handler decides nothing: it asks the store and shows the answer. Every body has a largest size, every
//! answer but a stream comes in time, and what a request is refused for is a problem with a code.

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

/// Connections at once; more wait. Each who follows an execution has one.
const CONNECTIONS: usize = 2_048;

/// How long open requests may hold up a shutdown.
const DRAIN: Duration = Duration::from_secs(2);

/// How long of it event streams go on.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// How long a request may take until its answer begins, its body included: the longest wait for a result, and some more.
const ANSWER: Duration = wait::LONGEST.saturating_add(Duration::from_secs(15));

/// What handlers need.
#[derive(Clone)]
pub struct Context {
    /// The store.
    pub store: SharedStore,
    /// What starts executions.
    pub intake: Intake,
    /// The workflows.
    pub catalog: Arc<WorkflowFolder>,
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

/// The routes, with what each takes and answers.
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

/// The routes, guarded.
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

/// Gives up requests that do not come to an answer.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(ANSWER, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("there is no answer within {} s", ANSWER.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "CLI0021", detail).into_response()
    })
}

/// Ends event streams soon after `stop` says so: what just ended is still told, then they hold up nothing, and who followed
/// one asks again elsewhere.
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

/// Serves `routes` on `listener` until told to stop.
pub async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let routes = routes.layer(map_response_with_state(stop.clone(), ends_with));
    let service = TowerToHyperService::new(routes);
    http::serve("the API", listener, service, Limits { connections: CONNECTIONS, drain: DRAIN }, stop).await;
}
