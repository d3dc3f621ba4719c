//! The web console of the daemon.
//!
//! Pages are made on the server and work without scripts; forms change things. One script follows server-sent events,
//! fetches the page again and replaces the parts that changed; one plays packages if the browser cannot; one uploads.
//!
//! **Invariant**: pages show the state of the store and the catalog and have no logic of their own; no page contains
//! scripts or styles; all text is escaped where it is written; only files that an execution published are served.
//!
//! Deliberately missing: a state of its own, a build step, third-party scripts.

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

/// Content security policy of pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// Headers of every response; files of executions have their own policy.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Largest body of a form, in bytes.
const FORM_BYTES: usize = 16 * 1024;

/// Name of the console in logs of executions.
const BY: &str = "console";

/// Returns the pages with access control and limits.
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
        // Unknown pages. Paths with more parts belong to the API.
        .route("/{page}", get(no_such_route))
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(in_time))
        // Uploads have no limit of time, and their own of size.
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
