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

/// Run the daemon: events in, finished media out.
///
/// Without a configuration it is embedded: SQLite, local buckets with an S3 endpoint, and the API, all on this machine.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Configuration file
    #[arg(long, env = "REELMILL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder: store, buckets, scratch, credentials of the S3 endpoint
    #[arg(long, default_value = "reelmill-data", value_name = "DIR")]
    data: PathBuf,
    /// Folder of workflow files
    #[arg(long, value_name = "DIR")]
    workflows: Option<PathBuf>,
    /// Address of the API (port 0: any free one)
    #[arg(long, value_name = "ADDRESS")]
    api: Option<SocketAddr>,
    /// Address of the embedded S3 endpoint (port 0: any free one)
    #[arg(long, value_name = "ADDRESS")]
    s3_endpoint: Option<SocketAddr>,
    /// Jobs at once
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    slots: Option<u16>,
}

/// Where a running daemon is; kept in its data folder for the commands beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Running {
    /// Address of the API.
    pub(super) api: String,
    /// Address of the S3 endpoint.
    pub(super) s3_endpoint: Option<String>,
    /// Process.
    pub(super) pid: u32,
}

impl Running {
    /// The file in data folder `data`.
    pub(super) fn file(data: &Path) -> PathBuf {
        data.join("daemon.json")
    }

    /// What the daemon over data folder `data` left there, where one runs.
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

/// Tokens of the first signal to end (drain) and of the second (now).
fn signals() -> Result<(CancellationToken, CancellationToken), CliError> {
    let mut signals = local::Signals::catch()?;
    let (end, now) = (CancellationToken::new(), CancellationToken::new());
    let tokens = [(end.clone(), false), (now.clone(), true)];
    tokio::spawn(async move {
        for (token, at_once) in tokens {
            signals.next().await;
            tracing::info!(at_once, "asked to end");
            token.cancel();
        }
    });
    Ok((end, now))
}

/// Says where everything is, to people and to the commands beside it.
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
        tracing::info!(jobs = daemon.reclaimed, "jobs of an earlier life go on");
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
            output.line(format_args!("  secret key {}  (printed this once)", keys.secret_access_key));
        }
        output.line(format_args!("  keys are in {}", local::key_file(data).display()));
    }
    output.line(format_args!("libavcodec   {}", daemon.capabilities.libavcodec));
    let catalog = daemon.catalog();
    if catalog.definitions().is_empty() {
        let folder = catalog.folder();
        output.line(format_args!("Workflows    none yet in {}: uploads start nothing", folder.display()));
        output.line("  write one to start from with `reelmill init`, or in the console");
    }
    Ok(())
}
