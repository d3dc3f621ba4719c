//! Health checks: `/healthz` and `/readyz`.

use axum::extract::State;
use axum::http::StatusCode;

use super::{Context, Problem};
use crate::daemon::catalog::AWAY;

/// Check that the daemon is alive.
#[utoipa::path(get, path = "/healthz", tag = "operation", operation_id = "health",
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8")), security(()))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Check that the daemon can run jobs: 503 if the store or the workflow folder is missing, the disk is full, or it drains.
#[utoipa::path(get, path = "/readyz", tag = "operation", operation_id = "readiness",
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8")), security(()))]
pub(super) async fn readyz(State(context): State<Context>) -> Result<&'static str, Problem> {
    if context.live.is_draining() {
        let detail = "the daemon is draining: it claims no jobs, and exits when its running jobs have ended";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "CLI0022", detail));
    }
    if let Some(why) = context.catalog.away() {
        let way_out = context.catalog.way_out();
        let detail = format!("the workflow folder is unavailable: {why}; the last good workflows stay active{way_out}");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, AWAY, detail));
    }
    match context.store.is_idle().await {
        Ok(_) if context.scratch.shortage().is_some() => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "WORKER0013", "the disk of the scratch folder is full"))
        }
        Ok(_) => Ok("ready\n"),
        Err(error) => Err(Problem { status: StatusCode::SERVICE_UNAVAILABLE.as_u16(), ..Problem::from(error) }),
    }
}
