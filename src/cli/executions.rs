//! `reelmill executions`: list, show, start, cancel, retry, reproducer, priority.

use std::fmt::Display;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use futures::StreamExt;
use reqwest::Method;

use super::bulk::Which;
use super::client::{Client, segment};
use super::named::Named;
use super::output::Output;
use super::progress::Watch;
use super::{CliError, DaemonArgs, Exit, local};
use crate::api::executions::{ExecutionBody, InputBody, PriorityPatch, RetryBody};
use crate::api::view::{
    ActivityView, ExecutionPage, ExecutionView, LogLine, OutputView, RetryView, WaitingView, WarningView,
};
use crate::model::units::parse_duration;
use crate::model::{Blame, Clock, ExecutionId, ExecutionStatus, SystemClock};

/// List, show, start, cancel and retry executions, and change their priority.
#[derive(Debug, Args)]
pub(super) struct ExecutionsArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List executions, newest first
    List {
        /// Only executions of this workflow
        #[arg(long)]
        workflow: Option<String>,
        /// Only executions in these states, comma-separated
        #[arg(long, value_delimiter = ',', value_parser = state())]
        state: Vec<ExecutionStatus>,
        /// Only executions that have warnings
        #[arg(long)]
        warnings: bool,
        /// Only executions created since this time: RFC 3339 date or time, `today`, or a duration ago like 2h
        #[arg(long, value_parser = since)]
        since: Option<String>,
        /// Most executions to list, 1 to 1000
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show an execution and its activities
    Show {
        /// Identifier of the execution, its first characters (at least 4), or @last for the newest
        execution: Named<ExecutionId>,
        /// Follow the execution until it ends; exit code 1 if it does not succeed
        #[arg(long)]
        follow: bool,
    },
    /// Start a workflow on an object that is already in a bucket
    Start {
        /// Name of the workflow
        workflow: String,
        /// Object: s3://bucket/key
        object: String,
        /// Set a parameter of the workflow; repeat for several
        #[arg(long, value_name = "NAME=VALUE", value_parser = super::run::pair)]
        set: Vec<(String, String)>,
        /// Priority of all jobs of the execution, 1 to 10; 10 runs first [default: that of each activity]
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=10))]
        priority: Option<u8>,
        /// Text to repeat in notifications
        #[arg(long)]
        user_data: Option<String>,
        /// Key of this request: sending it again with the same key starts no second execution
        #[arg(long)]
        idempotency_key: Option<String>,
    },
    /// Cancel executions; with --all those that are queued or running
    Cancel {
        #[command(flatten)]
        which: Which,
    },
    /// Run activities that did not succeed again, with the definition that the execution started with; with --all of failed executions
    Retry {
        #[command(flatten)]
        which: Which,
        /// Change a parameter for the retry; repeat for several
        #[arg(long, value_name = "NAME=VALUE", value_parser = super::run::pair)]
        set: Vec<(String, String)>,
        /// Start a new execution instead: current definition of the workflow, same object, same parameters
        #[arg(long)]
        latest: bool,
    },
    /// Print a JSON document to reproduce a failed activity with: its work, its input, its log
    Reproducer {
        /// Identifier of the execution, its first characters (at least 4), or @last for the newest
        execution: Named<ExecutionId>,
        /// Name of the activity
        activity: String,
    },
    /// Change the priority of an execution that has not ended
    Priority {
        /// Identifier of the execution, its first characters (at least 4), or @last for the newest
        execution: Named<ExecutionId>,
        /// Priority of its jobs, 1 to 10; 10 runs first
        #[arg(value_parser = clap::value_parser!(u8).range(1..=10))]
        priority: u8,
    },
}

/// Path of the list of executions.
pub(super) const LIST: &str = "/v1/executions";

/// Returns a parser of states that also tells their names, for completions.
pub(super) fn state() -> impl TypedValueParser<Value = ExecutionStatus> {
    PossibleValuesParser::new(ExecutionStatus::ALL.iter().map(|state| state.as_str()))
        .try_map(|name| ExecutionStatus::parse(&name).ok_or("no such state"))
}

/// Parses a time. A date and `today` are 00:00 UTC of that day; a duration is before now.
pub(super) fn since(text: &str) -> Result<String, String> {
    let now = SystemClock.now();
    if text == "today" {
        return Ok(format!("{}T00:00:00Z", &now.to_string()[..10]));
    }
    if let Ok(ago) = parse_duration(text) {
        return Ok(now.before(ago).to_string());
    }
    if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() {
        return Ok(format!("{text}T00:00:00Z"));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err("expected a date like 2026-11-22, a time like 2026-11-22T09:00:00Z, `today`, or a duration like 2h"
                .to_owned())
        }
    }
}

pub(super) async fn executions(args: ExecutionsArgs, output: Output) -> Result<Exit, CliError> {
    let client = Client::new(&args.daemon)?;
    match args.action {
        Action::List { workflow, state, warnings, since, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(workflow.map(|workflow| ("workflow", workflow)));
            query.extend(states(&state));
            query.extend(warnings.then(|| ("warnings", "true".to_owned())));
            query.extend(since.map(|since| ("since", since)));
            list(&client.get("/v1/executions", &query).await?, output);
            Ok(Exit::Done)
        }
        Action::Show { execution, follow: false } => {
            let execution = execution.find(&client, LIST).await?;
            show(&client.get(&format!("/v1/executions/{execution}"), &[]).await?, Some(&client), output);
            Ok(Exit::Done)
        }
        Action::Show { execution, follow: true } => {
            let execution = execution.find(&client, LIST).await?;
            follow(&client, execution, output).await
        }
        Action::Start { workflow, object, set, priority, user_data, idempotency_key } => {
            let wrong = || CliError::usage(format!("`{object}` is not an object: write s3://bucket/key"));
            let location = local::parse_location(&object).unwrap_or_else(|| Err(wrong()))?;
            let input = InputBody { bucket: location.bucket, key: location.key, version: None };
            let params = set.into_iter().collect();
            let body = ExecutionBody { workflow, input, params, priority, user_data };
            let key: Vec<_> = idempotency_key.as_deref().map(|key| ("idempotency-key", key)).into_iter().collect();
            show(&client.call_with(Method::POST, "/v1/executions", &[], &key, &body).await?, Some(&client), output);
            Ok(Exit::Done)
        }
        Action::Cancel { which } => {
            let usual = [ExecutionStatus::Pending, ExecutionStatus::Queued, ExecutionStatus::Running];
            let cancel = async |id| client.post(&format!("{LIST}/{id}/cancel")).await;
            let show_one = |view: &ExecutionView, output: Output| show(view, Some(&client), output);
            which.each(&client, output, &usual, show_one, cancel).await
        }
        Action::Retry { which, set, latest } => {
            let body = RetryBody { params: set.into_iter().collect(), latest };
            let retry = async |id| {
                let answer = client.call(Method::POST, &format!("{LIST}/{id}/retry"), &body).await;
                answer.map_err(not_done)
            };
            let show_one = |view: &ExecutionView, output: Output| {
                show(view, Some(&client), output);
                if !latest {
                    note_definition(view, output);
                }
            };
            which.each(&client, output, &[ExecutionStatus::Failed], show_one, retry).await
        }
        Action::Reproducer { execution, activity } => {
            let execution = execution.find(&client, LIST).await?;
            let path = format!("/v1/executions/{execution}/activities/{}/reproducer", segment(&activity)?);
            let reproducer: serde_json::Value = client.get(&path, &[]).await?;
            if output.json {
                output.json_line(&reproducer);
            } else {
                output.json_block(&reproducer);
            }
            Ok(Exit::Done)
        }
        Action::Priority { execution, priority } => {
            let execution = execution.find(&client, LIST).await?;
            let path = format!("/v1/executions/{execution}");
            show(&client.call(Method::PATCH, &path, &PriorityPatch { priority }).await?, Some(&client), output);
            Ok(Exit::Done)
        }
    }
}

fn list(page: &ExecutionPage, output: Output) {
    if output.json {
        output.json_line(page);
        return;
    }
    let rows: Vec<[String; 7]> = page
        .items
        .iter()
        .map(|item| {
            [
                item.id.to_string(),
                item.workflow.clone(),
                with_warnings(waits(item.state, &item.waiting), item.warning_count),
                item.queues.join(", "),
                item.priority.to_string(),
                second(&item.created_at),
                item.input.location.to_string(),
            ]
        })
        .collect();
    output.table(["EXECUTION", "WORKFLOW", "STATE", "QUEUE", "PRIORITY", "CREATED (UTC)", "OBJECT"], &rows);
    if page.next.is_some() {
        output.note("more executions match: raise --limit, or filter with --workflow, --state, --warnings or --since");
    }
}

/// Formats an RFC 3339 time in UTC for people, to the second.
pub(super) fn second(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

/// Returns states as a query parameter, if there are any.
pub(super) fn states(states: &[ExecutionStatus]) -> Option<(&'static str, String)> {
    let names: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    (!names.is_empty()).then(|| ("state", names.join(",")))
}

/// Formats a state with the paused queues in which it waits: `queued, queue bulk is paused`.
pub(super) fn waits(state: impl Display, waiting: &[WaitingView]) -> String {
    let paused: Vec<&str> = waiting.iter().filter(|one| one.paused).map(|one| one.queue.as_str()).collect();
    match paused.as_slice() {
        [] => state.to_string(),
        [one] => format!("{state}, queue {one} is paused"),
        several => format!("{state}, queues {} are paused", several.join(", ")),
    }
}

/// Formats a state in a list: `succeeded, 2 warnings`.
pub(super) fn with_warnings(state: String, count: u64) -> String {
    match count {
        0 => state,
        1 => format!("{state}, 1 warning"),
        several => format!("{state}, {several} warnings"),
    }
}

/// Prints warnings, and the number of those that are not in the list.
pub(super) fn warnings(warnings: &[WarningView], count: u64, output: Output) {
    for WarningView { activity, code, message, .. } in warnings {
        output.line(format_args!("warning    {activity}: {code}: {message}"));
    }
    match count.saturating_sub(warnings.len() as u64) {
        0 => {}
        more if warnings.is_empty() => output.line(format_args!("warnings   {more}, pruned with the log")),
        more => output.line(format_args!("warnings   {more} more")),
    }
}

/// Prints an execution with its activities. `client` is the daemon that knows it.
pub(super) fn show(view: &ExecutionView, client: Option<&Client>, output: Output) {
    if output.json {
        output.json_line(view);
        return;
    }
    output.line(format_args!("execution  {}", view.id));
    output.line(format_args!("workflow   {}", view.workflow));
    output.line(format_args!("object     {}", view.input.location));
    let state = waits(view.state, &view.waiting);
    match &view.stopping {
        None => output.line(format_args!("state      {state}")),
        Some(why) => output.line(format_args!("state      {state}, stopping: {why}")),
    }
    output.line(format_args!("created    {} UTC", second(&view.created_at)));
    if let Some(ended_at) = &view.ended_at {
        output.line(format_args!("ended      {} UTC", second(ended_at)));
    }
    if let Some(client) = client {
        output.line(format_args!("console    {}", client.page(view.id)));
        causes(view, output);
    }
    warnings(&view.warnings, view.warning_count, output);
    output.line("");
    let rows: Vec<[String; 7]> = view
        .activities
        .iter()
        .map(|(name, activity)| {
            [
                name.clone(),
                activity.kind.as_str().to_owned(),
                activity.state.to_string(),
                activity.queue.clone(),
                activity.priority.to_string(),
                activity.attempts.to_string(),
                remark(activity),
            ]
        })
        .collect();
    output.table(["ACTIVITY", "TYPE", "STATE", "QUEUE", "PRIORITY", "ATTEMPTS", ""], &rows);
}

/// Prints the causes of an execution's failure, each with what to do about it.
fn causes(view: &ExecutionView, output: Output) {
    let mut told = Vec::new();
    for failure in view.activities.values().filter_map(|activity| activity.error.as_ref()) {
        if told.contains(&failure.blame) {
            continue;
        }
        told.push(failure.blame);
        let retry = format!("reelmill executions retry {}", view.id);
        let mend = match failure.blame {
            Blame::Input => "upload another file".to_owned(),
            Blame::Definition => format!("after a change of the workflow or a template: `{retry} --latest`"),
            Blame::Infrastructure => format!("once it works again: `{retry}`"),
            Blame::Bug => "please report it".to_owned(),
        };
        output.line(format_args!("cause      {}; {mend}", failure.blame.cause()));
    }
}

/// Adds what can be done with an execution that has succeeded to the error of its retry.
fn not_done(error: CliError) -> CliError {
    if !error.message.ends_with("already succeeded") {
        return error;
    }
    CliError { message: format!("{}; `--latest` starts a new one", error.message), ..error }
}

/// Prints which definition a retry runs.
fn note_definition(view: &ExecutionView, output: Output) {
    let Some(definition) = &view.definition else { return };
    output.note("a retry runs the definition that the execution started with");
    if definition.changed {
        let ExecutionView { id, workflow, .. } = view;
        output.note(format_args!(
            "workflow {workflow} has changed since; `reelmill executions retry {id} --latest` runs the current one"
        ));
    }
}

fn remark(activity: &ActivityView) -> String {
    if let Some(failure) = &activity.error {
        return failure.to_string();
    }
    if let Some(RetryView { at, failure, away_since }) = &activity.retrying {
        let next = format!("next attempt at {} UTC", second(at));
        return match away_since {
            Some(since) => format!("waiting for infrastructure since {} UTC, {next}: {failure}", second(since)),
            None => format!("{next}: {failure}"),
        };
    }
    if let Some(reason) = &activity.skipped {
        return reason.clone();
    }
    if let Some(fraction) = activity.progress.and_then(|progress| progress.fraction)
        && !activity.state.is_ended()
    {
        return format!("{:.0} %", fraction * 100.0);
    }
    match activity.outputs.as_slice() {
        [] => String::new(),
        [one] => place(one),
        [.., last] => format!("{} objects, {}", activity.outputs.len(), place(last)),
    }
}

/// Returns the path of an output on this machine, or its s3:// URL.
pub(super) fn place(output: &OutputView) -> String {
    output.path.clone().unwrap_or_else(|| format!("s3://{}/{}", output.bucket, output.key))
}

async fn follow(client: &Client, execution: ExecutionId, output: Output) -> Result<Exit, CliError> {
    let view: ExecutionView = client.get(&format!("/v1/executions/{execution}"), &[]).await?;
    let watch = Watch::new(output, view.activities.keys().cloned());
    let mut events = client.events(&format!("/v1/executions/{execution}/stream")).await?;
    while let Some(event) = events.next().await {
        let event = event?;
        match event.name.as_str() {
            "log" => {
                if let Ok(line) = serde_json::from_value::<LogLine>(event.data) {
                    watch.log(&line);
                }
            }
            "progress" => {
                if let Ok(mark) = serde_json::from_value(event.data) {
                    watch.mark(&mark);
                }
            }
            "end" => {
                let Ok(view) = serde_json::from_value::<ExecutionView>(event.data) else { break };
                show(&view, Some(client), output);
                return Ok(if view.state == ExecutionStatus::Succeeded { Exit::Done } else { Exit::Failed });
            }
            _ => break,
        }
    }
    Err(CliError::daemon_ended())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_date_or_a_time() {
        assert_eq!(since("2026-11-22").as_deref(), Ok("2026-11-22T00:00:00Z"));
        assert_eq!(since("2026-11-22T09:00:00+01:00").as_deref(), Ok("2026-11-22T09:00:00+01:00"));
        for wrong in ["yesterday", "2026-13-01", "2026-11-22T09:00", ""] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
