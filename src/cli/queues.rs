//! `reelmill queues`: list, pause, resume, set.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::client::{Client, segment};
use super::output::Output;
use super::{CliError, DaemonArgs, Exit};
use crate::api::queues::{QueueList, QueuePatch, QueueView};

/// List, pause, resume and configure queues.
#[derive(Debug, Args)]
pub(super) struct QueuesArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List queues with the number of jobs that wait and run
    List,
    /// Pause a queue: its jobs wait, running jobs continue
    Pause {
        /// Name of the queue
        queue: String,
    },
    /// Resume a paused queue
    Resume {
        /// Name of the queue
        queue: String,
    },
    /// Set the concurrency of a queue
    Set {
        /// Name of the queue
        queue: String,
        /// Most jobs of the queue that run at once, over all daemons; 0 for no limit but worker slots
        #[arg(long)]
        concurrency: u32,
    },
}

pub(super) async fn queues(args: QueuesArgs, output: Output) -> Result<Exit, CliError> {
    let client = Client::new(&args.daemon)?;
    let (queue, patch) = match args.action {
        Action::List => {
            let queues: QueueList = client.get("/v1/queues", &[]).await?;
            if output.json {
                output.json_line(&queues);
            } else {
                table(&queues.items, output);
            }
            return Ok(Exit::Done);
        }
        Action::Pause { queue } => (queue, QueuePatch { paused: Some(true), ..QueuePatch::default() }),
        Action::Resume { queue } => (queue, QueuePatch { paused: Some(false), ..QueuePatch::default() }),
        Action::Set { queue, concurrency } => {
            (queue, QueuePatch { concurrency: Some(concurrency), ..QueuePatch::default() })
        }
    };
    let queue: QueueView = client.call(Method::PATCH, &format!("/v1/queues/{}", segment(&queue)?), &patch).await?;
    if output.json {
        output.json_line(&queue);
    } else {
        table(&[queue], output);
    }
    Ok(Exit::Done)
}

fn table(queues: &[QueueView], output: Output) {
    let rows: Vec<[String; 6]> = queues
        .iter()
        .map(|queue| {
            [
                queue.name.clone(),
                if queue.paused { "paused".to_owned() } else { "open".to_owned() },
                queue.waiting.to_string(),
                queue.running.to_string(),
                if queue.concurrency == 0 { "slots".to_owned() } else { queue.concurrency.to_string() },
                queue.oldest.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output.table(["QUEUE", "STATE", "WAITING", "RUNNING", "AT ONCE", "OLDEST SINCE"], &rows);
}
