//! `reelmill events`: list, explain.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};

use super::client::Client;
use super::output::Output;
use super::{CliError, DaemonArgs, Exit, local};
use crate::api::events::{EventList, EventView};
use crate::api::workflows::{WorkflowList, WorkflowView};
use crate::model::ObjectLocation;

/// List upload events, and explain which workflows they started.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List upload events, newest first
    List {
        /// Most events to list, 1 to 1000
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Explain why an upload started a workflow, or why it did not
    Explain {
        /// Uploaded object: s3://bucket/key
        object: String,
    },
}

/// Why an upload into a bucket that is watched may have no event.
const NO_EVENT: &str = "the bucket sends no events to this daemon, or the event was pruned; see docs/events.md";

pub(super) async fn events(args: EventsArgs, output: Output) -> Result<Exit, CliError> {
    let client = Client::new(&args.daemon)?;
    match args.action {
        Action::List { limit } => {
            let events: EventList = client.get("/v1/events", &[("limit", limit.to_string())]).await?;
            if output.json {
                output.json_line(&events);
            } else {
                table(&events.items, output);
            }
            Ok(Exit::Done)
        }
        Action::Explain { object } => {
            let wrong = || CliError::usage(format!("`{object}` is not an object: write s3://bucket/key"));
            let location = local::parse_location(&object).unwrap_or_else(|| Err(wrong()))?;
            let events = of_object(&client, &location).await?;
            if output.json {
                output.json_line(&events);
            } else if events.items.is_empty() {
                output.line(format_args!("no event of {object} was received"));
                if events.object_exists == Some(false) {
                    output.line("  there is no such object");
                }
                let why = unwatched(&client, &location.bucket).await;
                output.line(format_args!("  {}", why.as_deref().unwrap_or(NO_EVENT)));
            } else {
                explain(&events.items, output);
            }
            Ok(if events.items.is_empty() { Exit::NotFound } else { Exit::Done })
        }
    }
}

/// Returns the events of an object, newest first.
pub(super) async fn of_object(client: &Client, location: &ObjectLocation) -> Result<EventList, CliError> {
    let query = [("bucket", location.bucket.clone()), ("key", location.key.clone())];
    client.get("/v1/events", &query).await
}

/// Explains why an upload into `bucket` has no event, if the reason is that no workflow names the bucket.
pub(super) async fn unwatched(client: &Client, bucket: &str) -> Option<String> {
    let WorkflowList { items } = client.get("/v1/workflows", &[]).await.ok()?;
    let watched: BTreeSet<&str> = items.iter().filter_map(|workflow| workflow.bucket.as_deref()).collect();
    if watched.contains(bucket) {
        return None;
    }
    let broken = items.iter().filter(|workflow| workflow.enabled.is_none()).map(broken);
    let others = watched.into_iter().map(|bucket| format!("`{bucket}`")).collect::<Vec<_>>().join(", ");
    let why = match (items.is_empty(), others.is_empty()) {
        (true, _) => "there are no workflows yet; `reelmill init` writes a first one".to_owned(),
        (_, true) => "no workflow has a trigger for a bucket".to_owned(),
        (_, false) => format!("no workflow has a trigger for bucket `{bucket}`, only for {others}"),
    };
    Some(std::iter::once(why).chain(broken).collect::<Vec<_>>().join("; "))
}

/// Says of a workflow without a valid version why nothing starts it.
fn broken(workflow: &WorkflowView) -> String {
    let WorkflowView { name, problems, .. } = workflow;
    let errors = problems.iter().filter(|problem| problem.severity == "error").count();
    let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
    format!("{name}: its file has {errors} (reelmill workflows show {name})")
}

fn table(events: &[EventView], output: Output) {
    let rows: Vec<[String; 4]> = events
        .iter()
        .map(|event| {
            let object = match &event.object {
                Some(object) => object.location.to_string(),
                None => "(message in an unknown format)".to_owned(),
            };
            [event.at.clone(), object, event.duplicates.to_string(), event.executions.len().to_string()]
        })
        .collect();
    output.table(["AT", "OBJECT", "DUPLICATES", "STARTED"], &rows);
}

fn explain(events: &[EventView], output: Output) {
    for event in events {
        let (name, shape) = (event.name.as_deref().unwrap_or("?"), event.shape.as_deref().unwrap_or("?"));
        output.line(format_args!("{}  {name}, as {shape}", event.at));
        if let Some(uploaded) = &event.object {
            let known = [
                uploaded.size_bytes.map(|size| format!("{size} bytes")),
                uploaded.etag.as_ref().map(|etag| format!("ETag {etag}")),
                uploaded.version.as_ref().map(|version| format!("version {version}")),
            ];
            output.line(format_args!("  {}", known.into_iter().flatten().collect::<Vec<_>>().join(", ")));
        }
        match event.duplicates {
            0 => {}
            1 => output.line("  received once more as a duplicate, which was ignored"),
            more => output.line(format_args!("  received {more} times more as a duplicate, which was ignored")),
        }
        for decision in &event.decisions {
            let word = if decision.matched { "started" } else { "not started" };
            output.line(format_args!("  {}: {word}: {}", decision.workflow, decision.reason));
        }
        if event.decisions.is_empty() {
            output.line("  there was no workflow to start");
        }
        for execution in &event.executions {
            output.line(format_args!("  execution {execution}"));
        }
    }
}
