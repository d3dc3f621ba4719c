//! Linking of activities to those that they need, into a plan.

use petgraph::algo::{has_path_connecting, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};

use super::activities::{ActivityDraft, ActivityReference};
use super::definition::WorkflowHead;
use crate::model::plan::{Activity, ActivityInput, ActivityKind, Need, Plan};
use crate::yaml::Sink;

/// Makes the plan of a workflow; `None` after an error.
pub fn link(header: &WorkflowHead, digest: &str, drafts: &[ActivityDraft], sink: &mut Sink<'_>) -> Option<Plan> {
    for draft in drafts {
        inputs(draft, drafts, sink);
        outputs(draft, sink);
    }
    let graph = connect(drafts, sink)?;
    for node in graph.node_indices() {
        source_known(node, &graph, drafts, sink);
    }
    Some(Plan {
        workflow: header.name.clone(),
        digest: digest.to_owned(),
        graph: graph.map(|node, _| activity(&drafts[node.index()], header), |_, need| *need),
        output: header.output.to_plan(),
        notify: header.notify.clone(),
        deadline: header.deadline,
        params: header.params.clone(),
    })
}

fn inputs(draft: &ActivityDraft, drafts: &[ActivityDraft], sink: &mut Sink<'_>) {
    let Some(from) = &draft.from else { return };
    for input in from {
        let source = drafts.iter().find(|d| d.name == input.name);
        if let Some(source) = source.filter(|s| !s.makes_media()) {
            let message = format!("`{}` is a {}, which has no media file as output", input.name, source.kind.as_str());
            sink.error("WF0119", input.span, message).hint("read from a transcode, remux or watermark");
        }
    }
    if let Some(second) = from.get(1).filter(|_| draft.kind != ActivityKind::Package) {
        let message =
            format!("`{}` reads from one activity only, but `from` names {}", draft.kind.as_str(), from.len());
        sink.error("WF0120", second.span, message).hint("only `package` reads from several");
    }
}

/// Finds an `if_source_lower` without effect: no analysis provides facts about the source. A `fail` that never fails is
/// an error; that the source's rate is not kept is a warning.
fn source_known(node: NodeIndex, graph: &DiGraph<usize, Need>, drafts: &[ActivityDraft], sink: &mut Sink<'_>) {
    let draft = &drafts[graph[node]];
    let Some(lower) = draft.spec.get("if_source_lower").filter(|_| draft.from.is_none()) else { return };
    let fails = lower.entries().iter().find(|e| e.value.as_str() == Some("fail"));
    let keeps = || lower.entries().iter().find(|e| e.value.as_str() == Some("keep_source") && e.key != "resolution");
    let analysed =
        |n: NodeIndex| drafts[graph[n]].kind == ActivityKind::Analysis && has_path_connecting(graph, n, node, None);
    let Some(asks) = fails.or_else(keeps).filter(|_| !graph.node_indices().any(analysed)) else { return };
    let found = if fails.is_some() {
        let message = "`fail` would never fail: no analysis of the source runs before this activity";
        sink.error("WF0308", asks.key_span, message)
    } else {
        sink.warning("WF0306", asks.key_span, "`if_source_lower` has no effect: no analysis runs before this activity")
    };
    found.hint("add an activity `probe: { analysis: {} }`, and `needs: probe` here");
}

fn outputs(draft: &ActivityDraft, sink: &mut Sink<'_>) {
    if draft.publishes() && draft.output.bucket.is_none() {
        sink.error("WF0121", draft.span, "no bucket for the outputs")
            .hint("add `output: { bucket: …, prefix: … }` to the workflow or the activity");
    }
}

fn connect(drafts: &[ActivityDraft], sink: &mut Sink<'_>) -> Option<DiGraph<usize, Need>> {
    let mut graph = DiGraph::new();
    let nodes: Vec<_> = (0..drafts.len()).map(|i| graph.add_node(i)).collect();
    let find = |name: &str| drafts.iter().position(|d| d.name == name).map(|i| nodes[i]);
    let mut whole = true;
    for (draft, &node) in drafts.iter().zip(&nodes) {
        let inputs = draft.from.iter().flatten().map(|n| (n, Need::Input));
        for (ActivityReference { name, span }, need) in inputs.chain(draft.needs.iter().map(|n| (n, Need::Order))) {
            let Some(source) = find(name) else { continue };
            if source == node || draft.group.is_some() && drafts[source.index()].group == draft.group {
                let message = format!("`{}` refers to itself", draft.group.as_ref().unwrap_or(&draft.name));
                sink.error("WF0203", *span, message).hint("refer only to activities that run before");
                whole = false;
            } else if graph.find_edge(source, node).is_none() {
                graph.add_edge(source, node, need);
            }
        }
    }
    for circle in tarjan_scc(&graph).iter().filter(|c| c.len() > 1) {
        tell_cycle(circle, &graph, drafts, sink);
        whole = false;
    }
    whole.then_some(graph)
}

fn tell_cycle(circle: &[NodeIndex], graph: &DiGraph<usize, Need>, drafts: &[ActivityDraft], sink: &mut Sink<'_>) {
    let mut members: Vec<_> = circle.iter().map(|n| &drafts[graph[*n]]).collect();
    members.sort_by_key(|d| d.span);
    members.dedup_by_key(|d| d.span);
    let names: Vec<_> = members.iter().map(|d| d.group.clone().unwrap_or_else(|| d.name.clone())).collect();
    let [first, others @ ..] = members.as_slice() else { return };
    let message = format!("these activities wait for each other, so none can start: {}", names.join(", "));
    let diagnostic = sink.error("WF0118", first.span, message);
    diagnostic.hint("remove one of the dependencies: `from`, `needs`, or a name in an expression");
    for other in others {
        diagnostic.also(other.span, "waits as well");
    }
}

fn activity(draft: &ActivityDraft, header: &WorkflowHead) -> Activity {
    let input = match &draft.from {
        None => ActivityInput::Object,
        Some(from) => ActivityInput::Activities(from.iter().map(|n| n.name.clone()).collect()),
    };
    Activity {
        name: draft.name.clone(),
        group: draft.group.clone(),
        each: draft.each.clone(),
        kind: draft.kind,
        spec: draft.spec.to_json(),
        input,
        output: Some(draft.output.to_plan()).filter(|own| *own != header.output.to_plan()),
        when: draft.when.clone(),
        handles: draft.handles.clone(),
        queue: draft.defaults.queue.clone(),
        priority: draft.defaults.priority,
        timeout: draft.defaults.timeout,
        retry: draft.defaults.retry,
        on_failure: draft.defaults.on_failure,
        if_incomplete: draft.defaults.if_incomplete,
    }
}
