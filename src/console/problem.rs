//! Pages of problems. Programs and scripts get the problem as JSON.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::auth::{Visitor, wants_page};
use super::page::Page;
use crate::api::Problem;
use crate::objects::ObjectError;

/// Makes a problem of an object that the path names, so that a missing object is a 404.
pub(super) fn of_object(error: &ObjectError) -> Problem {
    let status = match error {
        ObjectError::NoBucket { .. } | ObjectError::NoObject { .. } => StatusCode::NOT_FOUND,
        ObjectError::InvalidName { .. } => StatusCode::BAD_REQUEST,
        ObjectError::Conflict { .. } | ObjectError::Changed { .. } | ObjectError::Precondition { .. } => {
            StatusCode::CONFLICT
        }
        // Temporary: space can be freed.
        ObjectError::Full { .. } => StatusCode::SERVICE_UNAVAILABLE,
        // Temporary: the cause is why its event could not be stored.
        ObjectError::Event { source, .. } | ObjectError::Refused { source, .. } => {
            let detail = format!("{error}: {}", source.message);
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, source.code, detail);
        }
        _ => StatusCode::BAD_GATEWAY,
    };
    Problem::of(error, status)
}

/// Shows problems as pages if a browser requested a page.
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
        _ => ("/", "Show executions"),
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
