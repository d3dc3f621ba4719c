//! What went wrong with a request, as a page to who reads pages; programs and scripts get the problem itself.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::auth::{Visitor, wants_page};
use super::page::Page;
use crate::api::Problem;
use crate::objects::ObjectError;

/// What objects are asked for by their addresses here, unlike in the API, where bodies name them.
pub(super) fn of_object(error: &ObjectError) -> Problem {
    let status = match error {
        ObjectError::NoBucket { .. } | ObjectError::NoObject { .. } => StatusCode::NOT_FOUND,
        ObjectError::InvalidName { .. } => StatusCode::BAD_REQUEST,
        ObjectError::Conflict { .. } | ObjectError::Changed { .. } | ObjectError::Precondition { .. } => {
            StatusCode::CONFLICT
        }
        // It passes: somebody makes room.
        ObjectError::Full { .. } => StatusCode::SERVICE_UNAVAILABLE,
        // What is in the way of its event is the reason, and passes.
        ObjectError::Event { source, .. } | ObjectError::Refused { source, .. } => {
            let detail = format!("{error}: {}", source.message);
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, source.code, detail);
        }
        _ => StatusCode::BAD_GATEWAY,
    };
    Problem::of(error, status)
}

/// Shows problems as pages where a browser asked for one.
pub(super) async fn as_pages(request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.headers());
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().filter(|_| wants_page) else { return response };
    let page = page(problem, response.extensions().get().copied());
    let (mut parts, _) = response.into_parts();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(name);
    }
    (parts.status, parts.headers, page).into_response()
}

fn page(problem: &Problem, visitor: Option<Visitor>) -> Markup {
    let page = Page { title: &problem.title, part: None, visitor, scripts: &[], live: None };
    let (way, text) = match StatusCode::from_u16(problem.status) {
        Ok(StatusCode::UNAUTHORIZED) => ("/login", "Sign in"),
        _ => ("/", "To the executions"),
    };
    page.with(&html! {
        section.panel.narrow {
            h1 { (problem.title) }
            p { (problem.detail) }
            p.hint { code { (problem.code) } }
            p { a.button href=(way) { (text) } }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_fault_an_upload_onto_a_full_disk_is_answered_503() {
        for errno in [28, 122, 27] {
            let full = ObjectError::io("write", "s3://uploads/a.mp4", std::io::Error::from_raw_os_error(errno));
            assert_eq!(of_object(&full).status, 503, "{errno}");
        }
    }
}
