//! `reelmill logs`: the log of an execution.

use clap::Args;
use futures::StreamExt;

use super::client::Client;
use super::named::Named;
use super::output::Output;
use super::progress::dated_log_text;
use super::{CliError, DaemonArgs, Exit};
use crate::api::view::{ExecutionView, LogLine};
use crate::model::ExecutionId;

/// Lines per request.
const BATCH: usize = 1_000;

/// Print the log of an execution.
#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Identifier of the execution or job, its first characters (at least 4), or @last for the newest
    execution: Named<ExecutionId>,
    /// Only lines of this activity
    #[arg(long)]
    activity: Option<String>,
    /// Print new lines until the execution ends
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn logs(args: LogsArgs, output: Output) -> Result<Exit, CliError> {
    let client = Client::new(&args.daemon)?;
    let execution = args.execution.find(&client, "/v1/executions").await?;
    if let Some(activity) = &args.activity {
        let view: ExecutionView = client.get(&format!("/v1/executions/{execution}"), &[]).await?;
        if !view.activities.contains_key(activity) {
            let there: Vec<_> = view.activities.keys().map(String::as_str).collect();
            let message = format!("the execution has no activity `{activity}`; it has {}", there.join(", "));
            return Err(CliError::new(Exit::NotFound, "CLI0013", message));
        }
    }
    let print = |line: &LogLine| {
        if args.activity.is_some() && line.activity != args.activity {
            return;
        }
        if output.json {
            output.json_line(line);
        } else {
            output.line(dated_log_text(line));
        }
    };
    if args.follow {
        let mut events = client.events(&format!("/v1/executions/{execution}/stream")).await?;
        while let Some(event) = events.next().await {
            let event = event?;
            match event.name.as_str() {
                "log" => {
                    if let Ok(line) = serde_json::from_value(event.data) {
                        print(&line);
                    }
                }
                "end" => return Ok(Exit::Done),
                "progress" => {}
                _ => break,
            }
        }
        return Err(CliError::daemon_ended());
    }
    let mut after = 0;
    loop {
        let query = [("after", after.to_string()), ("limit", BATCH.to_string())];
        let lines: Vec<LogLine> = client.get(&format!("/v1/executions/{execution}/log"), &query).await?;
        lines.iter().for_each(print);
        match lines.last() {
            Some(last) if lines.len() == BATCH => after = last.seq,
            _ => return Ok(Exit::Done),
        }
    }
}
