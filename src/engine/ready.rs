//! Rules for when an activity runs, given the activities that it needs.

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::log::LogEvent;
use super::state::{ActivityState, Execution, SkipReason};
use super::step::Context;
use crate::model::plan::{Need, OnFailure, Plan};

/// Returns the next event of a waiting activity: queued, skipped or failed; `None` where an activity that it needs has
/// not ended.
pub(super) fn decide(cx: &Context<'_>, state: &Execution, node: NodeIndex) -> Option<LogEvent> {
    let activity = &cx.plan.graph[node];
    let mut inputs = 0;
    let mut made = 0;
    let mut culprit = None;
    for edge in cx.plan.graph.edges_directed(node, Direction::Incoming) {
        let need = state.activity(edge.source())?;
        if !need.is_ended() {
            return None;
        }
        if *edge.weight() == Need::Input {
            inputs += 1;
            made += u32::from(matches!(need, ActivityState::Succeeded { .. }));
        }
        let handled = activity.handles.contains(&cx.plan.graph[edge.source()].name);
        if !handled {
            culprit = culprit.or_else(|| failure_in(cx.plan, edge.source(), need));
        }
    }
    if let Some(activity) = culprit {
        return Some(LogEvent::Skipped { reason: SkipReason::NeedFailed { activity } });
    }
    if inputs > 0 && made == 0 {
        return Some(LogEvent::Skipped { reason: SkipReason::NoInput });
    }
    if activity.when.is_none() {
        return Some(LogEvent::Queued);
    }
    Some(match cx.evaluate.when(cx.plan, node, state, &cx.facts) {
        Ok(true) => LogEvent::Queued,
        Ok(false) => LogEvent::Skipped { reason: SkipReason::When },
        Err(failure) => LogEvent::Failed { failure },
    })
}

/// The failure that a need brings to those that need it, as the name of the activity that failed.
fn failure_in(plan: &Plan, node: NodeIndex, need: &ActivityState) -> Option<String> {
    match need {
        ActivityState::Failed { .. } | ActivityState::Cancelled { .. } => {
            let activity = &plan.graph[node];
            (activity.on_failure == OnFailure::Fail).then(|| activity.name.clone())
        }
        ActivityState::Skipped { reason: SkipReason::NeedFailed { activity }, .. } => Some(activity.clone()),
        _ => None,
    }
}
