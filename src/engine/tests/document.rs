//! Every state with every input, as tables and a chart; `docs/engine.md` shows them and is held in step with the code.
//!
//! With `UPDATE_DOCS=1` the test writes them instead.

use std::fmt::Write;
use std::time::Duration;

use super::*;
use crate::model::{Blame, Class, ExecutionState};

/// The activity under test is node 0; node 1 runs all the time and keeps the execution running.
fn with(activity: ActivityState) -> Run {
    let mut run = Run::new(two());
    let other = ActivityState::Running {
        attempt: 1,
        tally: Tally::default(),
        worker: "w".to_owned(),
        since: NOW,
        stop_requested: false,
    };
    run.state.state = ExecutionState::Running;
    run.state.run = 1;
    run.state.activities = vec![activity, other];
    run
}

fn two() -> Plan {
    plan(&[activity("a"), activity("b")], &[])
}

const ATTEMPT: u32 = 4;

fn running(failures: u32, losses: u32, stop_requested: bool) -> ActivityState {
    ActivityState::Running {
        attempt: ATTEMPT,
        tally: Tally { failures, losses, ..Tally::default() },
        worker: "w".to_owned(),
        since: NOW,
        stop_requested,
    }
}

fn states() -> Vec<(&'static str, ActivityState)> {
    let attempt = ATTEMPT;
    vec![
        ("waiting", ActivityState::Waiting { attempt }),
        ("queued", ActivityState::Queued { attempt, tally: Tally::default() }),
        ("running", running(0, 0, false)),
        ("running, last try", running(2, MAX_LOSSES - 1, false)),
        ("running, to stop", running(0, 0, true)),
        (
            "retrying",
            ActivityState::Retrying {
                attempt,
                tally: Tally { failures: 1, ..Tally::default() },
                until: NOW,
                failure: passing(),
            },
        ),
        ("succeeded", ActivityState::Succeeded { attempt, result: Value::Null.into(), outputs: Vec::new().into() }),
        ("failed", ActivityState::Failed { attempt, failure: fatal() }),
        ("skipped", ActivityState::Skipped { attempt, reason: SkipReason::When }),
        ("cancelled", ActivityState::Cancelled { attempt }),
    ]
}

fn inputs() -> Vec<(&'static str, Input)> {
    let signal = |signal| Input::Activity { activity: 0.into(), signal };
    let ended = |outcome| signal(Signal::Ended { attempt: ATTEMPT, outcome });
    let failed = |failure| ended(Outcome::Failed { failure, patience: Duration::ZERO });
    let stopped = Failure::new("WORKER0001", Class::Cancelled, Blame::Infrastructure, "stopped");
    let lost = || Outcome::Lost { reason: "killed".to_owned() };
    vec![
        ("claimed", signal(Signal::Claimed { worker: "w".to_owned() })),
        ("succeeded", ended(Outcome::Succeeded { result: Value::Null.into(), outputs: [].into() })),
        ("failed, passing", failed(passing())),
        ("failed, away", ended(Outcome::Failed { failure: passing(), patience: Duration::from_secs(60) })),
        ("failed, for good", failed(fatal())),
        ("stopped", failed(stopped)),
        ("lost", ended(lost())),
        ("handed back", ended(Outcome::HandedBack { reason: "drained".to_owned() })),
        ("end of an earlier attempt", signal(Signal::Ended { attempt: ATTEMPT - 1, outcome: lost() })),
        ("mark", signal(Signal::Mark { attempt: ATTEMPT, mark: LogEvent::Note { message: String::new() } })),
        ("retry due", signal(Signal::RetryDue)),
        ("cancel", Input::Cancel { reason: "stop".to_owned(), by: "somebody".to_owned() }),
        ("time is up", Input::Expire { limit: Duration::from_secs(60) }),
        ("prioritize", Input::Prioritize { priority: 9, by: "somebody".to_owned() }),
    ]
}

fn outcome(result: Result<Step, StepError>, next: impl FnOnce(Step) -> String) -> String {
    match result {
        Ok(step) => next(step),
        Err(StepError::Stale { .. }) => "stale".to_owned(),
        Err(StepError::Illegal { .. }) => "illegal".to_owned(),
        Err(StepError::Misfit { event, state }) => panic!("{event} does not fit {state}"),
        Err(error @ StepError::UnknownActivity { .. }) => panic!("{error}"),
    }
}

fn next_activity(before: &ActivityState, input: Input) -> String {
    outcome(with(before.clone()).step(input, NOW), |step| match &step.state.activities[0] {
        after if after == before => "same".to_owned(),
        ActivityState::Running { stop_requested: true, .. } => "running, to stop".to_owned(),
        after => after.name().to_string(),
    })
}

/// Rows of `inputs`, columns of `states`.
fn table(states: &[&str], rows: &[(&str, Vec<String>)]) -> String {
    let mut text = format!("| | {} |\n|---|{}\n", states.join(" | "), "---|".repeat(states.len()));
    for (input, cells) in rows {
        writeln!(text, "| **{input}** | {} |", cells.join(" | ")).unwrap();
    }
    text
}

fn activity_table() -> String {
    let states = states();
    let rows: Vec<_> = inputs()
        .into_iter()
        .map(|(name, input)| {
            (name, states.iter().map(|(_, state)| next_activity(state, input.clone())).collect::<Vec<_>>())
        })
        .collect();
    table(&states.iter().map(|(name, _)| *name).collect::<Vec<_>>(), &rows)
}

fn execution_table() -> String {
    let last = Signal::Ended { attempt: 1, outcome: Outcome::Failed { failure: fatal(), patience: Duration::ZERO } };
    let inputs = [
        ("start", Input::Start { cause: "a test".to_owned() }),
        ("last activity failed", Input::Activity { activity: 1.into(), signal: last }),
        ("cancel, nothing runs", Input::Cancel { reason: "stop".to_owned(), by: "somebody".to_owned() }),
        ("retry", Input::Retry { by: "somebody".to_owned(), params: BTreeMap::new() }),
    ];
    let rows: Vec<_> = inputs
        .into_iter()
        .map(|(name, input)| {
            let next = |state: &ExecutionState| {
                let mut run = with(ActivityState::Cancelled { attempt: 0 });
                match (state, name) {
                    (ExecutionState::Pending, _) => run.state = Execution::new(&run.plan),
                    (ExecutionState::Running, "last activity failed") => {
                        run.state.activities[0] = ActivityState::Failed { attempt: 1, failure: fatal() };
                    }
                    (ExecutionState::Running, _) => {
                        run.state.activities[1] = ActivityState::Queued { attempt: 0, tally: Tally::default() };
                    }
                    (ended, _) => {
                        run.state.state = *ended;
                        run.state.activities[1] = ActivityState::Cancelled { attempt: 1 };
                    }
                }
                outcome(run.step(input.clone(), NOW), |step| {
                    let told = step.effects.iter().any(|effect| matches!(effect, Effect::Notify(_)));
                    if told { format!("{}, told", step.state.state) } else { "same".to_owned() }
                })
            };
            (name, ExecutionState::ALL.iter().map(next).collect())
        })
        .collect();
    let states: Vec<_> = ExecutionState::ALL.iter().map(|state| state.as_str()).collect();
    table(&states, &rows)
}

fn chart() -> String {
    let mut edges: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let mut draw = |from: &str, to: &str, why| {
        let reasons = edges.entry((from.to_owned(), to.to_owned())).or_default();
        if !reasons.contains(&why) {
            reasons.push(why);
        }
    };
    for (_, state) in states() {
        for (name, input) in inputs() {
            let next = next_activity(&state, input);
            let word = next.split(',').next().unwrap_or_default();
            let from = state.name().as_str();
            if !matches!(word, "same" | "stale" | "illegal") && word != from {
                draw(from, word, name);
            }
        }
    }
    draw("waiting", "queued", "its needs ended");
    draw("waiting", "skipped", "a need failed / nothing to read / when is false");
    draw("waiting", "failed", "when cannot be evaluated");
    let mut text = "```mermaid\nstateDiagram-v2\n    [*] --> waiting\n".to_owned();
    for ((from, to), reasons) in edges {
        writeln!(text, "    {from} --> {to}: {}", reasons.join(" / ")).unwrap();
    }
    text + "```\n"
}

#[test]
fn the_document_shows_every_state_with_every_input() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/engine.md");
    let document = std::fs::read_to_string(path).unwrap();
    let mut expected = document.clone();
    for (name, text) in
        [("chart", chart()), ("activity table", activity_table()), ("execution table", execution_table())]
    {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let from = expected.find(&begin).expect("the document has a place for it") + begin.len();
        let to = expected.find(&end).expect("the document has a place for it");
        expected.replace_range(from..to, &text);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
        return;
    }
    assert!(
        document == expected,
        "docs/engine.md is out of step; run this test with UPDATE_DOCS=1 and look at the change"
    );
}
