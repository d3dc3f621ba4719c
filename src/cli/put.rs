//! `reelmill put`: upload a file.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{CliError, Exit, local};

/// Upload a file to a bucket.
///
/// To the embedded endpoint of the daemon whose data folder is DIR. With --aws, or where no daemon runs there and
/// AWS_ENDPOINT_URL is set, to the S3 that the AWS environment (AWS_ENDPOINT_URL, AWS_PROFILE, …) leads to.
#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// The file
    file: PathBuf,
    /// Where to: s3://bucket/key; a key that ends in / gets the file's name
    to: String,
    /// Data folder of an embedded daemon
    #[arg(long, default_value = "reelmill-data", value_name = "DIR")]
    data: PathBuf,
    /// Upload to the S3 of the AWS environment
    #[arg(long)]
    aws: bool,
}

pub(super) async fn put(args: PutArgs, output: Output) -> Result<Exit, CliError> {
    let metadata = std::fs::metadata(&args.file).map_err(|error| CliError::file(&args.file, &error))?;
    if !metadata.is_file() {
        return Err(CliError::usage(format!("{} is not a file", args.file.display())));
    }
    let to = if args.to.ends_with('/') {
        let name = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{}{name}", args.to)
    } else {
        args.to.clone()
    };
    let location = local::parse_location(&to)
        .unwrap_or_else(|| Err(CliError::usage(format!("`{to}` is not an object: write s3://bucket/key"))))?;
    let embedded = if args.aws { None } else { local::embedded(&args.data).await? };
    let objects = match embedded {
        Some(objects) => {
            objects.ensure_bucket(&location.bucket).await?;
            objects
        }
        None if args.aws || local::names_an_s3() => local::s3().await,
        None => {
            let message = format!(
                "no daemon runs over {}; start one with `reelmill serve`, name its folder with --data, or upload to AWS \
                 with --aws",
                args.data.display()
            );
            return Err(CliError::new(Exit::Storage, "CLI0008", message));
        }
    };
    let published = objects.publish(&location, &args.file, media_type(&args.file)).await?;
    if output.json {
        output.json_line(&json!({
            "type": "object",
            "bucket": location.bucket,
            "key": location.key,
            "size_bytes": published.size_bytes,
            "etag": published.etag,
        }));
    } else {
        output.line(format_args!("{location}  {} bytes", published.size_bytes));
    }
    Ok(Exit::Done)
}

/// Media type by extension: what players and browsers need most.
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
