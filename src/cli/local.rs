//! What commands without a daemon share: the worker program, and object storage by address.

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

/// The worker program: named, or beside this one.
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
        format!("there is no worker program at {}; both programs belong into one folder", program.display()),
    ))
}

/// A pool of `size` workers, the first of which has been started to see that it can be done and what it can do.
pub(super) async fn pool(worker: &WorkerArgs, size: usize) -> Result<(Pool, Capabilities), CliError> {
    let pool = Pool::new(worker_program(worker.worker.as_deref())?, size);
    let capabilities = pool.warm_up().await?;
    Ok((pool, capabilities))
}

/// `s3://bucket/key` → its parts.
pub(super) fn parse_location(text: &str) -> Option<Result<ObjectLocation, CliError>> {
    let rest = text.strip_prefix("s3://")?;
    Some(match rest.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
            Ok(ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() })
        }
        _ => Err(CliError::usage(format!("`{text}` is not an object: write s3://bucket/key"))),
    })
}

/// Whether the environment names an S3 of one's own.
pub(super) fn names_an_s3() -> bool {
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| std::env::var_os(name).is_some())
}

/// The S3 that the AWS SDK's own chain leads to.
pub(super) async fn s3() -> SharedObjects {
    // An endpoint of one's own has no host name per bucket.
    Arc::new(S3Buckets::new(&AwsOptions::default(), names_an_s3()).await)
}

/// Where the key pair of the S3 endpoint is kept, in data folder `data`.
pub(super) fn key_file(data: &Path) -> PathBuf {
    data.join("s3-credentials.json")
}

/// The S3 endpoint of the daemon that runs over data folder `data`, where there is one.
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

/// The signals that ask a program to end, Ctrl-C and SIGTERM: caught from when this is made, so that what it leaves behind
/// is removed.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(super) fn catch() -> Result<Self, CliError> {
        let error = |error| CliError::new(Exit::Storage, "CLI0001", format!("cannot start: {error}"));
        let interrupt = signal(SignalKind::interrupt()).map_err(error)?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate()).map_err(error)? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What a signal to end leads to.
pub(super) fn interrupted() -> CliError {
    CliError::new(Exit::Interrupted, "CLI0010", "interrupted")
}

/// A folder of this process in the system's temporary folder; dropping it removes it.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes a folder that was not there, with a name that nobody can guess.
    pub(super) fn create(purpose: &str) -> Result<Self, CliError> {
        let path = std::env::temp_dir().join(format!("reelmill-{purpose}-{}", RandomIds.next(SystemClock.now())));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            CliError::new(Exit::Storage, "CLI0005", format!("cannot make {}: {error}", path.display()))
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
