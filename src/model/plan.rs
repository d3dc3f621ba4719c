//! The plan: a workflow checked, expanded and frozen, stored with every execution that it started.
//!
//! **Invariant**: an acyclic graph; edges run from what is needed to what needs it; names are unique. Expressions are
//! still text here: `workflow` has checked them and resolves them when their values are known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use petgraph::Direction::Incoming;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ExecutionState;
use super::work::IfIncomplete;

/// A frozen workflow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the workflow.
    pub workflow: String,
    /// Digest of the text it was made from (hex), to tell versions apart.
    pub digest: String,
    /// Activities and what they need.
    pub graph: DiGraph<Activity, Need>,
    /// Target of outputs; texts with expressions.
    pub output: OutputTarget,
    /// Receivers of notifications.
    #[serde(default)]
    pub notify: Vec<NotifyTarget>,
    /// Time limit of an execution; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// Declared parameters and their defaults.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
}

/// Prefix of the names of plans for single jobs; names of workflows cannot begin with it.
const SINGLE: &str = "job:";

impl Plan {
    /// Name of the plan for a single job of this type.
    #[must_use]
    pub fn name_of_single(kind: ActivityKind) -> String {
        format!("{SINGLE}{}", kind.as_str())
    }

    /// Returns the type of a single job, from the name of its plan; `None` for a workflow.
    #[must_use]
    pub fn single(name: &str) -> Option<ActivityKind> {
        let kind = name.strip_prefix(SINGLE)?;
        ActivityKind::ALL.iter().copied().find(|known| known.as_str() == kind)
    }

    /// Returns whether both do the same work, regardless of receivers and priority.
    #[must_use]
    pub fn does_the_same(&self, other: &Self) -> bool {
        let same = |(a, b): (&Activity, &Activity)| Activity { priority: b.priority, ..a.clone() } == *b;
        let edges = |plan: &Self| -> Vec<_> {
            plan.graph.edge_references().map(|edge| (edge.source(), edge.target(), *edge.weight())).collect()
        };
        self.output == other.output
            && self.params == other.params
            && self.deadline == other.deadline
            && self.graph.node_count() == other.graph.node_count()
            && self.graph.node_weights().zip(other.graph.node_weights()).all(same)
            && edges(self) == edges(other)
    }

    /// Returns the target of an activity's outputs.
    #[must_use]
    pub fn output_of<'a>(&'a self, activity: &'a Activity) -> &'a OutputTarget {
        activity.output.as_ref().unwrap_or(&self.output)
    }

    /// Returns the activity with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeIndex> {
        self.graph.node_indices().find(|&i| self.graph[i].name == name)
    }

    /// Activities in an order in which each comes after what it needs; where that leaves a choice, as written.
    #[must_use]
    pub fn in_order(&self) -> Vec<NodeIndex> {
        let mut missing: Vec<usize> =
            self.graph.node_indices().map(|node| self.graph.neighbors_directed(node, Incoming).count()).collect();
        let mut ready: BTreeSet<NodeIndex> =
            self.graph.node_indices().filter(|node| missing[node.index()] == 0).collect();
        let mut order = Vec::with_capacity(missing.len());
        while let Some(node) = ready.pop_first() {
            order.push(node);
            for next in self.graph.neighbors(node) {
                missing[next.index()] -= 1;
                if missing[next.index()] == 0 {
                    ready.insert(next);
                }
            }
        }
        order
    }
}

/// One activity of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Unique name: `poster`, or `rungs.h264-720p` for an element of `for_each`.
    pub name: String,
    /// The name it was expanded from: `rungs`.
    pub group: Option<String>,
    /// The element it was expanded for.
    pub each: Option<Value>,
    /// Type of the activity.
    pub kind: ActivityKind,
    /// Its parameters as written under its type key, template applied, `each` filled in; other expressions still in it.
    pub spec: Value,
    /// Input.
    pub input: ActivityInput,
    /// Target of its outputs; `None`: that of the plan.
    #[serde(default)]
    pub output: Option<OutputTarget>,
    /// Condition (CEL), where there is one.
    pub when: Option<String>,
    /// Activities whose failure `when` asks about (`failed(x)`): their failing does not skip this one.
    #[serde(default)]
    pub handles: Vec<String>,
    /// Queue of its job.
    pub queue: String,
    /// Priority of its job, 1 to 10; 10 runs first.
    pub priority: u8,
    /// Wall-clock limit of one attempt.
    pub timeout: Duration,
    /// Retry policy.
    pub retry: RetryPolicy,
    /// Effect of its failure on the execution.
    pub on_failure: OnFailure,
    /// Policy for an incomplete input.
    #[serde(default, skip_serializing_if = "IfIncomplete::is_warn")]
    pub if_incomplete: IfIncomplete,
}

/// Types of activities.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ActivityKind {
    /// Media information.
    Analysis,
    /// Templates that suit a source.
    #[serde(rename = "template-analysis")]
    TemplateAnalysis,
    /// Re-encode.
    Transcode,
    /// Container conversion.
    Remux,
    /// Pictures.
    Snapshot,
    /// Re-encode with pictures laid over.
    Watermark,
    /// Adaptive streaming.
    Package,
}

impl Activity {
    /// Returns whether it only reads headers, which takes milliseconds.
    #[must_use]
    pub fn reads_headers(&self) -> bool {
        match self.kind {
            ActivityKind::Analysis => self.spec.as_object().is_none_or(serde_json::Map::is_empty),
            ActivityKind::TemplateAnalysis => true,
            _ => false,
        }
    }
}

impl ActivityKind {
    /// Every type.
    pub const ALL: &[Self] = &[
        Self::Analysis,
        Self::TemplateAnalysis,
        Self::Transcode,
        Self::Remux,
        Self::Snapshot,
        Self::Watermark,
        Self::Package,
    ];

    /// The type key in YAML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analysis => "analysis",
            Self::TemplateAnalysis => "template-analysis",
            Self::Transcode => "transcode",
            Self::Remux => "remux",
            Self::Snapshot => "snapshot",
            Self::Watermark => "watermark",
            Self::Package => "package",
        }
    }

    /// Returns whether it only measures media and makes none.
    #[must_use]
    pub const fn only_looks(self) -> bool {
        matches!(self, Self::Analysis | Self::TemplateAnalysis)
    }
}

/// Input of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivityInput {
    /// The uploaded object.
    Object,
    /// Media outputs of these activities (expanded names, in order). More than one only for `package`.
    Activities(Vec<String>),
}

/// Reason why an activity waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// It reads its output.
    Input,
    /// It refers to its result, or `needs` it.
    Order,
}

/// Effect of an activity's failure on its execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Activities that depend on it are skipped, and the execution fails.
    #[default]
    Fail,
    /// It counts as satisfied.
    Continue,
}

/// Retry policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Wait before the second attempt; doubles with each.
    pub backoff: Duration,
    /// Longest wait.
    pub max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 3, backoff: Duration::from_secs(10), max: Duration::from_secs(300) }
    }
}

/// Target of outputs. Bucket and prefix are texts with `${…}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputTarget {
    /// Bucket.
    pub bucket: String,
    /// Prefix of every key.
    pub prefix: String,
    /// Policy for an existing object.
    #[serde(default)]
    pub if_exists: IfExists,
}

/// Policy for an existing object of the same key that was made from another upload.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IfExists {
    /// Replace it, with a warning.
    #[default]
    Warn,
    /// Fail the activity before it publishes anything, also if the object was made by no known execution.
    Fail,
    /// Replace it.
    Replace,
}

impl IfExists {
    /// Every one of them.
    pub const ALL: &[Self] = &[Self::Warn, Self::Fail, Self::Replace];

    /// The word in workflows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Replace => "replace",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.as_str() == text)
    }
}

/// A receiver of notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NotifyTarget {
    /// Receiver.
    pub to: NotifyChannel,
    /// States of the execution to notify of.
    pub on: Vec<NotifyOn>,
}

/// Channels of notifications.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyChannel {
    /// An SQS queue, by URL.
    Sqs(String),
    /// An SNS topic, by ARN.
    Sns(String),
    /// An HTTP receiver, by URL.
    Webhook(String),
}

impl NotifyChannel {
    /// Returns the address of the receiver, as it was written.
    #[must_use]
    pub fn address(&self) -> &str {
        match self {
            Self::Sqs(address) | Self::Sns(address) | Self::Webhook(address) => address,
        }
    }

    /// Returns what is wrong with the address, and a valid example.
    #[must_use]
    pub fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let (right, what, example) = match self {
            Self::Sqs(url) => (
                path_of(url).is_some_and(|parts| parts.len() >= 2 && parts.iter().all(|part| !part.is_empty()))
                    && !url.contains('?'),
                "this is not the URL of an SQS queue",
                "like https://sqs.eu-west-1.amazonaws.com/123456789012/media-done",
            ),
            Self::Sns(arn) => (
                is_topic(arn),
                "this is not the ARN of an SNS topic",
                "like arn:aws:sns:eu-west-1:123456789012:media-done",
            ),
            Self::Webhook(url) => (
                path_of(url).is_some_and(|parts| parts.first().is_some_and(|host| !host.is_empty())),
                "this is not the URL of a webhook",
                "like https://example.com/hooks/media-done",
            ),
        };
        (!right).then_some((what, example))
    }
}

/// Host and path components of `http(s)://…`, without spaces, user and fragment; a query only behind a path.
fn path_of(url: &str) -> Option<Vec<&str>> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '#' | '@' | '\\');
    (!url.contains(odd)).then(|| rest.split('?').next().unwrap_or(rest).split('/').collect())
}

fn is_topic(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    matches!(parts.as_slice(), ["arn", _, "sns", ..]) && parts.len() == 6 && parts.iter().all(word)
}

/// States that can be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotifyOn {
    /// The execution began.
    Started,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl NotifyOn {
    /// The default: the final states.
    pub const ENDS: &[Self] = &[Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Returns the notification for reaching `state`.
    #[must_use]
    pub const fn of(state: ExecutionState) -> Option<Self> {
        match state {
            ExecutionState::Pending => None,
            ExecutionState::Running => Some(Self::Started),
            ExecutionState::Succeeded => Some(Self::Succeeded),
            ExecutionState::Failed => Some(Self::Failed),
            ExecutionState::Cancelled => Some(Self::Cancelled),
        }
    }
}

/// A declared parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// Value where none is given; absent: it must be given.
    pub default: Option<Value>,
}

/// Types of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// Text.
    String,
    /// Whole number.
    Int,
    /// Number.
    Float,
    /// `true` or `false`.
    Bool,
}
