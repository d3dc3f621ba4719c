//! Settings of notifications: receivers, retries and webhooks.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::forms::{OneOrMany, duration, one_or_many};
use crate::model::plan::{NotifyChannel, NotifyOn, NotifyTarget};

/// Most secrets at once: each is a signature in every request.
const SECRETS: usize = 10;

/// Fewest bytes of a secret, as Standard Webhooks has it.
const SECRET_BYTES: usize = 24;

/// A receiver of notifications: exactly one of `sqs`, `sns` and `webhook`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    /// URL of an SQS queue.
    pub sqs: Option<String>,
    /// ARN of an SNS topic.
    pub sns: Option<String>,
    /// URL of an HTTP receiver.
    pub webhook: Option<String>,
    /// States that are reported; without any, the end.
    pub on: Vec<NotifyOn>,
}

impl NotifyConfig {
    /// Returns the receiver as plans name it.
    pub fn target(&self) -> Result<NotifyTarget, ConfigError> {
        let conflict = |reason: &str| ConfigError::Conflict(format!("queues: notify: {reason}"));
        let mut named = [
            self.sqs.clone().map(NotifyChannel::Sqs),
            self.sns.clone().map(NotifyChannel::Sns),
            self.webhook.clone().map(NotifyChannel::Webhook),
        ]
        .into_iter()
        .flatten();
        let (Some(to), None) = (named.next(), named.next()) else {
            return Err(conflict("a receiver must have exactly one of sqs, sns and webhook"));
        };
        if let Some((mistake, example)) = to.mistake() {
            return Err(conflict(&format!("{}: {mistake}, {example}", to.address())));
        }
        let on = if self.on.is_empty() { NotifyOn::ENDS.to_vec() } else { self.on.clone() };
        Ok(NotifyTarget { to, on })
    }
}

/// Retries of notifications that a receiver did not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationsConfig {
    /// Timeout of one delivery, at most 15s.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Wait after the first delivery that failed; doubles with each.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub backoff: Duration,
    /// Longest wait.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub max: Duration,
    /// Attempts before a notification is dead-lettered, at least 1.
    pub attempts: u32,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { timeout: seconds(10), backoff: seconds(5), max: seconds(15 * 60), attempts: 20 }
    }
}

impl NotificationsConfig {
    /// Checks the values.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if (Duration::from_millis(1)..=Duration::from_secs(15)).contains(&self.timeout) && self.attempts > 0 {
            return Ok(());
        }
        Err(ConfigError::Conflict("notifications: timeout must be at most 15s, and attempts at least 1".to_owned()))
    }
}

/// Notifications over HTTP, signed as Standard Webhooks says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// `env:NAME` or `file:PATH`, where the secret is: `whsec_` and Base64 of 24 bytes or more. Without one no webhook
    /// is sent. A list while secrets are exchanged: each message is signed with all of them.
    #[serde(with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub secret: Vec<String>,
    /// Networks that are not public and may be reached all the same: `10.0.0.0/8`.
    pub allow_private: Vec<String>,
}

impl WebhooksConfig {
    /// The secrets.
    pub fn keys(&self) -> Result<Vec<Vec<u8>>, ConfigError> {
        if self.secret.len() > SECRETS {
            return Err(ConfigError::Conflict(format!("webhooks.secret: at most {SECRETS} secrets")));
        }
        self.secret.iter().map(|reference| Self::key(reference)).collect()
    }

    fn key(reference: &str) -> Result<Vec<u8>, ConfigError> {
        let conflict = |reason: String| ConfigError::Conflict(format!("webhooks.secret: {reason}"));
        let secret = match reference.split_once(':') {
            Some(("env", name)) => {
                std::env::var(name).map_err(|_| conflict(format!("the environment variable {name} is not set")))?
            }
            Some(("file", path)) => {
                std::fs::read_to_string(path).map_err(|error| conflict(format!("cannot read {path}: {error}")))?
            }
            _ => return Err(conflict("write `env:NAME` or `file:PATH`, not the secret itself".to_owned())),
        };
        let secret = secret.trim();
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok();
        match key.filter(|key| key.len() >= SECRET_BYTES) {
            Some(key) => Ok(key),
            None => Err(conflict(format!("a secret must be `whsec_` and Base64 of at least {SECRET_BYTES} bytes"))),
        }
    }

    /// The networks that are allowed.
    pub fn networks(&self) -> Result<Vec<IpNet>, ConfigError> {
        let parse = |text: &String| {
            let network = text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
            let reason = format!("webhooks.allow_private: `{text}` is not a network like 10.0.0.0/8");
            network.map_err(|_| ConfigError::Conflict(reason))
        };
        self.allow_private.iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stands_elsewhere_and_is_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let secret = |text: &str| {
            let file = folder.path().join("secret");
            std::fs::write(&file, text).unwrap();
            WebhooksConfig { secret: vec![format!("file:{}", file.display())], ..WebhooksConfig::default() }.keys()
        };
        let right = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(secret(&format!("whsec_{right}\n")).unwrap()[0].len(), 24);
        assert_eq!(secret(right).unwrap()[0].len(), 24);
        for wrong in ["whsec_c2hvcnQ=", "whsec_?", ""] {
            assert!(secret(wrong).is_err(), "{wrong}");
        }
        let itself = WebhooksConfig { secret: vec![format!("whsec_{right}")], ..WebhooksConfig::default() };
        assert!(!itself.keys().unwrap_err().to_string().contains(right));
        assert_eq!(WebhooksConfig::default().keys().unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_secret_is_one_or_a_list() {
        let read = |text: &str| serde_yaml::from_str::<WebhooksConfig>(text).map(|webhooks| webhooks.secret);
        assert_eq!(read("{ secret: 'env:A' }").unwrap(), ["env:A"]);
        assert_eq!(read("{ secret: ['env:A', 'file:b'] }").unwrap(), ["env:A", "file:b"]);
        assert_eq!(read("{ secret: null }").unwrap(), Vec::<String>::new(), "as configurations of before may have it");
        assert_eq!(read("{}").unwrap(), Vec::<String>::new());
        assert!(read("{ secret: 7 }").is_err() && read("{ secret: { a: b } }").is_err());
        for secret in [vec![], vec!["env:A".to_owned()], vec!["env:A".to_owned(), "env:B".to_owned()]] {
            let text = serde_yaml::to_string(&WebhooksConfig { secret: secret.clone(), ..WebhooksConfig::default() });
            assert_eq!(read(&text.unwrap()).unwrap(), secret);
        }
        let many = WebhooksConfig { secret: vec!["env:A".to_owned(); 11], ..WebhooksConfig::default() };
        assert!(many.keys().unwrap_err().to_string().contains("at most 10"));
    }

    #[test]
    fn a_receiver_is_one_thing_that_has_an_address() {
        let receiver = |text: &str| serde_yaml::from_str::<NotifyConfig>(text).unwrap().target();
        let told = receiver("{ webhook: 'https://example.com/a?b=c', on: [started] }").unwrap();
        assert_eq!((told.to.address(), told.on.as_slice()), ("https://example.com/a?b=c", &[NotifyOn::Started][..]));
        assert_eq!(receiver("{ sns: 'arn:aws:sns:eu-west-1:123456789012:done' }").unwrap().on, NotifyOn::ENDS);
        for wrong in [
            "{}",
            "{ sqs: 'https://sqs/1/q', webhook: 'https://example.com/' }",
            "{ webhook: 'ftp://example.com/' }",
            "{ webhook: 'https://user@example.com/' }",
            "{ webhook: 'https:///x' }",
            "{ sns: 'arn:aws:sqs:eu-west-1:123456789012:done' }",
            "{ sns: done }",
            "{ sqs: 'https://sqs/q?x=1' }",
        ] {
            assert!(receiver(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_are_networks() {
        let networks = |text: &str| {
            WebhooksConfig { allow_private: vec![text.to_owned()], ..WebhooksConfig::default() }.networks()
        };
        assert!(networks("10.0.0.0/8").is_ok() && networks("127.0.0.1").is_ok() && networks("fd00::/8").is_ok());
        assert!(networks("example.com").is_err() && networks("10.0.0.0/33").is_err());
    }
}
