//! `reelmill get`: the outputs of an execution, as files.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::executions::LIST;
use super::named::Named;
use super::output::Output;
use super::serve::Running;
use super::{CliError, DaemonArgs, Exit, local};
use crate::api::view::{ExecutionView, OutputView};
use crate::model::{ExecutionId, ObjectLocation};
use crate::objects::{Revision, SharedObjects};

/// Bytes read at once.
const CHUNK: u64 = 8 << 20;

/// Copy the outputs of an execution, or of a job, into a folder.
///
/// Outputs are written to DIR, each at the path of its key. If they are in several buckets, each bucket is a folder in DIR.
/// Existing files are replaced. Outputs are read from the S3 endpoint of the daemon that runs in the data folder; with --aws,
/// or if no daemon runs there, from the S3 of the AWS environment.
#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// Identifier of the execution, its first characters (at least 4), or @last for the newest
    execution: Named<ExecutionId>,
    /// Folder for the files
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Data folder of the daemon to read from
    #[arg(long, default_value = "reelmill-data", value_name = "DIR")]
    data: PathBuf,
    /// Read from the S3 of the AWS environment, even if a daemon runs in the data folder
    #[arg(long)]
    aws: bool,
    /// Address of the API of a daemon on another machine
    #[arg(long, env = "REELMILL_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Access token for the daemon's API
    #[arg(long, env = "REELMILL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

pub(super) async fn get(args: GetArgs, output: Output) -> Result<Exit, CliError> {
    let embedded = if args.aws { None } else { local::embedded(&args.data).await? };
    let here = embedded.as_ref().and_then(|_| Running::read(&args.data));
    let url = here.map_or(args.url, |running| running.api);
    let client = Client::new(&DaemonArgs { url, token: args.token })?;
    let execution = args.execution.find(&client, LIST).await?;
    let view: ExecutionView = client.get(&format!("{LIST}/{execution}"), &[]).await?;
    let outputs: Vec<&OutputView> = view.activities.values().flat_map(|activity| &activity.outputs).collect();
    if outputs.is_empty() {
        let message = format!("execution {execution} has published nothing; it is {}", view.state);
        return Err(CliError::new(Exit::NotFound, "CLI0034", message));
    }
    let objects = match embedded {
        Some(objects) => objects,
        None => local::s3().await,
    };
    let buckets: BTreeSet<&str> = outputs.iter().map(|made| made.bucket.as_str()).collect();
    for made in outputs {
        let folder = if buckets.len() > 1 { args.dir.join(&made.bucket) } else { args.dir.clone() };
        let path = below(&folder, &made.key)?;
        let location = ObjectLocation { bucket: made.bucket.clone(), key: made.key.clone() };
        copy(&objects, &location, &path).await?;
        if output.json {
            let ObjectLocation { bucket, key } = &location;
            output.json_line(&json!({
                "type": "file", "bucket": bucket, "key": key, "path": path, "size_bytes": made.size_bytes,
            }));
        } else {
            output.line(format_args!("{}  {} bytes", path.display(), made.size_bytes));
        }
    }
    Ok(Exit::Done)
}

/// The file of a key below a folder, which it never leaves.
fn below(folder: &Path, key: &str) -> Result<PathBuf, CliError> {
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) || key.contains(['\\', '\0']) {
        return Err(CliError::usage(format!("key `{key}` cannot be the name of a file")));
    }
    Ok(folder.join(key))
}

/// Copies an object into a file, which is there once it is whole.
async fn copy(objects: &SharedObjects, object: &ObjectLocation, path: &Path) -> Result<(), CliError> {
    let cannot = |error: std::io::Error| {
        CliError::new(Exit::Storage, "CLI0005", format!("cannot write {}: {error}", path.display()))
    };
    let head = objects.head(object, Revision::LATEST).await?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = std::fs::File::create(&part).map_err(cannot)?;
    let revision = Revision { version: None, etag: Some(&head.etag) };
    let mut start = 0;
    while start < head.size_bytes {
        let bytes = objects.read(object, revision, start..(start + CHUNK).min(head.size_bytes)).await?;
        if bytes.is_empty() {
            let message = format!("{object} ended after {start} of {} bytes", head.size_bytes);
            return Err(CliError::new(Exit::Storage, "OBJ0001", message));
        }
        file.write_all(&bytes).map_err(cannot)?;
        start += bytes.len() as u64;
    }
    std::fs::rename(&part, path).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomer_no_key_leads_out_of_the_folder() {
        assert_eq!(below(Path::new("out"), "a/b.mp4").ok(), Some(PathBuf::from("out/a/b.mp4")));
        for key in ["../a", "a/../../b", "/etc/passwd", "a//b", ".", "a\\b", ""] {
            assert!(below(Path::new("out"), key).is_err(), "{key}");
        }
    }
}
