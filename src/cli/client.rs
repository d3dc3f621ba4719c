//! Client of a daemon's API.

use std::fmt::Display;
use std::time::Duration;

use futures::{Stream, StreamExt};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{CliError, DaemonArgs, Exit};
use crate::api::{Finding, Problem};
use crate::objects::proxy;

/// Read timeout: longer than the longest wait for a result, and than the interval of keep-alives in event streams.
const PATIENCE: Duration = Duration::from_secs(90);

/// Client of one daemon.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
}

/// A server-sent event.
pub(super) struct Event {
    /// Name of the event.
    pub(super) name: String,
    /// Data of the event.
    pub(super) data: Value,
}

/// Escapes a name as one segment of a path. Fails for `.` and `..`, which would change the path even if escaped.
pub(super) fn segment(name: &str) -> Result<String, CliError> {
    if matches!(name, "" | "." | "..") {
        return Err(CliError::new(Exit::NotFound, "CLI0004", format!("there is nothing with the name `{name}`")));
    }
    Ok(percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string())
}

impl Client {
    pub(super) fn new(daemon: &DaemonArgs) -> Result<Self, CliError> {
        Self::patient(daemon, PATIENCE)
    }

    fn patient(daemon: &DaemonArgs, patience: Duration) -> Result<Self, CliError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &daemon.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
                CliError::usage("--token: the token contains characters that are not allowed in a header")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut http = reqwest::Client::builder();
        if proxy::is_direct(&daemon.url) {
            http = http.no_proxy();
        }
        let http = http
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(patience)
            .default_headers(headers)
            .build()
            .map_err(|error| {
                CliError::new(Exit::Storage, "CLI0001", format!("cannot start an HTTP client: {error}"))
            })?;
        Ok(Self { http, url: daemon.url.trim_end_matches('/').to_owned() })
    }

    /// Returns the page of an execution in the daemon's console.
    pub(super) fn page(&self, execution: impl Display) -> String {
        format!("{}/executions/{execution}", self.url)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, CliError> {
        self.decode(self.send(Method::GET, path, query).await?).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.decode(self.send(Method::POST, path, &[]).await?).await
    }

    /// Sends a request whose response has no body.
    pub(super) async fn post_only(&self, path: &str) -> Result<(), CliError> {
        self.send(Method::POST, path, &[]).await.map(|_| ())
    }

    /// Sends `body` as JSON.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        self.call_with(method, path, &[], &[], body).await
    }

    /// Sends `body` as JSON, with a query and headers.
    pub(super) async fn call_with<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        headers: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let request = self.http.request(method, self.address(path, query)?).json(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.decode(self.answered(request).await?).await
    }

    /// Puts a definition; with `matches`, only if the current version has that entity tag.
    pub(super) async fn put_text<T: DeserializeOwned>(
        &self,
        path: &str,
        matches: Option<&str>,
        text: String,
    ) -> Result<T, CliError> {
        let mut request = self.http.put(self.address(path, &[])?).header(CONTENT_TYPE, "application/yaml");
        if let Some(tag) = matches {
            request = request.header(IF_MATCH, tag);
        }
        let request = request.body(text);
        self.decode(self.answered(request).await?).await
    }

    /// Returns the server-sent events of `path`.
    pub(super) async fn events(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Event, CliError>> + Unpin + use<>, CliError> {
        let bytes = self.send(Method::GET, path, &[]).await?.bytes_stream();
        let lines = futures::stream::unfold((bytes, Vec::<u8>::new()), async |(mut bytes, mut buffer)| {
            loop {
                if let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<u8> = buffer.drain(..end + 2).collect();
                    if let Some(event) = parse(&block) {
                        return Some((Ok(event), (bytes, buffer)));
                    }
                    continue;
                }
                match bytes.next().await? {
                    Ok(chunk) => buffer.extend_from_slice(&chunk),
                    // The daemon had answered: a lost connection means that it has ended.
                    Err(error) if !error.is_timeout() => {
                        return Some((Err(CliError::daemon_ended()), (bytes, Vec::new())));
                    }
                    Err(error) => {
                        return Some((
                            Err(out_of_reach(error.url().map_or("the daemon's address", Url::as_str), &error)),
                            (bytes, Vec::new()),
                        ));
                    }
                }
            }
        });
        Ok(Box::pin(lines))
    }

    async fn send(&self, method: Method, path: &str, query: &[(&str, String)]) -> Result<Response, CliError> {
        self.answered(self.http.request(method, self.address(path, query)?)).await
    }

    fn address(&self, path: &str, query: &[(&str, String)]) -> Result<Url, CliError> {
        let whole = format!("{}{path}", self.url);
        let url = if query.is_empty() { Url::parse(&whole) } else { Url::parse_with_params(&whole, query) };
        url.map_err(|_| CliError::usage(format!("--url: `{}` is not a URL like http://127.0.0.1:8080", self.url)))
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| out_of_reach(&self.url, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let exit = match status {
            StatusCode::NOT_FOUND => Exit::NotFound,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Exit::Usage,
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Exit::Failed,
            _ => Exit::Storage,
        };
        Err(match response.json::<Problem>().await {
            Ok(Problem { code, detail, errors, .. }) => {
                // A single error is already described by `detail`, except for its position.
                let said = |errors: &[Finding]| matches!(errors, [only] if only.line.is_none());
                let chain = if said(&errors) { Vec::new() } else { errors.iter().map(ToString::to_string).collect() };
                CliError { chain, ..CliError::new(exit, code, detail) }
            }
            Err(_) => CliError::new(exit, "CLI0007", format!("{} answered {status}", self.url)),
        })
    }

    async fn decode<T: DeserializeOwned>(&self, response: Response) -> Result<T, CliError> {
        response.json().await.map_err(|error| {
            if error.is_timeout() {
                return out_of_reach(&self.url, &error);
            }
            CliError::new(
                Exit::Storage,
                "CLI0007",
                format!("{} sent an unexpected response: {error}; is it a Reelmill daemon of this version?", self.url),
            )
        })
    }
}

fn out_of_reach(url: &str, error: &reqwest::Error) -> CliError {
    let silent = error.is_timeout() && !error.is_connect();
    let message = if silent {
        format!("{url} does not answer: check that it is a Reelmill daemon and that its machine is not overloaded")
    } else {
        format!("no daemon at {url}: start one with `reelmill serve`, or set its address with --url")
    };
    let mut this = CliError::new(Exit::Storage, "CLI0008", message);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        this.chain.push(cause.to_string());
        source = cause.source();
    }
    this
}

/// Parses one block of an event stream; `None` for comments (keep-alives).
fn parse(block: &[u8]) -> Option<Event> {
    let text = std::str::from_utf8(block).ok()?;
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim_start));
    let data = serde_json::from_str(field("data")?).ok()?;
    Some(Event { name: field("event").unwrap_or("message").to_owned(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_segment() {
        assert_eq!(segment("default?x=1/..").unwrap(), "default%3Fx%3D1%2F%2E%2E");
        assert_eq!(segment("..").unwrap_err().exit, Exit::NotFound);
    }

    #[tokio::test]
    async fn what_accepts_and_says_nothing_is_not_waited_for_without_end() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let daemon = DaemonArgs { url: format!("http://{}", silent.local_addr().unwrap()), token: None };
        let client = Client::patient(&daemon, Duration::from_millis(50)).unwrap();
        let error = client.get::<Value>("/v1/queues", &[]).await.unwrap_err();
        assert_eq!((error.exit, error.code.as_str()), (Exit::Storage, "CLI0008"));
        assert!(error.message.contains("does not answer"), "{error:?}");
    }

    #[test]
    fn events_are_read_and_comments_passed_over() {
        let event = parse(b"event: log\ndata: {\"seq\":1}\n\n").unwrap();
        assert_eq!((event.name.as_str(), event.data["seq"].as_u64()), ("log", Some(1)));
        assert!(parse(b": keep-alive\n\n").is_none());
    }
}
