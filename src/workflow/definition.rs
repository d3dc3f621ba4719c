//! Head of a workflow: all keys except its activities.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Limits, Trigger, params, places, trigger};
use crate::model::plan::{
    IfExists, NotifyChannel, NotifyOn, NotifyTarget, OnFailure, OutputTarget, Param, ParamType, RetryPolicy,
};
use crate::model::units;
use crate::model::work::IfIncomplete;
use crate::yaml::{Node, Sink};

/// Head of a workflow.
#[derive(Debug)]
pub struct WorkflowHead {
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub trigger: Option<Trigger>,
    pub output: Target,
    pub defaults: JobDefaults,
    pub deadline: Option<Duration>,
    pub params: BTreeMap<String, Param>,
    pub notify: Vec<NotifyTarget>,
}

/// Destination of outputs, as written.
#[derive(Clone, Debug, Default)]
pub struct Target {
    pub bucket: Option<Node>,
    pub prefix: Option<Node>,
    pub if_exists: Option<IfExists>,
}

impl Target {
    /// Returns this target, with missing keys taken from `other`.
    pub fn or(&self, other: &Self) -> Self {
        Self {
            bucket: self.bucket.clone().or_else(|| other.bucket.clone()),
            prefix: self.prefix.clone().or_else(|| other.prefix.clone()),
            if_exists: self.if_exists.or(other.if_exists),
        }
    }

    /// Returns the target for the plan.
    pub fn to_plan(&self) -> OutputTarget {
        let text = |node: &Option<Node>| node.as_ref().and_then(Node::scalar_text).unwrap_or_default();
        let if_exists = self.if_exists.unwrap_or_default();
        OutputTarget { bucket: text(&self.bucket), prefix: text(&self.prefix), if_exists }
    }
}

/// Parameters of jobs that activities can override.
#[derive(Clone, Debug)]
pub struct JobDefaults {
    pub queue: String,
    pub priority: u8,
    pub timeout: Duration,
    pub retry: RetryPolicy,
    pub on_failure: OnFailure,
    pub if_incomplete: IfIncomplete,
}

impl Default for JobDefaults {
    fn default() -> Self {
        Self {
            queue: "default".to_owned(),
            priority: 6,
            timeout: Duration::from_secs(7_200),
            retry: RetryPolicy::default(),
            on_failure: OnFailure::Fail,
            if_incomplete: IfIncomplete::Warn,
        }
    }
}

/// Name that a workflow cannot have, since `/v1/workflows/validate` is another route.
const TAKEN: &str = "validate";

/// Reads the head of a workflow whose shape has been checked.
pub fn read(root: &Node, limits: &Limits, sink: &mut Sink<'_>) -> WorkflowHead {
    let text = |key: &str| root.get(key).and_then(Node::scalar_text);
    let name = text("name").unwrap_or_default();
    if let Some(node) = root.get("name") {
        if !is_word(&name) {
            sink.error("WF0111", node.span, format!("`{name}` is not a valid name for a workflow"))
                .hint("use at most 64 lower case letters, digits, `-` and `_`");
        } else if name == TAKEN {
            sink.error(
                "WF0112",
                node.span,
                format!("`{name}` is not allowed as a name: /v1/workflows/{name} is another route of the API"),
            )
            .hint(format!("use another name, such as `my-{name}`"));
        }
    }
    places::output(root, sink);
    WorkflowHead {
        name,
        description: text("description"),
        enabled: root.get("enabled").and_then(Node::as_bool).unwrap_or(true),
        trigger: root.get("trigger").and_then(|node| trigger::read(node, sink)),
        output: target(root),
        defaults: defaults(root, &JobDefaults::default(), sink),
        deadline: root.get("deadline").and_then(duration),
        params: parameters(root, sink),
        notify: notify(root, limits, sink),
    }
}

/// Reads `output` of a workflow or an activity.
pub fn target(node: &Node) -> Target {
    let Some(output) = node.get("output") else { return Target::default() };
    let if_exists = output.get("if_exists").and_then(Node::as_str).and_then(IfExists::parse);
    Target { bucket: output.get("bucket").cloned(), prefix: output.get("prefix").cloned(), if_exists }
}

/// Reads the parameters of jobs from a workflow or an activity; missing ones are those of `fallback`.
pub fn defaults(node: &Node, fallback: &JobDefaults, sink: &mut Sink<'_>) -> JobDefaults {
    let queue = node.get("queue").and_then(Node::scalar_text);
    if let Some((queue, node)) = queue.as_deref().zip(node.get("queue"))
        && !is_word(queue)
    {
        sink.error("WF0111", node.span, format!("`{queue}` is not a valid name for a queue"))
            .hint("use at most 64 lower case letters, digits, `-` and `_`");
    }
    let retry = node.get("retry");
    let attempts = retry.and_then(|r| r.get("attempts")).and_then(Node::as_int).and_then(|n| u32::try_from(n).ok());
    let wait = |key| retry.and_then(|r| r.get(key)).and_then(duration);
    JobDefaults {
        queue: queue.unwrap_or_else(|| fallback.queue.clone()),
        priority: node
            .get("priority")
            .and_then(Node::as_int)
            .and_then(|n| u8::try_from(n).ok())
            .unwrap_or(fallback.priority),
        timeout: node.get("timeout").and_then(duration).unwrap_or(fallback.timeout),
        retry: RetryPolicy {
            attempts: attempts.unwrap_or(fallback.retry.attempts),
            backoff: wait("backoff").unwrap_or(fallback.retry.backoff),
            max: wait("max").unwrap_or(fallback.retry.max),
        },
        on_failure: match node.get("on_failure").and_then(Node::as_str) {
            Some("continue") => OnFailure::Continue,
            _ => fallback.on_failure,
        },
        if_incomplete: match node.get("if_incomplete").and_then(Node::as_str) {
            Some("fail") => IfIncomplete::Fail,
            Some("warn") => IfIncomplete::Warn,
            _ => fallback.if_incomplete,
        },
    }
}

fn duration(node: &Node) -> Option<Duration> {
    node.scalar_text().and_then(|t| units::parse_duration(&t).ok())
}

fn is_word(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=64).contains(&name.len()) && name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Returns whether a name is an identifier in CEL.
pub fn is_identifier(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=64).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn parameters(root: &Node, sink: &mut Sink<'_>) -> BTreeMap<String, Param> {
    let mut declared = BTreeMap::new();
    for entry in root.get("params").map(Node::entries).unwrap_or_default() {
        if !is_identifier(&entry.key) {
            sink.error("WF0111", entry.key_span, format!("`{}` is not a valid name for a parameter", entry.key))
                .hint("use lower case letters, digits and `_`, not beginning with a digit");
            continue;
        }
        let kind = match entry.value.get("type").and_then(Node::as_str) {
            Some("string") => ParamType::String,
            Some("int") => ParamType::Int,
            Some("float") => ParamType::Float,
            Some("bool") => ParamType::Bool,
            _ => continue,
        };
        let default = entry.value.get("default").and_then(|node| {
            let typed = params::typed(kind, &node.to_json());
            if typed.is_none() {
                let message = format!("the default of parameter `{}` is not {}", entry.key, params::type_name(kind));
                sink.error("WF0124", node.span, message);
            }
            typed
        });
        declared.insert(entry.key.clone(), Param { kind, default });
    }
    declared
}

fn notify(root: &Node, limits: &Limits, sink: &mut Sink<'_>) -> Vec<NotifyTarget> {
    let Some(list) = root.get("notify") else { return Vec::new() };
    let receivers = list.elements();
    if receivers.len() > limits.notify_targets {
        let message =
            format!("`notify` has {} receivers; at most {} are allowed", receivers.len(), limits.notify_targets);
        sink.error("WF0123", list.span, message);
    }
    let mut targets = Vec::new();
    for receiver in receivers {
        let mut named = ["sqs", "sns", "webhook"].into_iter().filter_map(|key| {
            let node = receiver.get(key)?;
            let address = node.scalar_text()?;
            let channel = match key {
                "sqs" => NotifyChannel::Sqs(address),
                "sns" => NotifyChannel::Sns(address),
                _ => NotifyChannel::Webhook(address),
            };
            Some((node, channel))
        });
        let (Some((node, to)), None) = (named.next(), named.next()) else {
            sink.error("WF0125", receiver.span, "a receiver needs exactly one of the keys `sqs`, `sns` and `webhook`");
            continue;
        };
        if let Some((mistake, example)) = to.mistake() {
            sink.error("WF0122", node.span, mistake).hint(example);
            continue;
        }
        let words = receiver.get("on").map(Node::elements).unwrap_or_default();
        let mut on: Vec<_> = words.iter().filter_map(|w| notify_on(w.as_str()?)).collect();
        on.dedup();
        if on.is_empty() {
            on = NotifyOn::ENDS.to_vec();
        }
        targets.push(NotifyTarget { to, on });
    }
    targets
}

fn notify_on(word: &str) -> Option<NotifyOn> {
    Some(match word {
        "started" => NotifyOn::Started,
        "succeeded" => NotifyOn::Succeeded,
        "failed" => NotifyOn::Failed,
        "cancelled" => NotifyOn::Cancelled,
        _ => return None,
    })
}
