//! `reelmill init`: a workflow to start from.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{CliError, Exit};
use crate::objects::local::check_new_bucket;
use crate::workflow::{STARTER, starter};

/// Write a workflow to start from.
///
/// It makes MP4s, HLS and a poster of every video that is uploaded. A file that is there is never replaced.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Folder of workflow files
    #[arg(long, default_value = "workflows", value_name = "DIR")]
    workflows: PathBuf,
    /// Bucket of the uploads
    #[arg(long, default_value = "uploads")]
    bucket: String,
    /// Bucket of what is made
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
            let message = format!("{} is there already and was left as it is", path.display());
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
