//! Access control of the console: a token in a cookie that scripts cannot read and other sites cannot send.
//!
//! **Invariant**: if the daemon has tokens, only the login page and the assets are shown without one. If it has none,
//! every request is allowed, and the API listens on loopback only. Requests that change something must come from a page
//! of the console: browsers say where a request comes from, and a request that does not say it is rejected.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::format::part;
use super::page::Page;
use super::{Context, assets};
use crate::api::Problem;
use crate::api::auth::name as scope_name;
use crate::api::extract::{Asked, Sent};
use crate::api::origin::FETCH_SITE;
use crate::config::Scope;

/// Name of the cookie.
const COOKIE: &str = "reelmill_token";

/// Lifetime of the cookie, in seconds: a week.
const KEPT_S: u32 = 7 * 86_400;

/// Visitor of a page.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// Scope of its token.
    pub scope: Scope,
    /// True if it sent a token.
    pub signed_in: bool,
}

/// Rejects requests that are not allowed, and adds the [`Visitor`] to the others.
pub(super) async fn guard(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !is_own(request.headers()) {
        let detail = "the request does not come from a page of the console; programs use the API under /v1";
        return Problem::new(StatusCode::FORBIDDEN, "CLI0017", detail).into_response();
    }
    let path = request.uri().path();
    if path == "/login" || path.starts_with("/assets/") {
        return next.run(request).await;
    }
    let presented = cookie(request.headers());
    let visitor = if context.tokens.is_empty() {
        Visitor { scope: Scope::Admin, signed_in: false }
    } else {
        match presented.and_then(|token| context.tokens.scope(&token)) {
            Some(scope) => Visitor { scope, signed_in: true },
            None => return ask(&request),
        }
    };
    let needed = needed(reads, path);
    let mut response = if visitor.scope < needed {
        let detail = format!("this request needs a token with the scope {}", scope_name(needed));
        Problem::new(StatusCode::FORBIDDEN, "CLI0015", detail).into_response()
    } else {
        request.extensions_mut().insert(visitor);
        next.run(request).await
    };
    // For pages of problems, which are made from the response.
    response.extensions_mut().insert(visitor);
    response
}

/// Returns the scope that a request needs.
fn needed(reads: bool, path: &str) -> Scope {
    match path {
        _ if reads => Scope::Read,
        "/logout" => Scope::Read,
        _ if path.starts_with("/executions/") || path.starts_with("/uploads/") => Scope::Submit,
        _ => Scope::Admin,
    }
}

/// Returns whether the browser reports that the request comes from a page of this console.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(FETCH_SITE), text(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin.split_once("://").is_some_and(|(_, host)| text(header::HOST) == Some(host)),
        (None, None) => false,
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Returns whether a browser requests a page.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

/// Redirects a visitor without a token to the login page, which leads back.
fn ask(request: &Request) -> Response {
    if *request.method() != Method::GET || !wants_page(request.headers()) {
        let detail = "missing or unknown token: sign in at /login";
        return Problem::new(StatusCode::UNAUTHORIZED, "CLI0014", detail).into_response();
    }
    let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // After a link on another site, the browser does not send the cookie. It does after a redirect by a page of ours.
    if request.headers().get(FETCH_SITE).is_some_and(|site| site == "cross-site") {
        return bounce(target).into_response();
    }
    Redirect::to(&format!("/login?next={}", part(target))).into_response()
}

fn bounce(target: &str) -> Markup {
    html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0;url=" (target) };
                title { "Reelmill" }
                link rel="stylesheet" href=(assets::address("console.css"));
            }
            body { main { p { a href=(target) { "Continue" } } } }
        }
    }
}

/// Returns the page to show after the login; only a page of the console.
fn own_page(next: &str) -> &str {
    let is_own = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    if is_own { next } else { "/" }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Login {
    next: String,
    token: String,
}

pub(super) async fn login_page(Asked(Login { next, .. }): Asked<Login>) -> Markup {
    login_form(&next, None)
}

fn login_form(next: &str, error: Option<&str>) -> Markup {
    let page = Page { title: "Sign in", part: None, visitor: None, scripts: &[], live: None };
    page.with(&html! {
        form.panel.narrow.login method="post" action="/login" {
            img src=(assets::address("icon.svg")) alt="" width="48" height="48";
            h1 { "Reelmill" }
            @if let Some(error) = error { p.error role="alert" { (error) } }
            input type="hidden" name="next" value=(own_page(next));
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password" autofocus;
            button.main type="submit" { "Sign in" }
            p.hint { "A token from " code { "api.tokens" } " of the daemon's configuration. This browser keeps it for a week." }
        }
    })
}

pub(super) async fn login(State(context): State<Context>, headers: HeaderMap, Sent(form): Sent<Login>) -> Response {
    let token = form.token.trim();
    if context.tokens.scope(token).is_none() {
        return (StatusCode::FORBIDDEN, login_form(&form.next, Some("Unknown token: enter one from api.tokens.")))
            .into_response();
    }
    let cookie = set_cookie(&part(token).to_string(), KEPT_S, &headers);
    ([(header::SET_COOKIE, cookie)], Redirect::to(own_page(&form.next))).into_response()
}

pub(super) async fn logout(headers: HeaderMap) -> Response {
    ([(header::SET_COOKIE, set_cookie("", 0, &headers))], Redirect::to("/login")).into_response()
}

/// Returns the cookie; for encrypted connections only if this one is encrypted.
fn set_cookie(value: &str, kept_s: u32, headers: &HeaderMap) -> String {
    let https = headers.get("x-forwarded-proto").is_some_and(|proto| proto == HeaderValue::from_static("https"));
    let secure = if https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={kept_s}{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_a_page_of_the_console_changes_something() {
        let host = ("host", "127.0.0.1:8080");
        for (more, own) in [
            (("sec-fetch-site", "same-origin"), true),
            (("sec-fetch-site", "same-site"), false),
            (("sec-fetch-site", "cross-site"), false),
            (("sec-fetch-site", "none"), false),
            (("origin", "http://127.0.0.1:8080"), true),
            (("origin", "http://127.0.0.1:8081"), false),
            (("origin", "null"), false),
            (("accept", "*/*"), false),
        ] {
            assert_eq!(is_own(&headers(&[host, more])), own, "{more:?}");
        }
        assert!(!is_own(&headers(&[host, ("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8080")])));
    }

    #[test]
    fn the_login_leads_to_pages_of_the_console_only() {
        for (next, target) in [
            ("/queues?x=1", "/queues?x=1"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_page(next), target);
        }
    }

    #[test]
    fn a_token_comes_back_from_its_cookie_whatever_it_is_made_of() {
        let token = "a;b=c d%2F\"é\"";
        let set = set_cookie(&part(token).to_string(), KEPT_S, &HeaderMap::new());
        let pair = set.split(';').next().unwrap().to_owned();
        let mut sent = HeaderMap::new();
        sent.insert(header::COOKIE, format!("other=1; {pair}").parse().unwrap());
        assert_eq!(cookie(&sent).as_deref(), Some(token));
        assert!(set.contains("HttpOnly; SameSite=Strict") && !set.contains("Secure"));
        let https = headers(&[("x-forwarded-proto", "https")]);
        assert!(set_cookie("x", KEPT_S, &https).ends_with("; Secure"));
    }

    #[test]
    fn what_changes_more_takes_more() {
        assert_eq!(needed(true, "/queues"), Scope::Read);
        assert_eq!(needed(false, "/logout"), Scope::Read);
        assert_eq!(needed(false, "/executions/x/retry"), Scope::Submit);
        assert_eq!(needed(false, "/uploads/b/k"), Scope::Submit);
        assert_eq!(needed(false, "/queues/default"), Scope::Admin);
        assert_eq!(needed(false, "/anything/new"), Scope::Admin);
    }
}
