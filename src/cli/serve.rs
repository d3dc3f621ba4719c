//! `reelmill serve`: the daemon.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::output::Output;
use super::{CliError, Exit, local};
use crate::api::{self, auth::Tokens};
use crate::config::{Config, ConfigError};
use crate::console;
use crate::daemon::serve::{Daemon, Served};
use crate::telemetry::{self, metrics::PrometheusHandle};

/// Run the daemon: it starts workflows on uploads and serves the API and the console.
///
/// Without a configuration file, everything is on this machine: a SQLite store, local buckets with an S3 endpoint, workers.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Configuration file
    #[arg(long, env = "REELMILL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder of the daemon: store, buckets, scratch files, credentials of the S3 endpoint
    #[arg(long, default_value = "reelmill-data", value_name = "DIR")]
    data: PathBuf,
    /// Folder of workflow files [default: that of the configuration, or `workflows`]
    #[arg(long, value_name = "DIR")]
    workflows: Option<PathBuf>,
    /// Address of the API and the console; port 0 takes a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    api: Option<SocketAddr>,
    /// Address of the S3 endpoint of local buckets; port 0 takes a free port [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS")]
    s3_endpoint: Option<SocketAddr>,
    /// Most jobs that run at once, 1 to 1024 [default: half the number of processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    slots: Option<u16>,
}

/// Addresses of a running daemon, kept in its data folder for other commands.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Running {
    /// Address of the API.
    pub(super) api: String,
    /// Address of the S3 endpoint.
    pub(super) s3_endpoint: Option<String>,
    /// Identifier of its process.
    pub(super) pid: u32,
}

impl Running {
    /// Returns the path of the file in data folder `data`.
    pub(super) fn file(data: &Path) -> PathBuf {
        data.join("daemon.json")
    }

    /// Reads the addresses of the daemon in data folder `data`; `None` if none runs.
    pub(super) fn read(data: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::file(data)).ok()?).ok()
    }
}

pub(super) async fn serve(args: ServeArgs, output: Output) -> Result<Exit, CliError> {
    telemetry::start();
    let mut config = Config::load(args.config.as_deref(), Some(&args.data), std::env::vars())?;
    if let Some(workflows) = args.workflows {
        config.workflows = workflows;
    }
    if let Some(listen) = args.api {
        config.api.listen = listen;
    }
    if args.s3_endpoint.is_some() {
        config.s3_endpoint = args.s3_endpoint;
    }
    if args.slots.is_some() {
        config.worker.slots = args.slots.map(usize::from);
    }
    let worker = local::worker_program(config.worker.program.as_deref())?;
    let (end, now) = signals()?;
    std::fs::create_dir_all(&args.data).map_err(|error| {
        CliError::new(Exit::Storage, "CLI0005", format!("cannot make {}: {error}", args.data.display()))
    })?;
    let daemon = Daemon::start(&config, worker, &args.data, &local::key_file(&args.data)).await?;
    introduce(&daemon, &args.data, output)?;
    let metrics = telemetry::metrics::install();
    if let Some(handle) = &metrics {
        tokio::spawn(telemetry::metrics::upkeep(handle.clone()));
    }
    let tokens = config.api.tokens.iter().map(|token| Ok((token.scope, token.digest()?)));
    let tokens = Tokens::new(tokens.collect::<Result<_, ConfigError>>()?);
    let worked =
        daemon.work(|listener, served, stop| listen(listener, served, (metrics, tokens), stop), end, now).await;
    let _ = std::fs::remove_file(Running::file(&args.data));
    worked?;
    Ok(Exit::Done)
}

async fn listen(
    listener: TcpListener,
    Served { host, intake, catalog }: Served,
    (metrics, tokens): (Option<PrometheusHandle>, Tokens),
    stop: CancellationToken,
) {
    let context = api::Context {
        intake,
        catalog,
        admission: host.admission.clone(),
        metrics,
        tokens,
        store: std::sync::Arc::clone(&host.store),
        live: host.live.clone(),
        scratch: host.scratch.clone(),
        clock: std::sync::Arc::clone(&host.clock),
    };
    let routes = api::router(context.clone()).merge(console::router(context));
    api::serve(listener, routes, stop).await;
}

/// Returns the tokens that the first signal (drain) and the second (stop at once) cancel.
fn signals() -> Result<(CancellationToken, CancellationToken), CliError> {
    let mut signals = local::Signals::catch()?;
    let (end, now) = (CancellationToken::new(), CancellationToken::new());
    let tokens = [(end.clone(), false), (now.clone(), true)];
    tokio::spawn(async move {
        for (token, at_once) in tokens {
            signals.next().await;
            tracing::info!(at_once, "received a signal to shut down");
            token.cancel();
        }
    });
    Ok((end, now))
}

/// Prints the addresses of the daemon, and writes them down for other commands.
fn introduce(daemon: &Daemon, data: &Path, output: Output) -> Result<(), CliError> {
    let api = daemon.api_address().map(|address| format!("http://{address}")).unwrap_or_default();
    let endpoint = daemon.s3_address().map(|address| format!("http://{address}"));
    let running = Running { api: api.clone(), s3_endpoint: endpoint.clone(), pid: std::process::id() };
    let file = Running::file(data);
    std::fs::write(&file, serde_json::to_vec_pretty(&running).unwrap_or_default()).map_err(|error| {
        CliError::new(Exit::Storage, "CLI0005", format!("cannot write {}: {error}", file.display()))
    })?;
    daemon.catalog().tell();
    if daemon.reclaimed > 0 {
        tracing::info!(jobs = daemon.reclaimed, "requeued jobs of an earlier process");
    }
    if output.json {
        output.json_line(&json!({
            "type": "ready",
            "api": api,
            "s3_endpoint": endpoint,
            "data": data,
            "pid": running.pid,
            "libavcodec": daemon.capabilities.libavcodec,
            "encoders": daemon.capabilities.encoders,
            "reclaimed": daemon.reclaimed,
        }));
        return Ok(());
    }
    output.line(format_args!("Console      {api}/"));
    output.line(format_args!("API          {api}/v1"));
    if let Some(endpoint) = endpoint {
        output.line(format_args!("S3 endpoint  {endpoint}"));
        if let Some(keys) = daemon.new_keys() {
            output.line(format_args!("  access key {}", keys.access_key_id));
            output.line(format_args!("  secret key {}  (shown only this once)", keys.secret_access_key));
        }
        output.line(format_args!("  keys saved in {}", local::key_file(data).display()));
    }
    output.line(format_args!("libavcodec   {}", daemon.capabilities.libavcodec));
    let catalog = daemon.catalog();
    if catalog.definitions().is_empty() {
        let folder = catalog.folder();
        output.line(format_args!("Workflows    none in {}: uploads start nothing", folder.display()));
        output.line("  write a first one with `reelmill init`, or in the console");
    }
    Ok(())
}
