//! Evaluation of conditions while an execution runs, and the values of names.

use std::collections::BTreeMap;

use petgraph::graph::NodeIndex;
use serde_json::{Value, json};

use super::expression::{self, EvaluateError};
use super::view;
use crate::engine::{Evaluate, Execution, Facts};
use crate::model::plan::{Activity, Plan};
use crate::model::{ExecutionId, Failure, InputObject, Timestamp};

/// Evaluates conditions (CEL).
#[derive(Clone, Copy, Debug, Default)]
pub struct Evaluator;

impl Evaluate for Evaluator {
    fn when(&self, plan: &Plan, activity: NodeIndex, state: &Execution, facts: &Facts<'_>) -> Result<bool, Failure> {
        let Some(activity) = plan.graph.node_weight(activity) else {
            return Err(Failure::bug("WF0407", format!("the plan has no activity {}", activity.index())));
        };
        let Some(condition) = &activity.when else { return Ok(true) };
        let scope = NameScope {
            plan,
            activity,
            state,
            execution: facts.execution,
            created_at: facts.created_at,
            input: facts.input,
            params: facts.params,
        };
        let lookup = |name: &str| scope.lookup(name);
        expression::guarded(condition, || expression::truth(condition, &lookup))
            .ok_or_else(|| crashed(condition))?
            .map_err(|error| failure(&error, &activity.name))
    }
}

/// Values of names in one activity of one execution.
pub struct NameScope<'a> {
    pub plan: &'a Plan,
    pub activity: &'a Activity,
    pub state: &'a Execution,
    pub execution: ExecutionId,
    pub created_at: Timestamp,
    pub input: &'a InputObject,
    pub params: &'a BTreeMap<String, Value>,
}

impl NameScope<'_> {
    /// Returns the value of a name.
    pub fn lookup(&self, name: &str) -> Option<Value> {
        Some(match name {
            "object" => view::object(self.input),
            "execution" => view::execution(self.execution, self.created_at),
            "workflow" => self.plan.workflow.clone().into(),
            "params" => json!(self.params),
            "each" => self.activity.each.clone()?,
            name => return self.activities(name),
        })
    }

    fn activities(&self, name: &str) -> Option<Value> {
        if let Some(index) = self.plan.find(name) {
            return self.view(index);
        }
        let mut members = self
            .plan
            .graph
            .node_indices()
            .filter(|&i| self.plan.graph[i].group.as_deref() == Some(name))
            .filter_map(|i| Some((view::element_name(self.plan.graph[i].each.as_ref()?), self.view(i)?)))
            .peekable();
        members.peek()?;
        Some(view::group(members))
    }

    fn view(&self, index: NodeIndex) -> Option<Value> {
        let state = self.state.activity(index)?;
        Some(view::activity(self.plan.graph[index].kind, state))
    }
}

/// Makes the failure of an expression that cannot be evaluated.
pub fn failure(error: &EvaluateError, activity: &str) -> Failure {
    Failure::definition("WF0401", format!("in `{activity}`: {error}"))
}

/// Makes the failure of an expression at which the library panicked.
pub fn crashed(source: &str) -> Failure {
    Failure::bug("WF0407", format!("`{source}` could not be evaluated"))
}
