//! The web console: what the daemon knows and does, for people.
//!
//! Pages are made on the server and read without scripts; forms change things. A small script follows server-sent hints
//! and fetches the same page again, of which it replaces the parts that changed; another plays packages where the browser
//! cannot, a third uploads.
//!
//! **Invariant**: a page shows what the store and the catalog say and decides nothing; no script or style stands in a
//! page; every text is escaped where it is written; files are served only where an execution published them.
//!
//! Deliberately absent: a state of its own, a build step, and code of others.

mod assets;
mod auth;
mod events;
mod execution;
mod executions;
mod files;
mod format;
mod live;
mod page;
mod problem;
mod queues;
mod templates;
mod uploads;
mod workflows;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{get, post, put};

use crate::api::problem::{no_such_method, no_such_route};
use crate::api::{Context, in_time, origin};

/// What pages may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// What every answer of the console says; a file of an execution has a policy of its own.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Largest body of a form, in bytes.
const FORM_BYTES: usize = 16 * 1024;

/// Who asks, in logs.
const BY: &str = "console";

/// The pages, guarded.
pub fn router(context: Context) -> Router {
    Router::new()
        .route("/", get(executions::list))
        .route("/executions/{id}", get(execution::show))
        .route("/executions/{id}/retry", post(execution::retry))
        .route("/executions/{id}/again", post(execution::start_again))
        .route("/executions/{id}/cancel", post(execution::cancel))
        .route("/executions/{id}/priority", post(execution::prioritize))
        .route("/executions/{id}/files/{bucket}/{*key}", get(files::show))
        .route("/upload", get(uploads::page))
        .route("/queues", get(queues::list))
        .route("/queues/{name}", post(queues::set))
        .route("/workflows", get(workflows::list).post(workflows::start))
        .route("/workflows/{name}", get(workflows::show).post(workflows::switch))
        .route("/templates", get(templates::list))
        .route("/templates/{name}", get(templates::show))
        .route("/events", get(events::list))
        .route("/live", get(live::stream))
        .route("/login", get(auth::login_page).post(auth::login))
        .route("/logout", post(auth::logout))
        .route("/assets/{digest}/{name}", get(assets::show))
        // Whatever else somebody types; programs keep to paths with more parts, which the API answers.
        .route("/{page}", get(no_such_route))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(in_time))
        // As large as it is, and it takes its time.
        .route("/uploads/{bucket}/{*key}", put(uploads::receive).get(uploads::follow))
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(context.clone(), auth::guard))
        .layer(from_fn_with_state(context.tokens.clone(), origin::guard))
        .layer(from_fn(problem::as_pages))
        .layer(map_response(with_headers))
        .with_state(context)
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
