//! Selection of executions for a command: by identifier, or all that match a filter.

use clap::Args;
use serde_json::Value;

use super::client::Client;
use super::executions::{LIST, since, state, states};
use super::named::Named;
use super::output::Output;
use super::{CliError, Exit};
use crate::api::view::ExecutionView;
use crate::model::{ExecutionId, ExecutionStatus};

/// A selection of executions.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Identifiers of executions, their first characters (at least 4), or @last for the newest
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "EXECUTION")]
    executions: Vec<Named<ExecutionId>>,
    /// All executions that match --state, --workflow and --since, instead of identifiers
    #[arg(long)]
    all: bool,
    /// With --all: only executions in these states, comma-separated [default: queued and running for cancel, failed for retry]
    #[arg(long, requires = "all", value_delimiter = ',', value_parser = state())]
    state: Vec<ExecutionStatus>,
    /// With --all: only executions of this workflow
    #[arg(long, requires = "all")]
    workflow: Option<String>,
    /// With --all: only executions created since this time: RFC 3339 date or time, `today`, or a duration ago like 2h
    #[arg(long, requires = "all", value_parser = since)]
    since: Option<String>,
}

impl Which {
    /// Applies `change` to each selected execution and prints the result; continues if one cannot be changed. Without
    /// `--state`, executions in the states `usual` are selected.
    pub(super) async fn each(
        &self,
        client: &Client,
        output: Output,
        usual: &[ExecutionStatus],
        show: impl Fn(&ExecutionView, Output),
        change: impl AsyncFn(ExecutionId) -> Result<ExecutionView, CliError>,
    ) -> Result<Exit, CliError> {
        let ids = self.find(client, usual).await?;
        if let ([one], false) = (ids.as_slice(), self.all) {
            show(&change(*one).await?, output);
            return Ok(Exit::Done);
        }
        if ids.is_empty() {
            output.note("no execution matches");
        }
        let mut exit = Exit::Done;
        for id in ids {
            match change(id).await {
                Ok(view) if output.json => output.json_line(&view),
                Ok(view) if view.stopping.is_some() => {
                    output.line(format_args!("{}  {}, stopping", view.id, view.state));
                }
                Ok(view) => output.line(format_args!("{}  {}", view.id, view.state)),
                // The daemon or its store is unavailable: the next requests would fail, too.
                Err(error) if error.exit == Exit::Storage => return Err(error),
                Err(error) => {
                    let message = format!("{id}: {}", error.message);
                    output.error(&CliError { message, ..error });
                    exit = Exit::Failed;
                }
            }
        }
        Ok(exit)
    }

    async fn find(&self, client: &Client, usual: &[ExecutionStatus]) -> Result<Vec<ExecutionId>, CliError> {
        let mut ids = Vec::new();
        if !self.all {
            for execution in &self.executions {
                let id = execution.find(client, LIST).await?;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            return Ok(ids);
        }
        // All are listed before the first is changed, because a changed execution may no longer match the filter.
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("limit", "1000".to_owned())];
            query.extend(states(if self.state.is_empty() { usual } else { &self.state }));
            query.extend(self.workflow.clone().map(|workflow| ("workflow", workflow)));
            query.extend(self.since.clone().map(|since| ("since", since)));
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let page: Value = client.get(LIST, &query).await?;
            let items = page["items"].as_array().into_iter().flatten();
            ids.extend(items.filter_map(|item| item["id"].as_str()?.parse::<ExecutionId>().ok()));
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                // Oldest first, the order in which they were submitted.
                ids.reverse();
                return Ok(ids);
            }
        }
    }
}
