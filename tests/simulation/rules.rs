//! What must be true of every life.

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use reelmill::engine::{ActivityState, Execution, LogEntry, LogEvent, Replay, SkipReason};
use reelmill::model::plan::{Activity, Need, OnFailure, Plan};
use reelmill::model::{ExecutionState, JobState};

/// Holds the life of an execution, as its log tells it, against the rules.
pub fn check(plan: &Plan, log: &[LogEntry], end: &Execution, told: &[ExecutionState]) {
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..end.next_seq).collect::<Vec<_>>());
    let mut expected = Vec::new();
    let mut replay = Replay::new(plan);
    let mut last = vec![JobState::Waiting; plan.graph.node_count()];
    let mut numbers = vec![0; plan.graph.node_count()];
    let mut failures = vec![0; plan.graph.node_count()];
    for entry in log {
        let node = entry.activity.as_deref().map(|name| plan.find(name).expect("it is of the plan"));
        match (&entry.event, node) {
            (LogEvent::Started { .. } | LogEvent::Restarted { .. }, None) => {
                failures.fill(0);
                expected.push(ExecutionState::Running);
            }
            (LogEvent::Ended { state }, None) => {
                assert!(last.iter().all(|state| state.is_ended()), "it ends after its activities");
                expected.push(*state);
            }
            (LogEvent::Queued, Some(node)) if last[node.index()] == JobState::Waiting => {
                check_may_begin(plan, node, replay.state());
            }
            (LogEvent::AttemptFailed { outage: false, .. }, Some(node)) => {
                failures[node.index()] += 1;
                assert!(failures[node.index()] < plan.graph[node].retry.attempts, "attempts are used up");
            }
            (LogEvent::Claimed { .. }, Some(node)) => {
                numbers[node.index()] += 1;
                assert_eq!(entry.attempt, Some(numbers[node.index()]), "attempts count up");
            }
            _ => {}
        }
        replay.apply(entry).expect("a log folds");
        let restarted = matches!(entry.event, LogEvent::Restarted { .. });
        for (was, is) in last.iter_mut().zip(&replay.state().activities) {
            assert!(!was.is_ended() || restarted || *was == is.name(), "an activity ends once in a run");
            *was = is.name();
        }
    }
    assert_eq!(replay.state(), end, "folding the log gives the state");
    assert_eq!(told, expected, "each notification once, in order");
    check_end(plan, end);
}

/// Nothing begins before what it needs, nor after a failure that it does not handle, nor without input.
fn check_may_begin(plan: &Plan, node: NodeIndex, state: &Execution) {
    let mut inputs = Vec::new();
    for edge in plan.graph.edges_directed(node, Direction::Incoming) {
        let (need, by) = (&state.activities[edge.source().index()], &plan.graph[node]);
        assert!(need.is_ended(), "{} begins before {:?}", by.name, edge.source());
        let needed = &plan.graph[edge.source()];
        let forgiven = by.handles.contains(&needed.name);
        let failed = match need {
            ActivityState::Failed { .. } => needed.on_failure == OnFailure::Fail,
            ActivityState::Skipped { reason, .. } => matches!(reason, SkipReason::NeedFailed { .. }),
            _ => false,
        };
        assert!(!failed || forgiven, "{} begins after {} failed", by.name, needed.name);
        if *edge.weight() == Need::Input {
            inputs.push(need.name());
        }
    }
    assert!(inputs.is_empty() || inputs.contains(&JobState::Succeeded), "it has nothing to read");
}

fn check_end(plan: &Plan, end: &Execution) {
    let has = |state| end.activities.iter().any(|activity| activity.name() == state);
    let fatal = |(activity, state): (&Activity, &ActivityState)| {
        activity.on_failure == OnFailure::Fail && state.name() == JobState::Failed
    };
    let failed = plan.graph.node_weights().zip(&end.activities).any(fatal);
    let expected = match (has(JobState::Cancelled), failed) {
        (true, _) => ExecutionState::Cancelled,
        (false, true) => ExecutionState::Failed,
        (false, false) => ExecutionState::Succeeded,
    };
    assert_eq!(end.state, expected);
}
