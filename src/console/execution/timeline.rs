//! Timeline of an execution, from its log: when each attempt of each activity waited and ran.

use maud::{Markup, html};
use petgraph::graph::NodeIndex;

use crate::console::format::{At, duration, zone};
use crate::console::page::job_state;
use crate::engine::{LogEntry, LogEvent};
use crate::model::{JobState, Timestamp};
use crate::store::ExecutionRecord;

/// Width of the drawing, in its own units.
const WIDTH: f64 = 1_000.0;

/// A period of an activity in one state.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    class: &'static str,
    from: Timestamp,
    to: Timestamp,
}

/// Returns the periods of an activity up to `end`, from its part of the log.
fn stretches<'a>(log: impl Iterator<Item = &'a LogEntry>, end: Timestamp) -> Vec<Stretch> {
    let mut done = Vec::new();
    let mut open: Option<(&'static str, Timestamp)> = None;
    for entry in log {
        let next = match &entry.event {
            LogEvent::Queued | LogEvent::AttemptLost { .. } | LogEvent::HandedBack { .. } => Some("queued"),
            LogEvent::Claimed { .. } => Some("running"),
            LogEvent::AttemptFailed { .. } => Some("retrying"),
            LogEvent::Succeeded { .. } | LogEvent::Failed { .. } | LogEvent::Skipped { .. } | LogEvent::Cancelled => {
                None
            }
            _ => continue,
        };
        // The result of an attempt gives its colour.
        let outcome = match &entry.event {
            LogEvent::Succeeded { .. } => Some("succeeded"),
            LogEvent::Failed { .. } | LogEvent::AttemptFailed { .. } | LogEvent::AttemptLost { .. } => Some("failed"),
            LogEvent::Cancelled | LogEvent::HandedBack { .. } => Some("cancelled"),
            _ => None,
        };
        if let Some((class, from)) = open {
            let class = outcome.filter(|_| class == "running").unwrap_or(class);
            done.push(Stretch { class, from, to: entry.at });
        }
        open = next.map(|class| (class, entry.at));
    }
    done.extend(open.map(|(class, from)| Stretch { class, from, to: end.max(from) }));
    done
}

/// Returns the log since the execution started, or was retried last.
#[must_use]
pub fn last_run(log: &[LogEntry]) -> &[LogEntry] {
    let begins = |entry: &LogEntry| matches!(entry.event, LogEvent::Started { .. } | LogEvent::Restarted { .. });
    log.iter().rposition(begins).map_or(log, |begin| &log[begin..])
}

/// Draws the timeline since the last start: a lane for each activity, empty if it had ended before.
#[must_use]
pub fn draw(record: &ExecutionRecord, run: &[LogEntry], now: Timestamp) -> Markup {
    let start = run.first().map_or(record.summary.created_at, |entry| entry.at);
    let end = record.summary.ended_at.unwrap_or(now);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Activities over time" {
            table.timeline {
                thead { tr {
                    th scope="col" { "Activity" } th scope="col" { "State" }
                    th.lane scope="col" { span { (At(start)) " " (zone()) } span { "+" (duration(end.since(start))) } }
                    th.number scope="col" { "Ran" }
                } }
                tbody { @for node in record.plan.in_order() { (lane(record, run, node, (start, end))) } }
            }
        }
    }
}

fn lane(record: &ExecutionRecord, log: &[LogEntry], node: NodeIndex, (start, end): (Timestamp, Timestamp)) -> Markup {
    let activity = &record.plan.graph[node];
    let own = log.iter().filter(|entry| entry.activity.as_deref() == Some(activity.name.as_str()));
    let stretches = stretches(own, end);
    let ran = stretches.iter().filter(|stretch| !matches!(stretch.class, "queued" | "retrying"));
    let ran: std::time::Duration = ran.map(|stretch| stretch.to.since(stretch.from)).sum();
    let state = record.state.activity(node).map_or(JobState::Waiting, crate::engine::ActivityState::name);
    let job = record.jobs.get(node.index());
    let progress = job.and_then(|job| job.progress).filter(|_| state == JobState::Running);
    html! {
        tr id={ "activity-" (node.index()) } data-activity=(activity.name) {
            th scope="row" { (activity.name) small { " " (activity.kind.as_str()) } }
            td {
                (job_state(state))
                @if let Some(attempts) = job.map(|job| job.attempts).filter(|attempts| *attempts > 1) {
                    small { " " (attempts) " attempts" }
                }
                @if state == JobState::Running {
                    progress max="1" value=[progress.and_then(|progress| progress.fraction)]
                        aria-label={ "Progress of " (activity.name) } {}
                    small.speed { @if let Some(speed) = progress.and_then(|progress| progress.speed) { (format!("{speed:.1}×")) } }
                }
                @if let Some(crate::engine::ActivityState::Skipped { reason, .. }) = record.state.activity(node) {
                    small { " " (reason) }
                }
            }
            td.lane { (bars(&stretches, start, end)) }
            td.number { @if !ran.is_zero() { (duration(ran)) } }
        }
    }
}

/// Draws the bars of a lane, scaled to any width.
fn bars(stretches: &[Stretch], start: Timestamp, end: Timestamp) -> Markup {
    let whole = end.since(start).as_secs_f64().max(0.001);
    let place = |at: Timestamp| (at.since(start).as_secs_f64() / whole * WIDTH).min(WIDTH);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " 16" } preserveAspectRatio="none" aria-hidden="true" {
            @for stretch in stretches {
                @let (from, to) = (place(stretch.from), place(stretch.to));
                rect class=(stretch.class) x=(format!("{from:.1}")) y="2" height="12" width=(format!("{:.1}", (to - from).max(2.0))) {
                    title { (stretch.class) " " (duration(stretch.to.since(stretch.from))) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;

    #[test]
    fn each_attempt_is_a_stretch_and_what_goes_on_reaches_the_end() {
        let failure = Failure::bug("MEDIA0001", "x");
        let events = [
            LogEvent::Queued,
            LogEvent::Claimed { worker: "a".to_owned() },
            LogEvent::Note { message: "nothing".to_owned() },
            LogEvent::AttemptFailed { failure, retry_at: Timestamp(9), outage: false },
            LogEvent::Queued,
            LogEvent::Claimed { worker: "b".to_owned() },
        ];
        let entry = |(at, event): (usize, LogEvent)| {
            let at = Timestamp(i64::try_from(at).unwrap());
            LogEntry { seq: 1, at, activity: None, attempt: None, event }
        };
        let log: Vec<LogEntry> = events.into_iter().enumerate().map(entry).collect();
        let told = |end| {
            let all = stretches(log.iter(), Timestamp(end));
            all.iter().map(|s| (s.class, s.from.0, s.to.0)).collect::<Vec<_>>()
        };
        let first = [("queued", 0, 1), ("failed", 1, 3), ("retrying", 3, 4), ("queued", 4, 5)];
        assert_eq!(told(8)[..4], first);
        assert_eq!(told(8)[4], ("running", 5, 8));
        assert_eq!(told(0)[4], ("running", 5, 5), "a clock behind the log's draws nothing backwards");
    }

    #[test]
    fn the_last_run_is_what_was_logged_since_it_began() {
        let again =
            LogEvent::Restarted { activities: Vec::new(), by: String::new(), params: std::iter::empty().collect() };
        let events = [LogEvent::Started { cause: "x".to_owned() }, LogEvent::Queued, again, LogEvent::Queued];
        let entry = |(seq, event)| LogEntry { seq, at: Timestamp(0), activity: None, attempt: None, event };
        let log: Vec<LogEntry> = (1..).zip(events).map(entry).collect();
        assert_eq!(last_run(&log).first().map(|entry| entry.seq), Some(3));
        assert_eq!(last_run(&log[..2]).len(), 2);
        assert!(last_run(&[]).is_empty());
    }
}
