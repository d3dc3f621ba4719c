//! Cross-origin requests (CORS): the web pages that may use the endpoint from a browser.
//!
//! A browser sends a preflight request first (`OPTIONS`, without a signature) and needs headers in every response. The
//! rules here do not replace signatures: each request is still authorized by its own.

use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use s3s::S3Error;

use super::answer::coded;

/// A rule: the requests that pages of some origins may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsRule {
    /// Origins as in `https://app.example.org`; each may have one `*`.
    pub origins: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Headers of requests; each may have one `*`.
    pub headers: Vec<String>,
    /// Headers of answers that pages may read.
    pub expose: Vec<String>,
    /// Time for which a browser may cache the answer to a preflight.
    pub max_age: Duration,
}

/// Headers that a browser sends with a preflight.
const ASKED_METHOD: &str = "access-control-request-method";
const ASKED_HEADERS: &str = "access-control-request-headers";

impl CorsRule {
    fn allows(&self, origin: &str, method: &str) -> bool {
        self.origins.iter().any(|pattern| fits(pattern, origin)) && self.methods.iter().any(|known| known == method)
    }

    fn allows_headers(&self, names: &str) -> bool {
        let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.all(|name| {
            self.headers.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase()))
        })
    }

    /// Returns the CORS headers of every response.
    fn answer(&self, origin: &HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let all = self.origins.iter().any(|pattern| pattern == "*");
        headers.insert(
            hyper::header::ACCESS_CONTROL_ALLOW_ORIGIN,
            if all { HeaderValue::from_static("*") } else { origin.clone() },
        );
        set(&mut headers, hyper::header::ACCESS_CONTROL_EXPOSE_HEADERS, &self.expose.join(", "));
        vary(&mut headers);
        headers
    }
}

/// The answer to a preflight request; `None` if `request` is not a preflight request.
pub fn preflight(rules: &[CorsRule], request: &Parts) -> Option<Result<HeaderMap, S3Error>> {
    if request.method != Method::OPTIONS {
        return None;
    }
    let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(method)) = (request.headers.get(hyper::header::ORIGIN), text(ASKED_METHOD)) else {
        return Some(Err(coded(
            "BadRequest",
            StatusCode::BAD_REQUEST,
            "OPTIONS is for browsers, which send Origin and Access-Control-Request-Method with it",
        )));
    };
    let asked = text(ASKED_HEADERS).unwrap_or_default();
    let named = origin.to_str().unwrap_or_default();
    let Some(rule) = rules.iter().find(|rule| rule.allows(named, method) && rule.allows_headers(asked)) else {
        return Some(Err(coded(
            "AccessForbidden",
            StatusCode::FORBIDDEN,
            format!("no rule of s3_cors lets pages of {named} send {method} with these headers"),
        )));
    };
    let mut headers = rule.answer(origin);
    set(&mut headers, hyper::header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
    set(&mut headers, hyper::header::ACCESS_CONTROL_ALLOW_HEADERS, &asked.to_ascii_lowercase());
    set(&mut headers, hyper::header::ACCESS_CONTROL_MAX_AGE, &rule.max_age.as_secs().to_string());
    Some(Ok(headers))
}

/// Returns the CORS headers of a response; none where no rule allows the request.
pub fn allowed(rules: &[CorsRule], method: &Method, origin: Option<&HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if rules.is_empty() {
        return headers;
    }
    // Also for requests without an origin: a cache must not give the response for one origin to another.
    vary(&mut headers);
    let Some(origin) = origin else { return headers };
    let named = origin.to_str().unwrap_or_default();
    match rules.iter().find(|rule| rule.allows(named, method.as_str())) {
        Some(rule) => rule.answer(origin),
        None => headers,
    }
}

fn vary(headers: &mut HeaderMap) {
    let value = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    headers.insert(hyper::header::VARY, HeaderValue::from_static(value));
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

/// Returns whether `text` matches `pattern`, in which one `*` matches any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origin: &str) -> CorsRule {
        CorsRule {
            origins: vec![origin.to_owned()],
            methods: vec!["PUT".to_owned()],
            headers: vec!["content-type".to_owned(), "x-amz-*".to_owned()],
            expose: vec!["ETag".to_owned()],
            max_age: Duration::from_secs(600),
        }
    }

    fn asked(origin: &str, method: &str, headers: &str) -> Result<HeaderMap, S3Error> {
        let request = hyper::Request::options("/uploads/a")
            .header("Origin", origin)
            .header(ASKED_METHOD, method)
            .header(ASKED_HEADERS, headers)
            .body(())
            .unwrap();
        let rules = [rule("https://*.example.org"), rule("null")];
        preflight(&rules, &request.into_parts().0).unwrap()
    }

    #[test]
    fn a_preflight_is_answered_by_the_rule_that_fits() {
        let answer = asked("https://app.example.org", "PUT", "Content-Type, X-Amz-Date").unwrap();
        assert_eq!(answer["access-control-allow-origin"], "https://app.example.org");
        assert_eq!(answer["access-control-allow-methods"], "PUT");
        assert_eq!(answer["access-control-allow-headers"], "content-type, x-amz-date");
        assert_eq!(answer["access-control-expose-headers"], "ETag");
        assert_eq!(answer["access-control-max-age"], "600");
        assert!(answer["vary"].to_str().unwrap().contains("Origin"));
        assert!(asked("null", "PUT", "").is_ok());
        for (origin, method, headers) in [
            ("https://example.com", "PUT", ""),
            ("https://example.org", "PUT", ""),
            ("http://app.example.org", "PUT", ""),
            ("https://app.example.org", "DELETE", ""),
            ("https://app.example.org", "PUT", "authorization"),
        ] {
            assert!(asked(origin, method, headers).is_err(), "{origin} {method} {headers}");
        }
    }

    #[test]
    fn an_answer_names_the_origin_only_where_a_rule_does() {
        let origin = HeaderValue::from_static("https://app.example.org");
        let answer = allowed(&[rule("*")], &Method::PUT, Some(&origin));
        assert_eq!(answer["access-control-allow-origin"], "*");
        let answer = allowed(&[rule("https://b.example.org")], &Method::PUT, Some(&origin));
        assert!(!answer.contains_key("access-control-allow-origin") && answer.contains_key("vary"));
        assert!(allowed(&[], &Method::PUT, Some(&origin)).is_empty());
    }
}
