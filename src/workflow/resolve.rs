//! Activities that are ready to run, resolved to work: expressions are evaluated, inputs found, keys checked.

use std::collections::BTreeMap;

use petgraph::algo::has_path_connecting;
use petgraph::graph::NodeIndex;
use serde_json::Value;

use super::evaluator::{self, NameScope};
use super::{expression, view};
use crate::engine::{ActivityState, Execution};
use crate::model::media::MediaInfo;
use crate::model::plan::{Activity, ActivityInput, ActivityKind, IfExists, Plan};
use crate::model::work::Work;
use crate::model::{ExecutionId, Failure, InputObject, ObjectLocation, OutputObject, Timestamp};
use crate::template::{self, Files, KeySource, Templates};
use crate::yaml::Node;

/// Longest key that storage takes, in bytes.
const MAX_KEY_BYTES: usize = 1024;

/// Longest component of a key that file systems take, in bytes.
const MAX_COMPONENT_BYTES: usize = 255;

/// State of an execution when an activity is ready to run.
#[derive(Clone, Copy, Debug)]
pub struct ResolveContext<'a> {
    /// Identifier of the execution.
    pub execution: ExecutionId,
    /// Time when it was created.
    pub created_at: Timestamp,
    /// Uploaded object.
    pub input: &'a InputObject,
    /// Values of all declared parameters.
    pub params: &'a BTreeMap<String, Value>,
    /// State with the results of earlier activities.
    pub state: &'a Execution,
}

/// An activity resolved to work.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Work. Its input indices are those of [`Resolved::inputs`]; its file names are relative to `prefix`.
    pub work: Work,
    /// Inputs.
    pub inputs: Vec<ResolvedInput>,
    /// Bucket that its outputs go to; empty for an analysis.
    pub bucket: String,
    /// Prefix of the keys of outputs, before the name of the file.
    pub prefix: String,
    /// Handling of existing objects that were made from other uploads.
    pub if_exists: IfExists,
    /// Form of the result of an analysis.
    pub answer: ResultKind,
}

/// Kind of result of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultKind {
    /// Media information.
    Media,
    /// Those of these templates that suit the source.
    Fits(Templates),
}

impl ResultKind {
    /// Returns the result of the activity for a source with `info`.
    pub fn of(&self, info: &MediaInfo) -> Result<Value, Failure> {
        let result = match self {
            Self::Media => serde_json::to_value(info),
            Self::Fits(templates) => serde_json::to_value(template::fits(info, templates)),
        };
        result.map_err(|error| Failure::bug("WORKER0008", "media information cannot be stored").caused_by(&error))
    }
}

/// An input of work.
#[derive(Clone, Debug, PartialEq)]
pub enum ResolvedInput {
    /// The uploaded object.
    Object(InputObject),
    /// An output of another activity.
    Output(OutputObject),
    /// Another object: the picture of a watermark, music, a further part, subtitles, a key.
    Asset(ObjectLocation),
    /// An encryption key that is not an object.
    Key(KeySource),
}

/// Resolves the activity with this node index to work.
pub fn resolve(plan: &Plan, activity: usize, cx: &ResolveContext<'_>) -> Result<Resolved, Failure> {
    expression::on_large_stack(|| on_this_stack(plan, activity, cx))
        .unwrap_or_else(|| Err(evaluator::crashed("an expression of the activity")))
}

fn on_this_stack(plan: &Plan, index: usize, cx: &ResolveContext<'_>) -> Result<Resolved, Failure> {
    let index = NodeIndex::new(index);
    let Some(activity) = plan.graph.node_weight(index) else {
        return Err(Failure::bug("WF0407", format!("the plan has no activity {}", index.index())));
    };
    let scope = NameScope {
        plan,
        activity,
        state: cx.state,
        execution: cx.execution,
        created_at: cx.created_at,
        input: cx.input,
        params: cx.params,
    };
    let spec = Node::from_json(&render(&activity.spec, &scope)?);
    template::check(activity.kind, &spec).map_err(|diagnostic| {
        let failure = diagnostic.to_failure();
        Failure { message: format!("in `{}`: {}", activity.name, failure.message), ..failure }
    })?;
    let (mut inputs, renditions) = inputs(plan, activity, cx)?;
    let base = match Plan::single(&plan.workflow) {
        Some(_) => template::base_of_source(cx.input.stem()),
        None => template::base_of_activity(&activity.name),
    };
    let files = template::files(activity.kind, &base, &spec, &renditions);
    let (bucket, prefix) = match activity.kind {
        kind if kind.only_looks() && files.main.is_empty() => (String::new(), String::new()),
        _ => target(plan, activity, &files, &scope)?,
    };
    let (mut work, beside) = template::outputs(activity.kind, &spec, &files, inputs.len());
    for reference in &beside {
        inputs.push(ResolvedInput::Asset(asset(reference, activity, cx)?));
    }
    for key in template::keys(activity.kind, &spec) {
        inputs.push(match key {
            KeySource::Object(reference) => ResolvedInput::Asset(asset(&reference, activity, cx)?),
            other => ResolvedInput::Key(other),
        });
    }
    if let Some(source) = source(plan, activity, cx) {
        template::fit(&mut work, &spec, &source)?;
    }
    work.set_if_incomplete(activity.if_incomplete);
    let answer = match activity.kind {
        ActivityKind::TemplateAnalysis => ResultKind::Fits(template::candidates(&spec)),
        _ => ResultKind::Media,
    };
    let if_exists = plan.output_of(activity).if_exists;
    Ok(Resolved { work, inputs, bucket, prefix, if_exists, answer })
}

/// A value with every text in it rendered.
fn render(value: &Value, scope: &NameScope<'_>) -> Result<Value, Failure> {
    Ok(match value {
        Value::String(text) => expression::render(text, &|name| scope.lookup(name))
            .map_err(|error| evaluator::failure(&error, &scope.activity.name))?,
        Value::Array(values) => values.iter().map(|v| render(v, scope)).collect::<Result<Vec<_>, _>>()?.into(),
        Value::Object(map) => {
            let rendered: Result<_, Failure> = map.iter().map(|(k, v)| Ok((k.clone(), render(v, scope)?))).collect();
            Value::Object(rendered?)
        }
        other => other.clone(),
    })
}

/// Returns the inputs of an activity, and the names of the activities that made them.
fn inputs(
    plan: &Plan,
    activity: &Activity,
    cx: &ResolveContext<'_>,
) -> Result<(Vec<ResolvedInput>, Vec<String>), Failure> {
    let names = match &activity.input {
        ActivityInput::Object => return Ok((vec![ResolvedInput::Object(cx.input.clone())], Vec::new())),
        ActivityInput::Activities(names) => names,
    };
    let made: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let state = cx.state.activity(plan.find(name)?)?;
            Some((ResolvedInput::Output(view::main_output(state.outputs())?.clone()), name.clone()))
        })
        .collect();
    if made.is_empty() {
        let message = format!("`{}` has no input: {} made no output", activity.name, names.join(", "));
        return Err(Failure::definition("WF0404", message));
    }
    Ok(made.into_iter().unzip())
}

/// Bucket and prefix, after every key has been found good.
fn target(plan: &Plan, activity: &Activity, files: &Files, scope: &NameScope<'_>) -> Result<(String, String), Failure> {
    let target = plan.output_of(activity);
    let rendered = |text: &str| -> Result<String, Failure> {
        Ok(match render(&Value::from(text), scope)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    };
    let (bucket, prefix) = (rendered(&target.bucket)?, rendered(&target.prefix)?);
    let refuse = |key: &str, why: &str| {
        Failure::definition("WF0402", format!("`{}` cannot write `{key}`: {why}", activity.name))
    };
    if bucket.is_empty() || bucket.contains(['/', '\0']) {
        return Err(refuse(&bucket, "the bucket is missing or invalid"));
    }
    let folders = files.owned().map(|folder| format!("{folder}/x"));
    let names: Vec<_> = files.named().cloned().chain(folders).collect();
    for name in &names {
        good_file(name).map_err(|why| refuse(name, why))?;
        let key = format!("{prefix}{name}");
        good_key(&key).map_err(|why| refuse(&key, why))?;
        if let Some(other) = published(scope, &bucket, &key) {
            let message = format!("`{}` would overwrite `{key}`, which `{other}` has written", activity.name);
            return Err(Failure::definition("WF0403", message));
        }
        if bucket == scope.input.location.bucket && key == scope.input.location.key {
            return Err(refuse(&key, "it is the key of the uploaded object"));
        }
    }
    Ok((bucket, prefix))
}

/// Returns another activity of the execution that has published this key.
fn published<'a>(scope: &NameScope<'a>, bucket: &str, key: &str) -> Option<&'a str> {
    let indices = scope.plan.graph.node_indices().filter(|&i| scope.plan.graph[i].name != scope.activity.name);
    indices.into_iter().find_map(|i| {
        let outputs = scope.state.activity(i).map(ActivityState::outputs).unwrap_or_default();
        let taken = outputs.iter().any(|o| o.location.bucket == bucket && o.location.key == key);
        taken.then(|| scope.plan.graph[i].name.as_str())
    })
}

/// Checks that a name can be a file in a folder; the error is the reason.
pub fn good_file(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.starts_with('/') {
        return Err("a key must not begin with `/`");
    }
    if name.contains('\0') {
        return Err("it contains a NUL byte");
    }
    for component in name.split('/') {
        match component {
            "" => return Err("it contains `//` or ends with `/`"),
            "." | ".." => return Err("`.` and `..` are not allowed as names"),
            long if long.len() > MAX_COMPONENT_BYTES => return Err("a part between two `/` has more than 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

/// Checks that a prefix with a name is a valid key; the error is the reason.
fn good_key(key: &str) -> Result<(), &'static str> {
    if key.len() > MAX_KEY_BYTES {
        return Err("it has more than 1024 bytes");
    }
    good_file(key)
}

/// Returns the object of a reference in the parameters of an activity.
fn asset(reference: &str, activity: &Activity, cx: &ResolveContext<'_>) -> Result<ObjectLocation, Failure> {
    let (bucket, key) = match reference.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => (cx.input.location.bucket.as_str(), reference),
    };
    if bucket.is_empty() || key.is_empty() || key.contains('\0') {
        let message =
            format!("in `{}`: `{reference}` is not an object: write s3://bucket/key, or a key", activity.name);
        return Err(Failure::definition("WF0406", message));
    }
    Ok(ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// Returns the media information of an activity's input, if known: from an earlier analysis of the upload, or recorded when
/// another activity published it.
fn source(plan: &Plan, activity: &Activity, cx: &ResolveContext<'_>) -> Option<MediaInfo> {
    if let ActivityInput::Activities(names) = &activity.input {
        let state = cx.state.activity(plan.find(names.first()?)?)?;
        return view::main_output(state.outputs())?.media.clone();
    }
    let reader = plan.find(&activity.name)?;
    plan.graph.node_indices().find_map(|i| {
        let other = &plan.graph[i];
        match cx.state.activity(i)? {
            ActivityState::Succeeded { result, .. }
                if other.kind == ActivityKind::Analysis
                    && other.input == ActivityInput::Object
                    && has_path_connecting(&plan.graph, i, reader, None) =>
            {
                serde_json::from_value(result.as_ref().clone()).ok()
            }
            _ => None,
        }
    })
}
