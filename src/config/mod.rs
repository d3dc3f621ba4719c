//! Configuration: one file, then the environment, then flags, in rising order.
//!
//! **Invariant**: an unknown key is an error with its line; secrets are not kept here (AWS credentials come from the
//! SDK's own chain); a value that stands here has been checked.
//!
//! Deliberately absent: workflows and templates, which are definitions, not settings.

mod endpoint;
mod environment;
mod forms;
mod mistakes;
mod notify;
mod store;
mod tokens;
mod worker;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::endpoint::CorsConfig;
pub use self::notify::{NotificationsConfig, NotifyConfig, WebhooksConfig};
pub use self::store::StoreTarget;
pub use self::tokens::{Scope, TokenConfig, TokenDigest, digest};
pub use self::worker::{Fusion, WorkerConfig};

use crate::yaml::Diagnostic;

use self::forms::{duration, parse_slots};
use crate::model::{Code, Coded};

/// Error of reading the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a valid configuration.
    #[error("{path}: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Reason, with line and column.
        reason: String,
    },
    /// Keys or values that no setting has: all of them.
    #[error("{path} cannot be used: {} in it", plural(.mistakes.len(), "error"))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// Its text, without its secrets.
        text: String,
        /// The errors.
        mistakes: Vec<Diagnostic>,
    },
    /// A rule for web pages, or a host, of the embedded S3 endpoint is invalid.
    #[error("{setting}: {reason}")]
    Endpoint {
        /// Name of the setting.
        setting: String,
        /// Expected value.
        reason: String,
    },
    /// The value of an environment variable is invalid.
    #[error("{variable}: {reason}")]
    Environment {
        /// The variable.
        variable: String,
        /// Expected value.
        reason: String,
    },
    /// Settings contradict each other.
    #[error("{0}")]
    Conflict(String),
}

impl Coded for ConfigError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Read { .. } => "CFG0001",
            Self::Parse { .. } | Self::Mistakes { .. } => "CFG0002",
            Self::Environment { .. } => "CFG0003",
            Self::Conflict(_) => "CFG0004",
            Self::Endpoint { .. } => "CFG0010",
        })
    }
}

/// Every setting.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:PATH` for one daemon, `postgres://…` for any number of them; `env:NAME` and `file:PATH` take it from
    /// there.
    pub store: String,
    /// Object storage of the buckets.
    pub objects: ObjectsConfig,
    /// Address of the embedded S3 endpoint over local buckets; `null` for none.
    #[schemars(with = "Option<String>")]
    pub s3_endpoint: Option<SocketAddr>,
    /// Rules for web pages that use the embedded S3 endpoint from a browser.
    pub s3_cors: Vec<CorsConfig>,
    /// Hosts of the embedded S3 endpoint below which a name is a bucket's, beside `localhost`: `s3.example.org`.
    pub s3_domains: Vec<String>,
    /// Sources of events besides the embedded endpoint.
    pub events: Vec<EventsConfig>,
    /// Folder of workflow files.
    pub workflows: PathBuf,
    /// HTTP API.
    pub api: ApiConfig,
    /// Workers.
    pub worker: WorkerConfig,
    /// Queues, by name. These settings are applied at every start.
    pub queues: BTreeMap<String, QueueConfig>,
    /// Delivery of notifications.
    pub notifications: NotificationsConfig,
    /// Notifications over HTTP.
    pub webhooks: WebhooksConfig,
    /// Retention of records.
    pub retention: RetentionConfig,
    /// Traces.
    pub traces: TracesConfig,
}

/// Traces of executions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP, as in `http://127.0.0.1:4318`; absent: none are
    /// made.
    pub otlp: Option<String>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueConfig {
    /// Most jobs at once over all daemons; 0: as many as there are slots; absent: what was set last.
    pub concurrency: Option<u32>,
    /// Most waiting jobs before uploads that would add to them are refused for now; 0: no limit.
    pub waiting: u64,
    /// Receivers of notifications about executions and jobs of this queue.
    pub notify: Vec<NotifyConfig>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { concurrency: None, waiting: WAITING, notify: Vec::new() }
    }
}

/// Most waiting jobs of a queue.
const WAITING: u64 = 10_000;

/// Retention of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Executions that have ended, with their logs, from their end.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub executions: Duration,
    /// Warnings and other words of workers in the logs of executions that have ended. Changes of state stay with the
    /// execution.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub logs: Duration,
    /// Events in the ledger. An event that arrives again after its record was pruned starts its workflows again.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub events: Duration,
    /// Idempotency keys of the API. A request that is sent again after so long is carried out again.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub requests: Duration,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self { executions: 30 * day, logs: 30 * day, events: 90 * day, requests: day }
    }
}

/// Object storage of the buckets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectsConfig {
    /// Folders under this one.
    Local(PathBuf),
    /// An S3 service.
    S3(S3Config),
}

/// An S3 service. Credentials come from the AWS SDK's own chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// Region; absent: the SDK's chain.
    pub region: Option<String>,
    /// Endpoint URL; absent: AWS.
    pub endpoint: Option<String>,
    /// Buckets in the path rather than in the host name.
    pub path_style: bool,
}

/// A source of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EventsConfig {
    /// An SQS queue.
    Sqs(SqsConfig),
}

/// An SQS queue of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqsConfig {
    /// The queue's URL.
    pub queue: String,
    /// Long poll, at most 20 s.
    #[serde(default = "default_wait", with = "duration")]
    #[schemars(with = "String")]
    pub wait: Duration,
    /// Region; absent: the SDK's chain.
    #[serde(default)]
    pub region: Option<String>,
    /// Endpoint URL; absent: AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
}

/// The HTTP API.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Address; beyond loopback only with tokens.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Tokens, one of which every request must then carry; none: everybody on this machine may do everything.
    pub tokens: Vec<TokenConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self::under(Path::new("reelmill-data"))
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 8080), tokens: Vec::new() }
    }
}

impl Config {
    /// The embedded set-up with everything under `data`.
    #[must_use]
    pub fn under(data: &Path) -> Self {
        Self {
            store: format!("sqlite:{}", data.join("reelmill.db").display()),
            objects: ObjectsConfig::Local(data.join("buckets")),
            s3_endpoint: Some(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 9000)),
            s3_cors: Vec::new(),
            s3_domains: Vec::new(),
            events: Vec::new(),
            workflows: PathBuf::from("workflows"),
            api: ApiConfig::default(),
            worker: WorkerConfig {
                slots: None,
                fusion: Fusion::On,
                fusion_max: 16,
                memory: None,
                scratch_max: 100 << 30,
                scratch: data.join("scratch"),
                program: None,
                queues: Vec::new(),
                lease: Duration::from_secs(30),
                drain: Duration::from_secs(20),
                stall: Duration::from_secs(120),
                infrastructure_wait: Duration::from_secs(3_600),
                grace: Duration::from_secs(5),
            },
            queues: BTreeMap::new(),
            notifications: NotificationsConfig::default(),
            webhooks: WebhooksConfig::default(),
            retention: RetentionConfig::default(),
            traces: TracesConfig::default(),
        }
    }

    /// Reads `file`, then lets the environment (name, value) override it.
    pub fn load(
        file: Option<&Path>,
        data: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config = match (file, data) {
            (Some(path), data) => Self::read(path)?.moved_under(data),
            (None, Some(data)) => Self::under(data),
            (None, None) => Self::default(),
        };
        environment::apply(&mut config, environment)?;
        Ok(config)
    }

    /// Places paths that were left at their default under `data`.
    fn moved_under(mut self, data: Option<&Path>) -> Self {
        let Some(data) = data else { return self };
        let (plain, under) = (Self::default(), Self::under(data));
        if self.store == plain.store {
            self.store = under.store;
        }
        if self.objects == plain.objects {
            self.objects = under.objects;
        }
        if self.worker.scratch == plain.worker.scratch {
            self.worker.scratch = under.worker.scratch;
        }
        self
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        serde_yaml::from_str(&text).map_err(|error| {
            let mistakes = mistakes::find(&path.display().to_string(), &text);
            let path = path.to_owned();
            if mistakes.is_empty() {
                return ConfigError::Parse { path, reason: first_line(&error.to_string()) };
            }
            ConfigError::Mistakes { path, text: mistakes::blotted(&text), mistakes }
        })
    }

    /// Checks the values against each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.api.listen.ip().is_loopback() && self.api.tokens.is_empty() {
            return Err(ConfigError::Conflict(format!(
                "api.listen: {} is not a loopback address, so tokens are required: set api.tokens or REELMILL_API_TOKEN",
                self.api.listen
            )));
        }
        self.api.tokens.iter().try_for_each(|token| token.digest().map(|_| ()))?;
        self.check_endpoint()?;
        if self.worker.stall < Duration::from_secs(1) {
            return Err(ConfigError::Conflict("worker.stall: must be at least 1s".to_owned()));
        }
        if self.worker.lease < Duration::from_secs(2) {
            return Err(ConfigError::Conflict("worker.lease: must be at least 2s".to_owned()));
        }
        let mut waits = self.events.iter().map(|EventsConfig::Sqs(sqs)| sqs.wait);
        if waits.any(|wait| !(1..=20).contains(&wait.as_secs())) {
            return Err(ConfigError::Conflict("events.sqs.wait: must be from 1s to 20s".to_owned()));
        }
        if let Some(url) = &self.traces.otlp
            && !reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            return Err(ConfigError::Conflict(format!(
                "traces.otlp: `{url}` is not the address of a collector, like http://127.0.0.1:4318"
            )));
        }
        self.notifications.check()?;
        self.webhooks.keys()?;
        self.webhooks.networks()?;
        self.queues.values().flat_map(|queue| &queue.notify).try_for_each(|receiver| receiver.target().map(|_| ()))?;
        self.store_target().map(|_| ())
    }
}

const fn default_wait() -> Duration {
    Duration::from_secs(20)
}

/// `1 error`, `2 errors`.
fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Returns the first line of the parser's message.
fn first_line(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reelmill.yaml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), None, [])
    }

    #[test]
    fn a_file_sets_what_it_names_and_leaves_the_rest() {
        let config = from_text(
            "store: sqlite:x.db\nobjects: { s3: { region: eu-west-1, path_style: true } }\ns3_endpoint: null\n\
             events: [ { sqs: { queue: 'http://q', wait: 2s } } ]\nworker: { slots: 3, stall: 1m }\n",
        )
        .unwrap();
        assert_eq!(config.worker.slots, Some(3));
        assert_eq!(config.worker.stall, Duration::from_secs(60));
        assert_eq!(config.worker.grace, Duration::from_secs(5));
        assert_eq!(config.s3_endpoint, None);
        let EventsConfig::Sqs(sqs) = &config.events[0];
        assert_eq!(sqs.wait, Duration::from_secs(2));
        config.check().unwrap();
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let ConfigError::Mistakes { mistakes, .. } = from_text("workflows: w\nworker:\n  slotz: 3\n").unwrap_err()
        else {
            panic!("its mistakes are known")
        };
        assert_eq!((mistakes.len(), mistakes[0].line, mistakes[0].column), (1, 3, 3));
        assert_eq!(mistakes[0].hint.as_deref(), Some("did you mean `slots`?"));
    }

    #[test]
    fn the_schema_takes_what_the_file_may_say_and_its_own_defaults() {
        let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        for slots in ["4", "auto"] {
            let text = format!("worker: {{ slots: {slots} }}");
            assert!(schema.is_valid(&serde_yaml::from_str(&text).unwrap()), "{text}");
            from_text(&text).unwrap();
        }
        for wrong in [0.into(), 2000.into(), serde_json::Value::from("many")] {
            assert!(!schema.is_valid(&serde_json::json!({"worker": {"slots": wrong}})), "{wrong}");
        }
        let defaults = serde_json::to_value(Config::default()).unwrap();
        assert!(schema.is_valid(&defaults), "{defaults:#}");
    }

    #[test]
    fn the_token_of_the_environment_is_one_or_leads_to_one() {
        for (value, token) in [
            ("file:/run/secrets/token", "file:/run/secrets/token"),
            ("sha256:00", "sha256:00"),
            ("a-token-of-some-length", "env:REELMILL_API_TOKEN"),
        ] {
            let variable = ("REELMILL_API_TOKEN".to_owned(), value.to_owned());
            let mut config = Config::default();
            environment::apply(&mut config, [variable]).unwrap();
            assert_eq!(config.api.tokens[0].token, token);
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = Config::load(
            None,
            Some(Path::new("d")),
            [("REELMILL_API_LISTEN", "127.0.0.1:1"), ("REELMILL_S3_ENDPOINT", "null"), ("HOME", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
        .unwrap();
        assert_eq!(config.api.listen.port(), 1);
        assert_eq!(config.s3_endpoint, None);
        let error = Config::load(None, None, [("REELMILL_WORKER_SLOTS".to_owned(), "many".to_owned())]).unwrap_err();
        assert!(error.with_code().starts_with("CFG0003: REELMILL_WORKER_SLOTS"), "{error}");
    }

    /// Paths of all keys, as `docs/configuration.md` writes them.
    fn keys(schema: &serde_json::Value, root: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            return keys(&root["$defs"][name], root, path, found);
        }
        if schema["items"].is_object() {
            return keys(&schema["items"], root, path, found);
        }
        if schema["additionalProperties"].is_object() {
            return keys(&schema["additionalProperties"], root, &format!("{path}.NAME"), found);
        }
        let choices = schema["oneOf"].as_array().into_iter().flatten();
        choices.for_each(|choice| keys(choice, root, path, found));
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let before = found.len();
            keys(value, root, &path, found);
            if found.len() == before {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_key_and_variable_is_documented() {
        let document = include_str!("../../docs/configuration.md");
        let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
        let mut found = Vec::new();
        keys(&schema, &schema, "", &mut found);
        // Where buckets are is one row.
        found.retain(|key| key != "objects.local");
        assert!(found.len() > 20, "{found:?}");
        let missing: Vec<_> = found.iter().filter(|key| !document.contains(&format!("| `{key}` |"))).collect();
        assert!(missing.is_empty(), "docs/configuration.md has no row of {missing:?}");
        let variables = include_str!("environment.rs").split('"').filter(|text| text.starts_with("REELMILL_"));
        let missing: Vec<_> = variables.filter(|name| !document.contains(*name)).collect();
        assert!(missing.is_empty(), "docs/configuration.md says nothing of {missing:?}");
    }

    #[test]
    fn an_open_api_without_tokens_is_refused() {
        let mut config = Config::default();
        config.api.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        assert!(config.check().is_err());
    }
}
