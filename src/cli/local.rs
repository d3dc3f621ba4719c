//! Shared parts of commands without a daemon: the worker program, object storage, signals, temporary folders.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::serve::Running;
use super::{CliError, Exit, WorkerArgs};
use crate::model::{Capabilities, Clock, Ids, ObjectLocation, RandomIds, SystemClock};
use crate::objects::SharedObjects;
use crate::objects::aws::AwsOptions;
use crate::objects::endpoint::KeyPair;
use crate::objects::s3::S3Buckets;
use crate::worker::pool::Pool;

/// Returns the path of the worker program: the given one, or in the folder of this program.
pub(super) fn worker_program(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let program = match named {
        Some(program) => program.to_owned(),
        None => std::env::current_exe()
            .ok()
            .and_then(|this| Some(this.parent()?.join("reelmill-worker")))
            .unwrap_or_else(|| PathBuf::from("reelmill-worker")),
    };
    if program.is_file() {
        return Ok(program);
    }
    Err(CliError::new(
        Exit::Storage,
        "CLI0009",
        format!("no worker program at {}: install reelmill-worker in the same folder as reelmill", program.display()),
    ))
}

/// Makes a pool of `size` workers. Starts one, to check that this works and to get its capabilities.
pub(super) async fn pool(worker: &WorkerArgs, size: usize) -> Result<(Pool, Capabilities), CliError> {
    let pool = Pool::new(worker_program(worker.worker.as_deref())?, size);
    let capabilities = pool.warm_up().await?;
    Ok((pool, capabilities))
}

/// Parses `s3://bucket/key`; `None` if the text is not an s3:// URL.
pub(super) fn parse_location(text: &str) -> Option<Result<ObjectLocation, CliError>> {
    let rest = text.strip_prefix("s3://")?;
    Some(match rest.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            Ok(ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() })
        }
        _ => Err(CliError::usage(format!("`{text}` is not an object: write s3://bucket/key"))),
    })
}

/// Returns whether the environment sets the endpoint of an S3 service.
pub(super) fn names_an_s3() -> bool {
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| std::env::var_os(name).is_some())
}

/// Returns the S3 of the AWS environment.
pub(super) async fn s3() -> SharedObjects {
    // Custom endpoints usually have no host name per bucket.
    Arc::new(S3Buckets::new(&AwsOptions::default(), names_an_s3()).await)
}

/// Returns the path of the S3 endpoint's key pair in data folder `data`.
pub(super) fn key_file(data: &Path) -> PathBuf {
    data.join("s3-credentials.json")
}

/// Returns the S3 endpoint of the daemon in data folder `data`; `None` if none runs.
pub(super) async fn embedded(data: &Path) -> Result<Option<SharedObjects>, CliError> {
    let Some(endpoint) = Running::read(data).and_then(|running| running.s3_endpoint) else { return Ok(None) };
    let (keys, _) = KeyPair::load_or_create(&key_file(data))?;
    let options = AwsOptions {
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint),
        credentials: Some((keys.access_key_id, keys.secret_access_key)),
    };
    Ok(Some(Arc::new(S3Buckets::new(&options, true).await)))
}

/// Handler of the signals that end a program, Ctrl-C and SIGTERM, so that temporary files are removed.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Installs the handler.
    pub(super) fn catch() -> Result<Self, CliError> {
        let error = |error| CliError::new(Exit::Storage, "CLI0001", format!("cannot start: {error}"));
        let interrupt = signal(SignalKind::interrupt()).map_err(error)?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(error)? })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Returns the error of a command that a signal ended.
pub(super) fn interrupted() -> CliError {
    CliError::new(Exit::Interrupted, "CLI0010", "interrupted")
}

/// A temporary folder of this process, removed when it is dropped.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Creates a new folder with a random name.
    pub(super) fn create(purpose: &str) -> Result<Self, CliError> {
        let path = std::env::temp_dir().join(format!("reelmill-{purpose}-{}", RandomIds.next(SystemClock.now())));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            CliError::new(Exit::Storage, "CLI0005", format!("cannot create {}: {error}", path.display()))
        })?;
        Ok(Self(path))
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
