//! Single jobs: plans of one activity without a workflow.
//!
//! A job is checked as a workflow with that activity, so that the same parameters and errors apply to both.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Compiled, Limits, compile};
use crate::model::Capabilities;
use crate::model::plan::{ActivityKind, Plan};
use crate::template::Templates;

/// Name of the activity. Not the name of its type, which can be a reserved word of expressions.
const NAME: &str = "job";

/// A single job as submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    /// Type of the activity.
    pub kind: ActivityKind,
    /// Parameters, as under the key of its type in a workflow.
    pub parameters: Map<String, Value>,
    /// Other keys of the activity: `queue`, `priority`, `timeout`, `retry`, `output`.
    pub beside: Map<String, Value>,
}

/// Checks a single job and makes its plan. Positions in the diagnostics are not useful: users do not see that text.
#[must_use]
pub fn compile_single(
    single: &Single,
    templates: &Templates,
    limits: &Limits,
    installed: Option<&Capabilities>,
) -> Compiled {
    let kind = single.kind.as_str();
    let mut activity = single.beside.clone();
    activity.insert(kind.to_owned(), single.parameters.clone().into());
    // JSON is YAML.
    let text = json!({ "name": NAME, "activities": { NAME: activity } }).to_string();
    let mut compiled = compile(NAME, &text, templates, limits, installed);
    if let Some(workflow) = &mut compiled.workflow {
        workflow.name = Plan::name_of_single(single.kind);
        Arc::make_mut(&mut workflow.plan).workflow.clone_from(&workflow.name);
    }
    compiled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(kind: ActivityKind, parameters: Value, beside: Value) -> Compiled {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let single = Single { kind, parameters: map(parameters), beside: map(beside) };
        compile_single(&single, &Templates::presets(), &Limits::default(), None)
    }

    #[test]
    fn an_activity_by_itself_is_a_plan_of_one() {
        let compiled = single(
            ActivityKind::Transcode,
            json!({ "template": "h264-360p", "name": "${object.stem} \"x\".mp4" }),
            json!({ "queue": "bulk", "priority": 9, "timeout": "10m", "output": { "bucket": "media", "prefix": "j/" } }),
        );
        assert_eq!(compiled.diagnostics, [], "{compiled:?}");
        let plan = compiled.workflow.unwrap().plan;
        assert_eq!(Plan::single(&plan.workflow), Some(ActivityKind::Transcode));
        let activity = &plan.graph[plan.find("job").unwrap()];
        assert_eq!((activity.queue.as_str(), activity.priority, activity.timeout.as_secs()), ("bulk", 9, 600));
        assert_eq!(plan.output_of(activity).bucket, "media");
        assert_eq!(activity.spec["name"], "${object.stem} \"x\".mp4");
    }

    #[test]
    fn every_type_can_stand_by_itself() {
        for kind in ActivityKind::ALL.iter().copied() {
            let parameters = match kind {
                ActivityKind::Analysis | ActivityKind::TemplateAnalysis => json!({}),
                ActivityKind::Transcode => json!({ "template": "h264-360p", "name": "a.mp4" }),
                ActivityKind::Remux => json!({ "container": "mp4", "name": "a.mp4" }),
                ActivityKind::Snapshot => json!({ "at": "1s", "name": "a.jpg" }),
                ActivityKind::Watermark => json!({
                    "template": "h264-360p", "name": "a.mp4", "image": "s3://assets/logo.png", "position": "top_right",
                }),
                ActivityKind::Package => json!({ "protocol": "hls" }),
            };
            let compiled = single(kind, parameters, json!({ "output": { "bucket": "media" } }));
            assert!(compiled.workflow.is_some(), "{}: {:#?}", kind.as_str(), compiled.diagnostics);
        }
    }

    #[test]
    fn what_a_workflow_may_not_say_a_job_may_not_either() {
        for (parameters, beside, code) in [
            (json!({ "at": "soon" }), json!({ "output": { "bucket": "media" } }), "TPL01"),
            (json!({ "at": "1s" }), json!({}), "WF0121"),
            (json!({ "at": "1s", "wdith": 3 }), json!({ "output": { "bucket": "media" } }), "TPL0101"),
            (json!({ "at": "1s" }), json!({ "queue": "../x", "output": { "bucket": "media" } }), "WF0111"),
            (json!({ "at": "1s", "name": "../../x.jpg" }), json!({ "output": { "bucket": "media" } }), "WF0303"),
            (json!({ "name": "" }), json!({ "output": { "bucket": "media", "prefix": "p/" } }), "WF0303"),
            (json!({ "name": "a/" }), json!({ "output": { "bucket": "media" } }), "WF0303"),
            (json!({ "at": "1s" }), json!({ "priority": 11, "output": { "bucket": "media" } }), "WF0104"),
        ] {
            let compiled = single(ActivityKind::Snapshot, parameters.clone(), beside);
            assert!(compiled.workflow.is_none(), "{parameters}");
            assert!(compiled.diagnostics[0].code.as_str().starts_with(code), "{:#?}", compiled.diagnostics);
        }
    }
}
