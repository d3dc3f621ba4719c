//! Who may ask: bearer tokens with scopes.
//!
//! **Invariant**: without tokens the API listens on loopback only (the configuration sees to that); with tokens every route
//! asks for one but those that tell whether the daemon is well. Tokens are compared by their digests, all of them, in the
//! same time whatever is presented.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::config::{Scope, TokenDigest, digest};

/// Tokens that are known; none: everybody may do everything.
#[derive(Clone, Default)]
pub struct Tokens(Arc<[(Scope, TokenDigest)]>);

impl Tokens {
    /// These tokens.
    #[must_use]
    pub fn new(tokens: Vec<(Scope, TokenDigest)>) -> Self {
        Self(tokens.into())
    }

    /// Whether nobody is asked for one.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the holder of `presented` may do; nothing where nobody knows it.
    pub(crate) fn scope(&self, presented: &str) -> Option<Scope> {
        let presented = digest(presented);
        let mut found = None;
        for (scope, known) in self.0.iter() {
            let differences = known.iter().zip(&presented).fold(0, |all, (a, b)| all | (a ^ b));
            if differences == 0 {
                found = found.max(Some(*scope));
            }
        }
        found
    }
}

/// What a request needs; absent: nothing.
fn needed(method: &Method, path: &str) -> Option<Scope> {
    match path {
        "/healthz" | "/readyz" => None,
        // It changes nothing: what it checks is too long for a path.
        "/v1/workflows/validate" => Some(Scope::Read),
        _ if matches!(*method, Method::GET | Method::HEAD) => Some(Scope::Read),
        _ if path.starts_with("/v1/executions") || path.starts_with("/v1/jobs") => Some(Scope::Submit),
        _ => Some(Scope::Admin),
    }
}

/// Lets requests through that may pass.
pub(super) async fn guard(State(tokens): State<Tokens>, request: Request, next: Next) -> Response {
    if tokens.is_empty() {
        return next.run(request).await;
    }
    let Some(needed) = needed(request.method(), request.uri().path()) else { return next.run(request).await };
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented =
        header.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    match presented.and_then(|(_, token)| tokens.scope(token.trim())) {
        Some(scope) if scope >= needed => next.run(request).await,
        Some(_) => {
            let detail = format!("this takes a token with the scope {}", name(needed));
            Problem::new(StatusCode::FORBIDDEN, "CLI0015", detail).into_response()
        }
        None => {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "CLI0014", "there is no token, or nobody knows it");
            let mut response = problem.into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}

/// The name of a scope, as the configuration has it.
pub(crate) const fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Submit => "submit",
        Scope::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_and_the_widest_scope_counts() {
        let tokens = Tokens::new(vec![
            (Scope::Submit, digest("one")),
            (Scope::Read, digest("two")),
            (Scope::Read, digest("one")),
        ]);
        assert_eq!(tokens.scope("one"), Some(Scope::Submit));
        assert_eq!(tokens.scope("two"), Some(Scope::Read));
        assert_eq!(tokens.scope("three"), None);
        assert_eq!(tokens.scope(""), None);
    }

    #[test]
    fn what_changes_more_takes_more() {
        assert_eq!(needed(&Method::GET, "/healthz"), None);
        assert_eq!(needed(&Method::GET, "/v1/executions"), Some(Scope::Read));
        assert_eq!(needed(&Method::GET, "/metrics"), Some(Scope::Read));
        assert_eq!(needed(&Method::POST, "/v1/executions/x/cancel"), Some(Scope::Submit));
        assert_eq!(needed(&Method::PATCH, "/v1/queues/default"), Some(Scope::Admin));
        assert_eq!(needed(&Method::DELETE, "/anything/new"), Some(Scope::Admin));
    }
}
