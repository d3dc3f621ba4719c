//! Access control: bearer tokens with scopes.
//!
//! **Invariant**: without tokens the API listens on loopback only (the configuration enforces it); with tokens every route
//! requires one, except for health checks. Tokens are compared by their digests, in constant time.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::config::{Scope, TokenDigest, digest};

/// Access tokens of the API. Without any, every request is allowed.
#[derive(Clone, Default)]
pub struct Tokens(Arc<[(Scope, TokenDigest)]>);

impl Tokens {
    /// Makes a set of these tokens.
    #[must_use]
    pub fn new(tokens: Vec<(Scope, TokenDigest)>) -> Self {
        Self(tokens.into())
    }

    /// Returns whether requests need no token.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the scope of a presented token; `None` if it is unknown.
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

/// Returns the scope that a request needs; `None` if it needs no token.
fn needed(method: &Method, path: &str) -> Option<Scope> {
    match path {
        "/healthz" | "/readyz" => None,
        // A POST that changes nothing: its text is too long for a path.
        "/v1/workflows/validate" => Some(Scope::Read),
        _ if matches!(*method, Method::GET | Method::HEAD) => Some(Scope::Read),
        _ if path.starts_with("/v1/executions") || path.starts_with("/v1/jobs") => Some(Scope::Submit),
        _ => Some(Scope::Admin),
    }
}

/// Rejects requests without a token of a sufficient scope.
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
            let detail = format!("this request needs a token with the scope {}", name(needed));
            Problem::new(StatusCode::FORBIDDEN, "CLI0015", detail).into_response()
        }
        None => {
            let problem = Problem::new(
                StatusCode::UNAUTHORIZED,
                "CLI0014",
                "missing or unknown token: send `Authorization: Bearer TOKEN`",
            );
            let mut response = problem.into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}

/// Returns the name of a scope in the configuration.
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
