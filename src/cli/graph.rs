//! `reelmill graph`: the activities of a workflow as a graph.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::output::Output;
use super::{CliError, Exit, validate};
use crate::workflow::graph::{dot, mermaid, svg};

/// Print the activities of a workflow as a graph.
#[derive(Debug, Args)]
pub(super) struct GraphArgs {
    /// Workflow file, or the name of a workflow in ./workflows
    workflow: PathBuf,
    /// Format of the graph
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum GraphFormat {
    #[default]
    Mermaid,
    Dot,
    Svg,
}

pub(super) fn graph(args: &GraphArgs, output: Output) -> Result<Exit, CliError> {
    let workflow = validate::load(&validate::find(&args.workflow)?, None, output)?;
    let (name, drawing) = match args.format {
        GraphFormat::Mermaid => ("mermaid", mermaid(&workflow.plan)),
        GraphFormat::Dot => ("dot", dot(&workflow.plan)),
        GraphFormat::Svg => ("svg", svg(&workflow.plan)),
    };
    if output.json {
        output.json_line(&json!({ "type": "graph", "workflow": workflow.name, "format": name, "graph": drawing }));
    } else {
        output.block(drawing.trim_end());
    }
    Ok(Exit::Done)
}
