//! `reelmill init`: writes a first workflow.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{CliError, Exit};
use crate::objects::local::check_new_bucket;
use crate::workflow::{STARTER, starter};

/// Write a first workflow file, `starter.yaml`, to edit.
///
/// The workflow makes MP4s, HLS and a poster of each uploaded video. An existing file is never replaced.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Folder to write the workflow file to
    #[arg(long, default_value = "workflows", value_name = "DIR")]
    workflows: PathBuf,
    /// Bucket that videos are uploaded to
    #[arg(long, default_value = "uploads")]
    bucket: String,
    /// Bucket that outputs are published to
    #[arg(long, default_value = "media")]
    output: String,
}

pub(super) fn init(args: &InitArgs, output: Output) -> Result<Exit, CliError> {
    for bucket in [&args.bucket, &args.output] {
        check_new_bucket(bucket).map_err(|error| CliError::usage(error.to_string()))?;
    }
    let path = args.workflows.join(format!("{STARTER}.yaml"));
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let message = format!("{} already exists and was not changed", path.display());
            CliError::new(Exit::Failed, "CLI0031", message)
        }
        _ => CliError::new(Exit::Storage, "CLI0005", format!("cannot write {}: {error}", path.display())),
    };
    std::fs::create_dir_all(&args.workflows).map_err(failed)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
    file.write_all(starter(&args.bucket, &args.output).as_bytes()).map_err(failed)?;
    if output.json {
        output.json_line(&json!({ "type": "workflow", "name": STARTER, "path": path }));
        return Ok(Exit::Done);
    }
    output.line(format_args!("wrote {}", path.display()));
    output.line("next: reelmill serve");
    output.line(format_args!("then: reelmill put FILE s3://{}/incoming/", args.bucket));
    Ok(Exit::Done)
}
