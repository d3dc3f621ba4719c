//! `reelmill workflows`: list, show, put, enable, disable.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::client::{Client, segment};
use super::output::Output;
use super::{CliError, DaemonArgs, Exit};
use crate::api::Finding;
use crate::api::workflows::{WorkflowList, WorkflowView};

/// List, show, write, enable and disable the workflows of a daemon.
#[derive(Debug, Args)]
pub(super) struct WorkflowsArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List workflows
    List,
    /// Show the definition of a workflow, and its errors
    Show {
        /// Name of the workflow
        workflow: String,
    },
    /// Create or replace a workflow
    Put {
        /// Name of the workflow
        workflow: String,
        /// YAML file with the definition
        file: PathBuf,
        /// Digest of the version to replace: fails if the current version is another one
        #[arg(long, value_name = "DIGEST")]
        replaces: Option<String>,
    },
    /// Enable a workflow: uploads start it
    Enable {
        /// Name of the workflow
        workflow: String,
    },
    /// Disable a workflow: uploads do not start it, running executions continue
    Disable {
        /// Name of the workflow
        workflow: String,
    },
}

pub(super) async fn workflows(args: WorkflowsArgs, output: Output) -> Result<Exit, CliError> {
    let client = Client::new(&args.daemon)?;
    let workflow: WorkflowView = match args.action {
        Action::List => {
            let list: WorkflowList = client.get("/v1/workflows", &[]).await?;
            if output.json {
                output.json_line(&list);
            } else {
                table(&list.items, output);
            }
            return Ok(Exit::Done);
        }
        Action::Show { workflow } => {
            let workflow: WorkflowView = client.get(&path(&workflow, "")?, &[]).await?;
            if output.json {
                output.json_line(&workflow);
            } else {
                problems(&workflow.problems, output);
                output.block(workflow.yaml.unwrap_or_default().trim_end());
            }
            return Ok(Exit::Done);
        }
        Action::Put { workflow, file, replaces } => {
            let text = std::fs::read_to_string(&file).map_err(|error| CliError::file(&file, &error))?;
            let matches = replaces.map(|digest| format!("\"{digest}\""));
            client.put_text(&path(&workflow, "")?, matches.as_deref(), text).await?
        }
        Action::Enable { workflow } => client.post(&path(&workflow, "/enable")?).await?,
        Action::Disable { workflow } => client.post(&path(&workflow, "/disable")?).await?,
    };
    if output.json {
        output.json_line(&workflow);
    } else {
        problems(&workflow.problems, output);
        table(std::slice::from_ref(&workflow), output);
    }
    Ok(Exit::Done)
}

/// Returns the API path of a workflow, with `rest` after it.
fn path(name: &str, rest: &str) -> Result<String, CliError> {
    Ok(format!("/v1/workflows/{}{rest}", segment(name)?))
}

fn table(workflows: &[WorkflowView], output: Output) {
    let row = |workflow: &WorkflowView| {
        let state = match (workflow.enabled, workflow.current) {
            (None, _) => "broken",
            (Some(_), false) => "an earlier version, the file is broken",
            (Some(true), true) => "enabled",
            (Some(false), true) => "disabled",
        };
        [
            workflow.name.clone(),
            state.to_owned(),
            workflow.activities.len().to_string(),
            workflow.description.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<[String; 4]> = workflows.iter().map(row).collect();
    output.table(["WORKFLOW", "STATE", "ACTIVITIES", "DESCRIPTION"], &rows);
}

fn problems(problems: &[Finding], output: Output) {
    for problem in problems {
        output.note(problem);
    }
}
