//! Plans made by hand, and an evaluator for their conditions.

use std::collections::BTreeMap;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};
use reelmill::engine::{ActivityState, Evaluate, Execution, Facts};
use reelmill::model::plan::{
    Activity, ActivityInput, ActivityKind, Need, NotifyChannel, NotifyOn, NotifyTarget, OnFailure, OutputTarget, Plan,
    RetryPolicy,
};
use reelmill::model::work::IfIncomplete;
use reelmill::model::{Failure, InputObject, ObjectLocation};
use serde_json::Value;

/// An activity with defaults.
pub fn activity(name: &str) -> Activity {
    Activity {
        name: name.to_owned(),
        group: None,
        each: None,
        kind: ActivityKind::Analysis,
        spec: Value::Null,
        input: ActivityInput::Object,
        output: None,
        when: None,
        handles: Vec::new(),
        queue: "default".to_owned(),
        priority: 5,
        timeout: Duration::from_secs(60),
        retry: RetryPolicy::default(),
        on_failure: OnFailure::Fail,
        if_incomplete: IfIncomplete::Warn,
    }
}

/// A plan of activities and of (needed, by, need), with indices into the activities.
pub fn plan(workflow: &str, activities: Vec<Activity>, needs: &[(usize, usize, Need)]) -> Plan {
    let mut graph = DiGraph::new();
    for activity in activities {
        graph.add_node(activity);
    }
    for &(needed, by, need) in needs {
        graph.add_edge(NodeIndex::new(needed), NodeIndex::new(by), need);
    }
    Plan {
        workflow: workflow.to_owned(),
        digest: "d".to_owned(),
        graph,
        output: OutputTarget { bucket: "media".to_owned(), ..OutputTarget::default() },
        notify: Vec::new(),
        deadline: None,
        params: BTreeMap::new(),
    }
}

/// A receiver that wants to know everything.
pub fn target(queue: &str) -> NotifyTarget {
    NotifyTarget {
        to: NotifyChannel::Sqs(queue.to_owned()),
        on: vec![NotifyOn::Started, NotifyOn::Succeeded, NotifyOn::Failed, NotifyOn::Cancelled],
    }
}

/// An object to work on.
pub fn object(key: &str) -> InputObject {
    InputObject {
        location: ObjectLocation { bucket: "uploads".to_owned(), key: key.to_owned() },
        size_bytes: Some(1_000),
        etag: Some("e".to_owned()),
        version: None,
        metadata: BTreeMap::new(),
    }
}

/// Knows the conditions `true`, `false` and `failed(x)`; `panic` panics, and any other fails.
#[derive(Clone, Copy, Debug)]
pub struct Conditions;

impl Evaluate for Conditions {
    fn when(&self, plan: &Plan, activity: NodeIndex, state: &Execution, _: &Facts<'_>) -> Result<bool, Failure> {
        let when = plan.graph[activity].when.as_deref().unwrap_or("true");
        assert!(when != "panic", "a condition that panics");
        let unknown = || Failure::definition("WF0001", format!("cannot evaluate {when}"));
        let Some(name) = when.strip_prefix("failed(").and_then(|rest| rest.strip_suffix(')')) else {
            return when.parse().map_err(|_| unknown());
        };
        let node = plan.find(name).ok_or_else(unknown)?;
        Ok(matches!(state.activity(node), Some(ActivityState::Failed { .. })))
    }
}
