//! Tests of the engine as a whole, over plans made by hand.

mod document;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::model::plan::{Activity, ActivityInput, ActivityKind, Need, OnFailure, OutputTarget, Plan, RetryPolicy};
use crate::model::work::IfIncomplete;
use crate::model::{ExecutionId, Failure, InputObject, ObjectLocation, Timestamp};

const NOW: Timestamp = Timestamp(1_000_000);

fn activity(name: &str) -> Activity {
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

fn plan(activities: &[Activity], needs: &[(&str, &str, Need)]) -> Plan {
    let mut graph = DiGraph::new();
    for activity in activities {
        graph.add_node(activity.clone());
    }
    let mut plan = Plan {
        workflow: "test".to_owned(),
        digest: "0".to_owned(),
        graph,
        output: OutputTarget { bucket: "out".to_owned(), ..OutputTarget::default() },
        notify: Vec::new(),
        deadline: None,
        params: BTreeMap::new(),
    };
    for (needed, by, need) in needs {
        let (needed, by) = (plan.find(needed).unwrap(), plan.find(by).unwrap());
        plan.graph.add_edge(needed, by, *need);
    }
    plan
}

/// Knows the conditions `true`, `false` and `failed(x)`; any other fails.
struct Conditions;

impl Evaluate for Conditions {
    fn when(&self, plan: &Plan, activity: NodeIndex, state: &Execution, _: &Facts<'_>) -> Result<bool, Failure> {
        let when = plan.graph[activity].when.as_deref().unwrap();
        if let Some(name) = when.strip_prefix("failed(").and_then(|rest| rest.strip_suffix(')')) {
            let node = plan.find(name).unwrap();
            return Ok(matches!(state.activity(node), Some(ActivityState::Failed { .. })));
        }
        when.parse().map_err(|_| Failure::definition("WF0001", when))
    }
}

/// An execution under test; checks after every step that its log leads to the same state.
struct Run {
    plan: Plan,
    input: InputObject,
    state: Execution,
    log: Vec<LogEntry>,
    effects: Vec<Effect>,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let location = ObjectLocation { bucket: "in".to_owned(), key: "clip.mp4".to_owned() };
        let input =
            InputObject { location, size_bytes: None, etag: None, version: None, metadata: BTreeMap::default() };
        Self { state: Execution::new(&plan), plan, input, log: Vec::new(), effects: Vec::new() }
    }

    fn started(plan: Plan) -> Self {
        let mut run = Self::new(plan);
        run.send(Input::Start { cause: "a test".to_owned() }).unwrap();
        run
    }

    /// A step from the present state, which stays.
    fn step(&self, input: Input, now: Timestamp) -> Result<Step, StepError> {
        let (execution, params) = (ExecutionId(Uuid::from_u128(7)), BTreeMap::new());
        let facts = Facts { execution, created_at: NOW, input: &self.input, params: &params };
        step(&Context { plan: &self.plan, evaluate: &Conditions, facts }, &self.state, input, now)
    }

    fn send_at(&mut self, input: Input, now: Timestamp) -> Result<(), StepError> {
        let step = self.step(input, now)?;
        self.state = step.state;
        self.log.extend(step.log);
        self.effects = step.effects;
        assert_eq!(replay(&self.plan, &self.log).as_ref(), Ok(&self.state));
        let stored = serde_json::to_string(&self.state).unwrap();
        assert_eq!(serde_json::from_str::<Execution>(&stored).unwrap(), self.state);
        let stored = serde_json::to_string(&self.log).unwrap();
        assert_eq!(serde_json::from_str::<Vec<LogEntry>>(&stored).unwrap(), self.log);
        Ok(())
    }

    fn send(&mut self, input: Input) -> Result<(), StepError> {
        self.send_at(input, NOW)
    }

    fn signal(&mut self, name: &str, signal: Signal) -> Result<(), StepError> {
        let activity = self.plan.find(name).unwrap();
        self.send(Input::Activity { activity, signal })
    }

    fn claim(&mut self, name: &str) {
        self.signal(name, Signal::Claimed { worker: "w".to_owned() }).unwrap();
    }

    fn end(&mut self, name: &str, outcome: Outcome) {
        let attempt = self.of(name).attempt();
        self.signal(name, Signal::Ended { attempt, outcome }).unwrap();
    }

    fn succeed(&mut self, name: &str) {
        self.claim(name);
        self.end(name, Outcome::Succeeded { result: json!({ "of": name }).into(), outputs: [].into() });
    }

    fn fail(&mut self, name: &str) {
        self.claim(name);
        self.end(name, Outcome::Failed { failure: fatal(), patience: Duration::ZERO });
    }

    fn of(&self, name: &str) -> &ActivityState {
        self.state.activity(self.plan.find(name).unwrap()).unwrap()
    }

    /// States of the execution and its activities, as words.
    fn words(&self) -> String {
        let states = self.state.activities.iter().map(|activity| activity.name().as_str());
        std::iter::once(self.state.state.as_str()).chain(states).collect::<Vec<_>>().join(" ")
    }
}

fn cancel(reason: &str) -> Input {
    Input::Cancel { reason: reason.to_owned(), by: "somebody".to_owned() }
}

fn retry() -> Input {
    Input::Retry { by: "somebody".to_owned(), params: BTreeMap::new() }
}

fn fatal() -> Failure {
    Failure::input("MEDIA0001", "not media")
}

fn passing() -> Failure {
    Failure::infrastructure("OBJ0001", "no connection")
}
