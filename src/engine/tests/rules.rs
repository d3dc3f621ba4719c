//! One test per rule of "when an activity runs", and of how executions end, stop and run again.

use super::*;
use crate::model::plan::{Need, NotifyOn, OnFailure};
use crate::model::{Class, Code, ExecutionState};

fn continuing(name: &str) -> Activity {
    Activity { on_failure: OnFailure::Continue, ..activity(name) }
}

fn when(name: &str, condition: &str) -> Activity {
    Activity { when: Some(condition.to_owned()), ..activity(name) }
}

fn skipped(run: &Run, name: &str) -> SkipReason {
    match run.of(name) {
        ActivityState::Skipped { reason, .. } => reason.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn an_activity_is_queued_once_all_it_needs_has_ended() {
    let needs = [("a", "c", Need::Order), ("b", "c", Need::Order)];
    let mut run = Run::started(plan(&[activity("a"), activity("b"), activity("c")], &needs));
    assert_eq!(run.words(), "running queued queued waiting");
    run.succeed("a");
    assert_eq!(run.words(), "running succeeded queued waiting");
    run.succeed("b");
    assert_eq!(run.words(), "running succeeded succeeded queued");
    run.succeed("c");
    assert_eq!(run.words(), "succeeded succeeded succeeded succeeded");
    assert_eq!(run.effects.last(), Some(&Effect::Ended(ExecutionState::Succeeded)));
}

#[test]
fn an_empty_plan_succeeds_at_once() {
    let run = Run::started(plan(&[], &[]));
    let notify = |what| Effect::Notify(what);
    assert_eq!(
        run.effects,
        [notify(NotifyOn::Started), notify(NotifyOn::Succeeded), Effect::Ended(ExecutionState::Succeeded)]
    );
}

#[test]
fn field_case_23_what_depends_on_a_failure_is_skipped_and_the_rest_runs_to_its_end() {
    let needs = [("a", "b", Need::Input), ("b", "c", Need::Order), ("x", "y", Need::Input)];
    let activities = ["a", "b", "c", "x", "y"].map(activity);
    let mut run = Run::started(plan(&activities, &needs));
    run.fail("a");
    assert_eq!(run.words(), "running failed skipped skipped queued waiting");
    for name in ["b", "c"] {
        assert_eq!(skipped(&run, name), SkipReason::NeedFailed { activity: "a".to_owned() });
    }
    run.succeed("x");
    run.succeed("y");
    assert_eq!(run.words(), "failed failed skipped skipped succeeded succeeded");
}

#[test]
fn on_failure_continue_satisfies_what_waits_but_gives_it_nothing_to_read() {
    let needs = [("a", "after", Need::Order), ("a", "reader", Need::Input)];
    let mut run = Run::started(plan(&[continuing("a"), activity("after"), activity("reader")], &needs));
    run.fail("a");
    assert_eq!(run.words(), "running failed queued skipped");
    assert_eq!(skipped(&run, "reader"), SkipReason::NoInput);
    run.succeed("after");
    assert_eq!(run.state.state, ExecutionState::Succeeded);
}

#[test]
fn a_handler_runs_because_of_the_failure_it_asks_about_and_only_then() {
    let handler = Activity { handles: vec!["a".to_owned()], ..when("cleanup", "failed(a)") };
    let draft = plan(&[activity("a"), handler], &[("a", "cleanup", Need::Order)]);
    let mut run = Run::started(draft.clone());
    run.fail("a");
    run.succeed("cleanup");
    assert_eq!(run.words(), "failed failed succeeded");
    let mut run = Run::started(draft);
    run.succeed("a");
    assert_eq!(run.words(), "succeeded succeeded skipped");
}

#[test]
fn a_handler_of_one_failure_is_skipped_for_another() {
    let handler = Activity { handles: vec!["a".to_owned()], ..when("cleanup", "failed(a)") };
    let needs = [("a", "cleanup", Need::Order), ("b", "cleanup", Need::Order)];
    let mut run = Run::started(plan(&[activity("a"), activity("b"), handler], &needs));
    run.fail("a");
    run.fail("b");
    assert_eq!(skipped(&run, "cleanup"), SkipReason::NeedFailed { activity: "b".to_owned() });
}

#[test]
fn a_skipped_need_satisfies_order_and_takes_away_input() {
    let needs = [("a", "after", Need::Order), ("a", "reader", Need::Input), ("reader", "last", Need::Order)];
    let activities = [when("a", "false"), activity("after"), activity("reader"), activity("last")];
    let run = Run::started(plan(&activities, &needs));
    assert_eq!(run.words(), "running skipped queued skipped queued");
    assert_eq!(skipped(&run, "a"), SkipReason::When);
    assert_eq!(skipped(&run, "reader"), SkipReason::NoInput);
}

#[test]
fn a_package_takes_the_renditions_that_exist() {
    let needs = [("low", "package", Need::Input), ("high", "package", Need::Input)];
    let mut run = Run::started(plan(&[activity("low"), when("high", "false"), activity("package")], &needs));
    run.succeed("low");
    assert_eq!(run.words(), "running succeeded skipped queued");

    let none = [when("low", "false"), when("high", "false"), activity("package")];
    let run = Run::started(plan(&none, &needs));
    assert_eq!(run.words(), "succeeded skipped skipped skipped");
}

#[test]
fn a_condition_that_cannot_be_evaluated_fails_its_activity() {
    let run = Run::started(plan(&[when("a", "1 + true")], &[]));
    assert_eq!(run.words(), "failed failed");
    assert!(run.effects.contains(&Effect::Notify(NotifyOn::Failed)));
}

#[test]
fn attempts_count_up_and_are_used_up_by_failures_only() {
    let mut run = Run::started(plan(&[activity("a")], &[]));
    for attempt in 1..=5 {
        run.claim("a");
        assert_eq!(run.of("a").attempt(), attempt);
        run.end("a", Outcome::Lost { reason: "killed".to_owned() });
    }
    for _ in 0..2 {
        run.claim("a");
        run.end("a", Outcome::Failed { failure: passing(), patience: Duration::ZERO });
        let ActivityState::Retrying { until, .. } = *run.of("a") else { panic!("{:?}", run.of("a")) };
        assert_eq!(run.effects, [Effect::EnqueueAt { activity: 0.into(), at: until }]);
        let due = Input::Activity { activity: 0.into(), signal: Signal::RetryDue };
        assert!(run.send_at(due.clone(), Timestamp(until.0 - 1)).is_err());
        run.send_at(due, until).unwrap();
    }
    run.claim("a");
    run.end("a", Outcome::Failed { failure: passing(), patience: Duration::ZERO });
    assert_eq!(*run.of("a"), ActivityState::Failed { attempt: 8, failure: passing() });
}

#[test]
fn an_activity_that_is_lost_again_and_again_fails() {
    let mut run = Run::started(plan(&[activity("a")], &[]));
    for _ in 0..MAX_LOSSES {
        run.claim("a");
        run.end("a", Outcome::Lost { reason: "killed".to_owned() });
    }
    let ActivityState::Failed { failure, .. } = run.of("a") else { panic!("{:?}", run.of("a")) };
    assert_eq!(failure.code, "ENG0001");
}

#[test]
fn a_late_report_is_refused_and_changes_nothing() {
    let mut run = Run::started(plan(&[activity("a")], &[]));
    run.claim("a");
    run.end("a", Outcome::Lost { reason: "killed".to_owned() });
    run.claim("a");
    let late = Signal::Ended { attempt: 1, outcome: Outcome::Failed { failure: fatal(), patience: Duration::ZERO } };
    assert_eq!(run.signal("a", late), Err(StepError::Stale { attempt: 1 }));
    let note = LogEvent::Note { message: "hello".to_owned() };
    assert_eq!(run.signal("a", Signal::Mark { attempt: 1, mark: note }), Err(StepError::Stale { attempt: 1 }));
    assert_eq!(run.words(), "running running");
}

#[test]
fn marks_are_logged_and_change_nothing_else() {
    let mut run = Run::started(plan(&[activity("a")], &[]));
    run.claim("a");
    let before = run.state.activities.clone();
    let mark = LogEvent::Warning { code: Code::new("MEDIA0103"), message: "a stream was left out".to_owned() };
    run.signal("a", Signal::Mark { attempt: 1, mark }).unwrap();
    assert_eq!(run.state.activities, before);
    assert_eq!(
        run.log.last().unwrap().to_string(),
        "1970-01-01T00:00:01.000000Z a #1: warning MEDIA0103: a stream was left out"
    );
    let forged = LogEvent::Cancelled;
    assert!(matches!(run.signal("a", Signal::Mark { attempt: 1, mark: forged }), Err(StepError::Illegal { .. })));
}

#[test]
fn cancelling_ends_what_has_not_begun_and_waits_for_what_runs() {
    let activities = ["running", "queued", "waiting", "retrying", "done"].map(activity);
    let mut run = Run::started(plan(&activities, &[("queued", "waiting", Need::Order)]));
    run.succeed("done");
    run.claim("retrying");
    run.end("retrying", Outcome::Failed { failure: passing(), patience: Duration::ZERO });
    run.claim("running");
    run.send(cancel("no longer needed")).unwrap();
    assert_eq!(run.words(), "running running cancelled cancelled cancelled succeeded");
    assert!(run.effects.contains(&Effect::Stop { activity: 0.into() }));
    run.send(cancel("again")).unwrap();
    assert_eq!((run.effects.len(), run.state.cancel.as_deref()), (0, Some("no longer needed")));
    let stopped = Failure::new("WORKER0001", Class::Cancelled, crate::model::Blame::Infrastructure, "stopped");
    run.end("running", Outcome::Failed { failure: stopped, patience: Duration::ZERO });
    assert_eq!(run.words(), "cancelled cancelled cancelled cancelled cancelled succeeded");
}

#[test]
fn a_cancelled_attempt_that_is_lost_or_finishes_first_ends_truthfully() {
    let mut run = Run::started(plan(&[activity("a"), activity("b")], &[]));
    run.claim("a");
    run.claim("b");
    run.send(cancel("stop")).unwrap();
    run.end("a", Outcome::Succeeded { result: Value::Null.into(), outputs: [].into() });
    run.end("b", Outcome::Lost { reason: "killed".to_owned() });
    assert_eq!(run.words(), "cancelled succeeded cancelled");
}

#[test]
fn a_cancellation_that_comes_too_late_leaves_the_truth() {
    let mut run = Run::started(plan(&[activity("a")], &[]));
    run.claim("a");
    run.send(cancel("stop")).unwrap();
    run.end("a", Outcome::Succeeded { result: Value::Null.into(), outputs: [].into() });
    assert_eq!(run.words(), "succeeded succeeded");
    assert!(run.send(cancel("stop")).is_err());
}

#[test]
fn field_case_23_a_retry_runs_what_did_not_succeed_and_all_that_comes_after_it() {
    let needs = [
        ("probe", "rung", Need::Order),
        ("rung", "package", Need::Input),
        ("base", "package", Need::Input),
        ("base", "poster", Need::Order),
    ];
    let activities = [activity("probe"), activity("base"), continuing("rung"), activity("package"), activity("poster")];
    let mut run = Run::started(plan(&activities, &needs));
    run.succeed("probe");
    run.succeed("base");
    run.fail("rung");
    run.succeed("package");
    run.fail("poster");
    assert_eq!(run.words(), "failed succeeded succeeded failed succeeded failed");
    run.send(retry()).unwrap();
    assert_eq!(run.words(), "running succeeded succeeded queued waiting queued");
    assert_eq!(run.state.run, 2);
    run.succeed("rung");
    run.succeed("package");
    run.succeed("poster");
    assert_eq!(run.state.state, ExecutionState::Succeeded);
    assert_eq!((run.of("probe").attempt(), run.of("rung").attempt(), run.of("package").attempt()), (1, 2, 2));
    assert!(run.send(retry()).is_err());
}

#[test]
fn a_cancelled_execution_can_be_retried() {
    let mut run = Run::started(plan(&[activity("a"), activity("b")], &[("a", "b", Need::Input)]));
    run.send(cancel("stop")).unwrap();
    assert_eq!(run.words(), "cancelled cancelled cancelled");
    run.send(retry()).unwrap();
    assert_eq!((run.words().as_str(), &run.state.cancel), ("running queued waiting", &None));
}

#[test]
fn a_log_that_was_changed_by_hand_does_not_fold() {
    let mut run = Run::started(plan(&[activity("a")], &[]));
    run.succeed("a");
    let mut twice = run.log.clone();
    twice.insert(1, run.log[1].clone());
    assert!(replay(&run.plan, &twice).is_err());
    let mut unknown = run.log.clone();
    unknown[1].activity = Some("nobody".to_owned());
    assert!(replay(&run.plan, &unknown).is_err());
    let without_claim = run.log.iter().filter(|entry| !matches!(entry.event, LogEvent::Claimed { .. }));
    assert!(replay(&run.plan, without_claim).is_err());
}

#[test]
fn an_unknown_activity_is_an_error() {
    let mut run = Run::started(plan(&[activity("a")], &[]));
    let input = Input::Activity { activity: 7.into(), signal: Signal::RetryDue };
    assert_eq!(run.send(input), Err(StepError::UnknownActivity { index: 7 }));
}
