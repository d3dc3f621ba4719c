//! Page of an execution: its facts, graph, outputs, timeline and log, and buttons to cancel or retry it.

mod media;
mod outputs;
mod timeline;

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use petgraph::graph::NodeIndex;
use serde::Deserialize;

use super::auth::Visitor;
use super::format::{Ago, At, bytes, duration, part, zone};
use super::page::{Page, Part, button, drawing, execution_state, job_state, sign, warning_badge};
use super::{BY, Context};
use crate::api::again::DefinitionView;
use crate::api::extract::{self, Place, Sent};
use crate::api::{Problem, again, executions, whole};
use crate::config::Scope;
use crate::engine::{ActivityState, LogEntry, LogEvent};
use crate::model::failure::{Blame, Class};
use crate::model::plan::Plan;
use crate::model::{ExecutionId, ExecutionState, Failure, JobState, Timestamp};
use crate::store::{ExecutionRecord, whole_log};
use crate::workflow::graph::{Mark, marked_svg};

/// Number of last lines of the log that the page shows.
const SHOWN: usize = 500;

/// Query of the page: key of the output to play.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    play: Option<String>,
}

pub(super) async fn show(
    State(context): State<Context>,
    Extension(visitor): Extension<Visitor>,
    Place(id): Place<ExecutionId>,
    extract::Asked(Asked { play }): extract::Asked<Asked>,
) -> Result<Markup, Problem> {
    let record = executions::record(&context, id).await?;
    let log = whole_log(context.store.as_ref(), id).await?;
    let run = timeline::last_run(&log);
    let now = context.clock.now();
    let definition = again::definition(&context, &record.plan);
    let content = html! {
        div #head data-swap { (head(&record, definition.as_ref(), (&log, run), visitor, now)) }
        div #failures data-swap { (failures(&record)) }
        div #warnings data-swap { (warnings(&record)) }
        section.panel aria-labelledby="graph-title" {
            h2 #graph-title { "Graph" }
            div #graph data-swap { (drawing(marked_svg(&record.plan, &marks(&record)))) }
        }
        div #player data-swap { (outputs::player(&record, play.as_deref())) }
        div #pictures data-swap { (outputs::pictures(&record)) }
        section.panel aria-labelledby="timeline-title" {
            h2 #timeline-title { "Timeline" }
            div #timeline data-swap { (timeline::draw(&record, run, now)) }
        }
        div #outputs data-swap { (outputs::table(&record)) }
        div #media data-swap { (media::analyses(&record)) }
        section.panel aria-labelledby="log-title" {
            h2 #log-title { "Log " small { "times in " (zone()) } }
            div #log data-swap { (lines(&log)) }
        }
    };
    let title = format!("{} · {}", record.summary.input.name(), record.summary.status());
    let live = (!record.summary.state.is_ended()).then(|| id.to_string());
    let page =
        Page { title: &title, part: Some(Part::Executions), visitor: Some(visitor), scripts: &["player.js"], live };
    Ok(page.with(&content))
}

fn back(id: ExecutionId) -> Redirect {
    Redirect::to(&format!("/executions/{id}"))
}

pub(super) async fn retry(State(context): State<Context>, Place(id): Place<ExecutionId>) -> Result<Redirect, Problem> {
    context.store.retry(id, BTreeMap::new(), BY, context.clock.now()).await?;
    Ok(back(id))
}

pub(super) async fn start_again(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
) -> Result<Redirect, Problem> {
    let record = executions::record(&context, id).await?;
    let new = ExecutionId(context.intake.ids.next(context.clock.now()));
    again::start_again(&context, &record, &BTreeMap::new(), new, BY).await?;
    Ok(back(new))
}

pub(super) async fn cancel(State(context): State<Context>, Place(id): Place<ExecutionId>) -> Result<Redirect, Problem> {
    context.store.cancel(id, "asked for", BY, context.clock.now()).await?;
    Ok(back(id))
}

#[derive(Debug, Deserialize)]
pub(super) struct Priority {
    #[serde(deserialize_with = "whole::needed::<1, 10, _, _>")]
    priority: u8,
}

pub(super) async fn prioritize(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    Sent(Priority { priority }): Sent<Priority>,
) -> Result<Redirect, Problem> {
    context.store.prioritize(id, priority, BY, context.clock.now()).await?;
    Ok(back(id))
}

fn head(
    record: &ExecutionRecord,
    definition: Option<&DefinitionView>,
    (log, run): (&[LogEntry], &[LogEntry]),
    visitor: Visitor,
    now: Timestamp,
) -> Markup {
    let summary = &record.summary;
    let took = summary.ended_at.unwrap_or(now).since(run.first().map_or(summary.created_at, |entry| entry.at));
    let address = format!("/executions/{}", summary.id);
    html! {
        div.head {
            div.title {
                p.crumbs {
                    a href="/" { "Executions" } " / "
                    @if Plan::single(&summary.workflow).is_some() { (summary.workflow) }
                    @else { a href={ "/workflows/" (part(&summary.workflow)) } { (summary.workflow) } }
                }
                h1 {
                    (summary.input.name()) " " (execution_state(summary))
                    @if summary.warnings > 0 { " " a href="#warnings" { (warning_badge(summary.warnings)) } }
                }
            }
            div.actions { (actions(record, definition, &address, visitor)) }
        }
        @if let Some(reason) = record.state.cancel.as_ref().filter(|_| !summary.state.is_ended()) {
            p.notice role="status" { "Being cancelled: " (reason) }
        }
        @for (queue, _) in summary.waiting().into_iter().filter(|(_, paused)| *paused) {
            p.notice role="status" { "Queue " b { (queue) } " is paused: its waiting jobs start once it is " a href="/queues" { "resumed" } "." }
        }
        @if definition.is_some_and(|definition| definition.changed) && summary.state.is_ended() {
            p.notice {
                "The workflow has changed since this execution started. " @if summary.state != ExecutionState::Succeeded { b { "Retry" } " runs the definition that the execution started with; " }
                b { "Run again" } " starts a new execution of the current definition."
            }
        }
        dl.facts {
            div { dt { "Object" } dd { code { (summary.input.location) } } }
            @if let Some(size) = summary.input.size_bytes { div { dt { "Size" } dd { (bytes(size)) } } }
            div { dt { "Created" } dd { (Ago { at: summary.created_at, now }) } }
            div { dt { "Took" } dd { (duration(took)) } }
            div { dt { "Queue" } dd { @for (at, queue) in summary.queues().into_iter().enumerate() { @if at > 0 { ", " } (queue) } } }
            @if summary.state.is_ended() { div { dt { "Priority" } dd { (summary.priority()) } } }
            @if record.state.run > 1 { div { dt { "Run" } dd { (record.state.run) } } }
            @for (name, value) in &record.params { div { dt { "param " (name) } dd { code { (value) } } } }
            @if let Some(text) = &record.user_data { div { dt { "User data" } dd { code { (text) } } } }
            div { dt { "ID" } dd { code.id { (summary.id) } } }
            div { dt { "Started by" } dd { (started_by(record, log)) } }
        }
    }
}

/// Says what started the execution. An event is linked, and the execution that this one repeats.
fn started_by(record: &ExecutionRecord, log: &[LogEntry]) -> Markup {
    let cause = log.iter().find_map(|entry| match &entry.event {
        LogEvent::Started { cause } => Some(cause.as_str()),
        _ => None,
    });
    let object = &record.summary.input.location;
    match cause.filter(|cause| !cause.starts_with("event ")) {
        None => {
            html! { a href={ "/events?bucket=" (part(&object.bucket)) "&key=" (part(&object.key)) } { "event" } }
        }
        Some(cause) => match cause.rsplit_once(' ') {
            Some((by, id)) if id.parse::<ExecutionId>().is_ok() => {
                html! { (by) " " a href={ "/executions/" (id) } { code { (id) } } }
            }
            _ => html! { (cause) },
        },
    }
}

fn actions(record: &ExecutionRecord, definition: Option<&DefinitionView>, address: &str, visitor: Visitor) -> Markup {
    let state = record.summary.state;
    html! {
        @if state.is_ended() && state != ExecutionState::Succeeded {
            form method="post" action={ (address) "/retry" } {
                (button(visitor, Scope::Submit, "main", "Retry"))
            }
        }
        @if state.is_ended() && definition.is_some_and(|definition| definition.current.is_some()) {
            form method="post" action={ (address) "/again" } {
                (button(visitor, Scope::Submit, "", "Run again"))
            }
        }
        @if !state.is_ended() {
            (priority(record, &html! { "Priority" }, visitor))
            form method="post" action={ (address) "/cancel" } {
                (button(visitor, Scope::Submit, "danger", "Cancel"))
            }
        }
    }
}

/// Draws a form with the priority of jobs that have not ended.
pub(super) fn priority(record: &ExecutionRecord, label: &Markup, visitor: Visitor) -> Markup {
    let open = || record.jobs.iter().filter(|job| !job.state.is_ended()).map(|job| job.priority);
    let (Some(least), Some(most)) = (open().min(), open().max()) else { return html! {} };
    html! {
        form.inline method="post" action={ "/executions/" (record.summary.id) "/priority" } {
            label { span { (label) }
                select name="priority" required {
                    @if least != most { option value="" selected { (least) "–" (most) } }
                    @for priority in (1..=10_u8).rev() {
                        option selected[least == most && priority == least] { (priority) }
                    }
                }
            }
            (button(visitor, Scope::Submit, "", "Set"))
        }
    }
}

/// Returns the activities in the order of the plan, each after those that it needs.
fn activities(record: &ExecutionRecord) -> impl Iterator<Item = (NodeIndex, &ActivityState)> {
    record.plan.in_order().into_iter().filter_map(|node| Some((node, record.state.activity(node)?)))
}

/// A failure, and the activities that failed with it.
struct Failed<'a> {
    state: JobState,
    failure: &'a Failure,
    /// Names of the activities, each with its number of attempts.
    activities: Vec<(&'a str, u32)>,
}

/// Draws the failures; one that several activities share is drawn once.
fn failures(record: &ExecutionRecord) -> Markup {
    let mut groups: Vec<Failed> = Vec::new();
    for (node, state) in activities(record) {
        let (ActivityState::Failed { failure, attempt } | ActivityState::Retrying { failure, attempt, .. }) = state
        else {
            continue;
        };
        let (name, state) = (record.plan.graph[node].name.as_str(), state.name());
        match groups.iter_mut().find(|group| group.state == state && group.failure == failure) {
            Some(group) => group.activities.push((name, *attempt)),
            None => groups.push(Failed { state, failure, activities: vec![(name, *attempt)] }),
        }
    }
    html! {
        @for group in &groups {
            section.panel.failure {
                h2 {
                    (job_state(group.state))
                    @for (at, (name, attempts)) in group.activities.iter().enumerate() {
                        @if at > 0 { "," } " " (name)
                        @if *attempts > 1 { small { " after " (attempts) " attempts" } }
                    }
                }
                (failed(group.failure))
                @if group.state == JobState::Retrying { p.hint { "The next attempt starts by itself." } }
            }
        }
    }
}

fn failed(failure: &Failure) -> Markup {
    let mend = match failure.blame {
        Blame::Input => "Upload another file.",
        Blame::Definition => {
            "If a file is missing, upload it and use Retry. After a change of the workflow or a template use Run again: Retry runs the old definition."
        }
        Blame::Infrastructure => "Use Retry once it works again.",
        Blame::Bug => "Please report it.",
    };
    html! {
        p.reason { code { (failure.code) } " " (failure.message) }
        p.hint { "Cause: " (failure.blame.cause()) ". " (mend) @if failure.class == Class::Fatal && failure.blame == Blame::Input { " Retry with the same file would fail in the same way." } }
        @if !failure.chain.is_empty() {
            details { summary { "Causes" } pre { @for cause in &failure.chain { (cause) "\n" } } }
        }
    }
}

/// Draws the warnings.
fn warnings(record: &ExecutionRecord) -> Markup {
    let count = record.summary.warnings;
    if count == 0 {
        return html! {};
    }
    let more = count.saturating_sub(record.warnings.len() as u64);
    html! {
        section.panel.warned aria-labelledby="warnings-title" {
            h2 #warnings-title { "Warnings" }
            ul { @for warning in &record.warnings {
                li { strong { (warning.activity) } " " code { (warning.code) } " " (warning.message) }
            } }
            @if more > 0 { p.hint { (more) " more are not shown: they were pruned with the log, or there are more than 100." } }
        }
    }
}

/// Returns the marks of the activities in the graph, by node index.
fn marks(record: &ExecutionRecord) -> Vec<Mark> {
    let graph = &record.plan.graph;
    let mark = |node: NodeIndex| {
        let job = record.jobs.get(node.index());
        let state = record.state.activity(node).map_or(JobState::Waiting, ActivityState::name);
        let share = job.and_then(|job| job.progress?.fraction).filter(|_| state == JobState::Running);
        let done = share.map(|share| format!(", {:.0} %", share * 100.0)).unwrap_or_default();
        let name = &graph[node].name;
        Mark {
            class: state.as_str(),
            href: format!("#activity-{}", node.index()),
            sign: sign(state),
            title: format!("{name}, {}: {state}{done}", graph[node].kind.as_str()),
            share,
        }
    };
    graph.node_indices().map(mark).collect()
}

fn lines(log: &[LogEntry]) -> Markup {
    let marks = |entry: &&LogEntry| !matches!(entry.event, LogEvent::Progress { .. });
    let lines: Vec<&LogEntry> = log.iter().filter(marks).collect();
    let left_out = lines.len().saturating_sub(SHOWN);
    html! {
        @if left_out > 0 { p.hint { (left_out) " earlier lines are not shown; " code { "reelmill logs" } " prints all." } }
        div.scroll.log tabindex="0" role="region" aria-label="Lines of the log" {
            table {
                thead.hidden { tr { th scope="col" { "Time" } th scope="col" { "Activity" } th scope="col" { "Message" } } }
                tbody { @for entry in &lines[left_out..] {
                    tr class=[class(&entry.event)] {
                        td { (At(entry.at)) }
                        td {
                            (entry.activity.as_deref().unwrap_or("execution"))
                            @if let Some(attempt) = entry.attempt.filter(|attempt| *attempt > 1) { small { " #" (attempt) } }
                        }
                        td { (entry.event) }
                    }
                } }
            }
        }
    }
}

const fn class(event: &LogEvent) -> Option<&'static str> {
    match event {
        LogEvent::Failed { .. } | LogEvent::Expired { .. } | LogEvent::Ended { state: ExecutionState::Failed } => {
            Some("failed")
        }
        LogEvent::AttemptFailed { .. } | LogEvent::AttemptLost { .. } | LogEvent::Warning { .. } => Some("warned"),
        LogEvent::Succeeded { .. } | LogEvent::Ended { state: ExecutionState::Succeeded } => Some("succeeded"),
        _ => None,
    }
}
