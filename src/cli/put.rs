//! `reelmill put`: uploads files, and prints which executions they started.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::output::Output;
use super::serve::Running;
use super::{CliError, DaemonArgs, Exit, events, local};
use crate::api::events::{EventList, EventView};
use crate::intake::EARLIER_VERSION;
use crate::model::ObjectLocation;
use crate::objects::SharedObjects;

/// Upload files to a bucket, and print which executions they started.
///
/// Uploads go to the S3 endpoint of the daemon that runs in data folder DIR. With --aws, or if no daemon runs there and
/// AWS_ENDPOINT_URL is set, they go to the S3 of the AWS environment (AWS_ENDPOINT_URL, AWS_PROFILE, …).
/// For a daemon on another machine, set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to its S3 endpoint and
/// keys, and --url to its API.
#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// Files to upload
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Destination: s3://bucket/key; after a key that ends in `/`, the name of each file is added
    to: String,
    /// Data folder of the daemon to upload to
    #[arg(long, default_value = "reelmill-data", value_name = "DIR")]
    data: PathBuf,
    /// Upload to the S3 of the AWS environment, even if a daemon runs in the data folder
    #[arg(long)]
    aws: bool,
    /// Address of the API of a daemon on another machine
    #[arg(long, env = "REELMILL_URL")]
    url: Option<String>,
    /// Access token for the daemon's API, which returns the executions that were started
    #[arg(long, env = "REELMILL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

pub(super) async fn put(args: PutArgs, output: Output) -> Result<Exit, CliError> {
    let uploads = args.files.iter().map(|file| Ok((file.as_path(), destination(file, &args)?)));
    let uploads: Vec<(&Path, ObjectLocation)> = uploads.collect::<Result<_, CliError>>()?;
    if let Some((file, location)) = uploads.iter().enumerate().find_map(|(at, (file, location))| {
        uploads[..at].iter().any(|(_, other)| other == location).then_some((file, location))
    }) {
        let message = format!("{} would overwrite another of these files: both go to {location}", file.display());
        return Err(CliError::usage(message));
    }
    let embedded = if args.aws { None } else { local::embedded(&args.data).await? };
    // The daemon whose endpoint receives the uploads also reports the executions that they start.
    let url = match embedded {
        Some(_) => Running::read(&args.data).map(|daemon| daemon.api),
        None => args.url.clone(),
    };
    let client = url.map(|url| Client::new(&DaemonArgs { url, token: args.token.clone() })).transpose()?;
    let makes_buckets = embedded.is_some();
    let objects = match embedded {
        Some(objects) => objects,
        None => elsewhere(&args).await?,
    };
    for (file, location) in &uploads {
        if makes_buckets {
            objects.ensure_bucket(&location.bucket).await?;
        }
        one(file, location, &objects, client.as_ref(), output).await?;
    }
    Ok(Exit::Done)
}

/// Returns the object that a file is uploaded to.
fn destination(file: &Path, args: &PutArgs) -> Result<ObjectLocation, CliError> {
    let metadata = std::fs::metadata(file).map_err(|error| CliError::file(file, &error))?;
    if !metadata.is_file() {
        return Err(CliError::usage(format!("{} is not a file", file.display())));
    }
    let to = if args.to.ends_with('/') {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{}{name}", args.to)
    } else if args.files.len() > 1 {
        let message =
            format!("cannot upload several files to one key: write `{}/`, and each file keeps its name", args.to);
        return Err(CliError::usage(message));
    } else {
        args.to.clone()
    };
    local::parse_location(&to)
        .unwrap_or_else(|| Err(CliError::usage(format!("`{to}` is not an object: write s3://bucket/key"))))
}

/// Returns the S3 of the AWS environment, if `--aws` or `AWS_ENDPOINT_URL` is set.
async fn elsewhere(args: &PutArgs) -> Result<SharedObjects, CliError> {
    if args.aws || local::names_an_s3() {
        return Ok(local::s3().await);
    }
    let message = format!(
        "no daemon runs in data folder {}; start one with `reelmill serve`, name its folder with --data, use --aws, or set \
         AWS_ENDPOINT_URL to the S3 endpoint of a daemon on another machine",
        args.data.display()
    );
    Err(CliError::new(Exit::Storage, "CLI0008", message))
}

/// Uploads one file. `client` is the daemon that receives the event of the upload, if it is known.
async fn one(
    file: &Path,
    location: &ObjectLocation,
    objects: &SharedObjects,
    client: Option<&Client>,
    output: Output,
) -> Result<(), CliError> {
    let published = objects.publish(location, file, media_type(file)).await?;
    // An embedded endpoint stores the event before it acknowledges the upload. If the daemon does not answer, the upload
    // still succeeded.
    let event = match client {
        Some(client) => events::of_object(client, location).await.ok(),
        None => None,
    };
    if output.json {
        let started = event.map(|list| list.items.into_iter().next().map(|event| event.executions).unwrap_or_default());
        output.json_line(&json!({
            "type": "object",
            "bucket": location.bucket,
            "key": location.key,
            "size_bytes": published.size_bytes,
            "etag": published.etag,
            "executions": started,
        }));
        return Ok(());
    }
    output.line(format_args!("{location}  {} bytes", published.size_bytes));
    if let (Some(client), Some(event)) = (client, event) {
        tell(&event, location, &published.etag, client, output).await;
    }
    Ok(())
}

/// Prints which executions an upload started, or why it started none.
async fn tell(events: &EventList, location: &ObjectLocation, etag: &str, client: &Client, output: Output) {
    // The newest event may be of an earlier upload: events of other storage come later.
    let is_of_it = |event: &&EventView| event.object.as_ref().is_some_and(|o| o.etag.as_deref() == Some(etag));
    let Some(EventView { executions, decisions, .. }) = events.items.first().filter(is_of_it) else {
        match events::unwatched(client, &location.bucket).await {
            Some(why) => output.line(format_args!("  started nothing: {why}")),
            None => output.line(format_args!("  no event yet; ask later with `reelmill events explain {location}`")),
        }
        return;
    };
    let started = decisions.iter().filter(|decision| decision.matched).zip(executions);
    for (decision, execution) in started {
        let earlier = if decision.reason.ends_with(EARLIER_VERSION) { EARLIER_VERSION } else { "" };
        output.line(format!("  started {}: {execution} {earlier}", decision.workflow).trim_end());
        output.line(format_args!("  console {}", client.page(execution)));
    }
    if executions.is_empty() {
        output.line("  started nothing:");
        for decision in decisions {
            output.line(format_args!("    {}: {}", decision.workflow, decision.reason));
        }
    }
}

/// Returns the media type for the extension of a file.
fn media_type(file: &Path) -> &'static str {
    let ext = file.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match ext.as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "mkv" => "video/x-matroska",
        "webm" => "video/webm",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        _ => "application/octet-stream",
    }
}
