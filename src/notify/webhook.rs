//! Delivery to HTTP receivers, signed as Standard Webhooks says.
//!
//! **Invariant**: nothing is sent unsigned; nothing is sent to an address that [`AllowedNetworks`] does not allow, nor
//! to another host than the one that was named; no proxy is asked, which would resolve names on its own.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ipnet::IpNet;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;
use sha2::Sha256;

use super::NotifyError;
use super::address::AllowedNetworks;
use crate::model::{Clock, Timestamp};

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest `Retry-After` that is heeded.
const LONGEST_WISH: Duration = Duration::from_secs(3_600);
/// Redirects within one host that are followed.
const REDIRECTS: usize = 3;

/// Settings of webhooks.
#[derive(Clone, Default)]
pub struct WebhookOptions {
    /// Secrets that all are signed with, each on its own; without one none is sent.
    pub secrets: Vec<Vec<u8>>,
    /// Private networks that are allowed.
    pub allow_private: Vec<IpNet>,
}

/// Sends to HTTP receivers.
pub struct WebhookSender {
    secrets: Vec<Vec<u8>>,
    reach: AllowedNetworks,
    /// Absent where the system's TLS set-up is broken.
    client: Option<Client>,
    clock: Arc<dyn Clock>,
}

impl WebhookSender {
    /// Makes it with these settings.
    #[must_use]
    pub fn new(options: WebhookOptions, clock: Arc<dyn Clock>) -> Self {
        let reach = AllowedNetworks::new(options.allow_private);
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(same_host())
            .dns_resolver(Arc::new(reach.clone()))
            .no_proxy()
            .user_agent(concat!("reelmill/", env!("CARGO_PKG_VERSION")))
            .build()
            .inspect_err(|error| tracing::error!(%error, "cannot set up the HTTP client; no webhook is sent"))
            .ok();
        Self { secrets: options.secrets, reach, client, clock }
    }

    /// Posts `event` to `url`.
    pub(super) async fn send(&self, url: &str, event: &Value) -> Result<(), NotifyError> {
        let refused = |reason: String| NotifyError::Refused { to: url.to_owned(), reason, retry_after: None };
        if self.secrets.is_empty() {
            return Err(NotifyError::Unsigned);
        }
        let client = self.client.as_ref().ok_or_else(|| {
            refused("the HTTP client could not be set up; the log has the cause, at the start of the daemon".to_owned())
        })?;
        let target: Url = url.parse().map_err(|error| refused(format!("{error}")))?;
        // Host names are resolved when connecting, and their addresses are checked against the same rules then.
        let literal = target.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        if literal.is_some_and(|address| !self.reach.allows(address)) {
            return Err(NotifyError::Private { to: url.to_owned() });
        }
        let body = event.to_string();
        let id = event["id"].as_str().unwrap_or_default();
        let timestamp = self.clock.now().0.div_euclid(1_000_000).to_string();
        let request = client
            .post(target)
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", self.sign(id, &timestamp, &body))
            .body(body);
        let answer = request.send().await.map_err(|error| refused(chain(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => {
                Err(refused(format!("it answered {status}, a redirect that is not followed")))
            }
            StatusCode::GONE => Err(NotifyError::Gone { to: url.to_owned() }),
            status => Err(NotifyError::Refused {
                to: url.to_owned(),
                reason: format!("it answered {status}"),
                retry_after: retry_after(answer.headers(), self.clock.now()),
            }),
        }
    }

    /// The signatures of one message, one for each secret: a receiver that knows one of them is content.
    fn sign(&self, id: &str, timestamp: &str, body: &str) -> String {
        let signatures: Vec<String> = self.secrets.iter().map(|secret| sign(secret, id, timestamp, body)).collect();
        signatures.join(" ")
    }
}

/// Returns the wait that `Retry-After` asks for: seconds, or until a date. At most [`LONGEST_WISH`].
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Timestamp(date.as_microsecond()).since(now)
    };
    Some(wait.min(LONGEST_WISH)).filter(|wait| !wait.is_zero())
}

/// Follows only redirects that repeat the same request at the same host.
fn same_host() -> Policy {
    Policy::custom(|attempt| {
        let place =
            |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        let repeats = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        let stays = attempt.previous().last().is_some_and(|previous| place(previous) == place(attempt.url()));
        if repeats && stays && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
    })
}

/// The signature of one message.
fn sign(secret: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    for part in [id, ".", timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[tokio::test]
    async fn nothing_is_sent_unsigned_or_to_a_private_address() {
        let clock: Arc<dyn Clock> = Arc::new(crate::model::SystemClock);
        let event = serde_json::json!({ "id": "1" });
        let unsigned = WebhookSender::new(WebhookOptions::default(), Arc::clone(&clock));
        assert!(matches!(unsigned.send("https://example.com/", &event).await, Err(NotifyError::Unsigned)));
        let options = WebhookOptions { secrets: vec![vec![1; 32]], allow_private: Vec::new() };
        let sender = WebhookSender::new(options, clock);
        for url in [
            "http://127.0.0.1:9/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://10.0.0.1/",
            "http://0/",
        ] {
            let refused = sender.send(url, &event).await;
            assert!(matches!(refused, Err(NotifyError::Private { .. })), "{url}: {refused:?}");
        }
        let refused = sender.send("http://localhost:9/", &event).await.unwrap_err().to_string();
        assert!(refused.contains("no public address"), "{refused}");
    }

    #[test]
    fn field_fault_owncast_1504_retry_after_is_seconds_or_a_date() {
        let now = Timestamp(1_000_000_000_000_000); // 2001-09-09T01:46:40Z
        let wish = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!([wish("120"), wish(" 5 "), wish("99999999")], [Some(120), Some(5), Some(3_600)]);
        assert_eq!(wish("Sun, 09 Sep 2001 01:47:40 GMT"), Some(60));
        assert_eq!(wish("Sun, 09 Sep 2001 01:45:40 GMT"), None, "it has passed");
        assert_eq!(wish("Mon, 10 Sep 2001 01:47:40 GMT"), Some(3_600));
        assert_eq!([wish("0"), wish("soon"), wish("-1"), wish("1.5")], [None; 4]);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
