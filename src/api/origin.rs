//! Protection against requests that other web sites make in a user's browser.
//!
//! A page of another site cannot read responses of a loopback API, but it can make the browser send requests.
//! **Invariant**: requests that change something come from the daemon's own pages or from no page. Without tokens, only
//! requests with a `Host` of this machine are answered, so a foreign name that resolves to it is useless.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use super::auth::Tokens;

/// Header in which a browser says which site a request comes from.
pub(crate) const FETCH_SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

/// Rejects requests that a page of another site may have made.
pub async fn guard(State(tokens): State<Tokens>, request: Request, next: Next) -> Response {
    let foreign = match (request.method(), tokens.is_empty()) {
        (_, true) if !names_this_machine(request.headers()) => Some(
            "the Host header is not a name of this machine: use 127.0.0.1 or localhost, or set tokens (api.tokens)",
        ),
        (&Method::GET | &Method::HEAD, _) => None,
        _ if is_foreign(request.headers()) => Some("the request comes from a page of another site"),
        _ => None,
    };
    match foreign {
        None => next.run(request).await,
        Some(why) => Problem::new(StatusCode::FORBIDDEN, "CLI0017", why).into_response(),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Returns whether the request comes from a page of another site. Not every browser request has an `Origin`.
fn is_foreign(headers: &HeaderMap) -> bool {
    if text(headers, FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = text(headers, header::ORIGIN) else { return false };
    let own = origin.split_once("://").map(|(_, host)| host);
    own.is_none() || own != text(headers, header::HOST)
}

/// Returns whether `Host` is an IP address or `localhost`. A request without it comes from no browser.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, header::HOST) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_this_machines_own_names_are_answered_to() {
        for (host, own) in [
            ("127.0.0.1:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("evil.example", false),
            ("localhost.evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(names_this_machine(&headers(&[(header::HOST, host)])), own, "{host}");
        }
        assert!(names_this_machine(&HeaderMap::new()));
    }

    #[test]
    fn a_page_of_another_site_is_foreign_even_where_it_tells_no_origin() {
        for (site, foreign) in [("cross-site", true), ("same-site", true), ("same-origin", false), ("none", false)] {
            assert_eq!(is_foreign(&headers(&[(FETCH_SITE, site)])), foreign, "{site}");
        }
        assert!(!is_foreign(&HeaderMap::new()), "no browser, no page");
        let own = [(header::HOST, "a:1"), (header::ORIGIN, "http://b:1"), (FETCH_SITE, "same-origin")];
        assert!(is_foreign(&headers(&own)), "both have to be ours");
    }

    #[test]
    fn a_page_of_another_address_is_foreign() {
        let from = |origin| is_foreign(&headers(&[(header::HOST, "127.0.0.1:8080"), (header::ORIGIN, origin)]));
        assert!(!from("http://127.0.0.1:8080"));
        for origin in ["http://127.0.0.1:8081", "https://evil.example", "null", "http://127.0.0.1:8080.evil.example"] {
            assert!(from(origin), "{origin}");
        }
        assert!(!is_foreign(&headers(&[(header::HOST, "127.0.0.1:8080")])));
    }
}
