//! Several workflows looked at together.

use std::collections::BTreeSet;

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use super::pattern::Pattern;
use super::{Diagnostic, Trigger, Workflow, keys};
use crate::yaml::Severity;

/// What is wrong with workflows that are right one by one: two of one name; and warnings: uploads that start two of them, and circles in which the outputs of
/// each start the next.
#[must_use]
pub fn check_set(workflows: &[&Workflow]) -> Vec<Diagnostic> {
    let active: Vec<_> =
        workflows.iter().filter(|w| w.enabled).filter_map(|&w| Some((w, w.trigger.as_ref()?))).collect();
    let mut diagnostics = Vec::new();
    for (index, workflow) in workflows.iter().enumerate() {
        let Some(first) = workflows[..index].iter().find(|first| first.name == workflow.name) else { continue };
        let message = format!("another workflow is called `{}` too, and only that one is active", workflow.name);
        let mut diagnostic = Diagnostic::at(Severity::Error, "WF0307", &workflow.file, workflow.place, message);
        diagnostic.hint(format!("it is at {}:{}:{}", first.file, first.place.line, first.place.column));
        diagnostics.push(diagnostic);
    }
    for (index, (one, trigger)) in active.iter().enumerate() {
        for (other, others) in &active[..index] {
            if trigger.bucket == others.bucket && overlap(trigger, others) {
                let message = format!(
                    "an upload to `{}` can start both `{}` and `{}`; each will run once",
                    trigger.bucket, other.name, one.name
                );
                diagnostics.push(warning(one, "WF0304", message));
            }
        }
    }
    diagnostics.extend(circles(&active));
    diagnostics
}

fn overlap(one: &Trigger, other: &Trigger) -> bool {
    let apart = |a: &Trigger, b: &Trigger| matches!((a.max_bytes, b.min_bytes), (Some(max), Some(min)) if max < min);
    !apart(one, other) && !apart(other, one) && meet(&one.patterns(), &other.patterns())
}

fn meet(ones: &[Pattern], others: &[Pattern]) -> bool {
    ones.iter().any(|one| others.iter().any(|other| one.meets(other)))
}

/// Circles of more than one workflow; a workflow that feeds itself is an error of its own.
fn circles(active: &[(&Workflow, &Trigger)]) -> Vec<Diagnostic> {
    let mut graph = DiGraph::new();
    let nodes: Vec<_> = active.iter().map(|(workflow, _)| graph.add_node(*workflow)).collect();
    for (from, (workflow, _)) in active.iter().enumerate() {
        for (to, (_, trigger)) in active.iter().enumerate() {
            if from != to && feeds(workflow, trigger) {
                graph.add_edge(nodes[from], nodes[to], ());
            }
        }
    }
    tarjan_scc(&graph)
        .into_iter()
        .filter(|circle| circle.len() > 1)
        .map(|circle| {
            let names: BTreeSet<_> = circle.iter().map(|&n| graph[n].name.as_str()).collect();
            let names = names.into_iter().collect::<Vec<_>>().join("`, `");
            let message = format!("outputs of `{names}` start each other in a circle; it is broken when it runs");
            warning(graph[circle[0]], "WF0305", message)
        })
        .collect()
}

fn feeds(workflow: &Workflow, trigger: &Trigger) -> bool {
    let trigger_bucket = Pattern::of_text(&trigger.bucket);
    let patterns = trigger.patterns();
    workflow.plan.graph.node_weights().filter(|a| keys::publishes(a)).any(|activity| {
        let (bucket, written) = keys::of_plan(&workflow.plan, activity);
        bucket.meets(&trigger_bucket) && meet(&written, &patterns)
    })
}

fn warning(workflow: &Workflow, code: &'static str, message: String) -> Diagnostic {
    Diagnostic::at(Severity::Warning, code, &workflow.file, workflow.place, message)
}
