//! `reelmill schema` and `reelmill openapi`: schemas for editors and programs.

use clap::{Args, ValueEnum};

use super::output::Output;
use super::{CliError, Exit};
use crate::config::Config;
use crate::model::media::MediaInfo;
use crate::notify::CloudEvent;

/// Print the JSON Schema of a file or document, for editors and programs.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// File or document
    #[arg(value_enum, default_value_t)]
    of: SchemaOf,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SchemaOf {
    /// Workflow file
    #[default]
    Workflow,
    /// Template file
    Template,
    /// Configuration file
    Config,
    /// Notification that a receiver gets
    Notification,
    /// Result of an analysis
    MediaInfo,
}

pub(super) fn schema(args: &SchemaArgs, output: Output) -> Result<Exit, CliError> {
    let schema = match args.of {
        SchemaOf::Workflow => crate::workflow::schema(),
        SchemaOf::Template => crate::template::schema(),
        SchemaOf::Config => schemars::schema_for!(Config),
        SchemaOf::Notification => schemars::schema_for!(CloudEvent),
        SchemaOf::MediaInfo => schemars::schema_for!(MediaInfo),
    };
    print(&schema, output)
}

/// Runs `reelmill openapi`.
pub(super) fn openapi(output: Output) -> Result<Exit, CliError> {
    print(&crate::api::openapi::document(), output)
}

fn print(schema: &impl serde::Serialize, output: Output) -> Result<Exit, CliError> {
    let text = serde_json::to_string_pretty(schema)
        .map_err(|error| CliError::new(Exit::Failed, "CLI0001", format!("the schema cannot be printed: {error}")))?;
    output.block(text);
    Ok(Exit::Done)
}
