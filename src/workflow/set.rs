//! Checks of several workflows together.

use std::collections::BTreeSet;
use std::path::Path;

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use super::pattern::Pattern;
use super::{Diagnostic, Trigger, Workflow, keys};
use crate::yaml::Severity;

/// Checks valid workflows together. It is an error if two have the same name. Warnings are for uploads that start two of
/// them, and for circles in which the outputs of each start the next.
#[must_use]
pub fn check_set(workflows: &[&Workflow]) -> Vec<Diagnostic> {
    let active: Vec<_> =
        workflows.iter().filter(|w| w.enabled).filter_map(|&w| Some((w, w.trigger.as_ref()?))).collect();
    let mut diagnostics = Vec::new();
    for workflow in workflows {
        let others = workflows.iter().copied().filter(|other| other.name == workflow.name);
        if let Some(first) = holder(others).filter(|first| !std::ptr::eq(*first, *workflow)) {
            diagnostics.push(same_name(workflow, first));
        }
    }
    for (index, (one, trigger)) in active.iter().enumerate() {
        for (other, others) in &active[..index] {
            if trigger.bucket == others.bucket && overlap(trigger, others) {
                let message = format!(
                    "an upload to bucket `{}` can start both `{}` and `{}`",
                    trigger.bucket, other.name, one.name
                );
                diagnostics.push(warning(one, "WF0304", message));
            }
        }
    }
    diagnostics.extend(circles(&active));
    diagnostics
}

/// Returns the workflow that is active if several new ones have the same name: the one whose file has that name, else the
/// first.
pub fn holder<'a>(workflows: impl Iterator<Item = &'a Workflow>) -> Option<&'a Workflow> {
    let is_called_otherwise = |workflow: &&Workflow| {
        Path::new(&workflow.file).file_stem().is_none_or(|stem| stem.to_str() != Some(&workflow.name))
    };
    workflows.min_by_key(is_called_otherwise)
}

/// Returns the error that `workflow` has the same name as `first`, which is active.
#[must_use]
pub fn same_name(workflow: &Workflow, first: &Workflow) -> Diagnostic {
    let message =
        format!("{} defines workflow `{}` too, and is active: this file is not used", first.file, workflow.name);
    let mut diagnostic = Diagnostic::at(Severity::Error, "WF0307", &workflow.file, workflow.place, message);
    diagnostic.hint(format!(
        "the active one is at {}:{}:{}; give this one another name, or remove one of the two files",
        first.file, first.place.line, first.place.column
    ));
    diagnostic
}

fn overlap(one: &Trigger, other: &Trigger) -> bool {
    let apart = |a: &Trigger, b: &Trigger| matches!((a.max_bytes, b.min_bytes), (Some(max), Some(min)) if max < min);
    !apart(one, other) && !apart(other, one) && meet(&one.patterns(), &other.patterns())
}

fn meet(ones: &[Pattern], others: &[Pattern]) -> bool {
    ones.iter().any(|one| others.iter().any(|other| one.meets(other)))
}

/// Finds circles of several workflows; a workflow that starts itself is another error.
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
            let message = format!("outputs of `{names}` start each other in a circle; at run time, an output does not start a workflow that made it");
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
