//! A long-running daemon: from its configuration to its end.
//!
//! Start: open the store, take back what an earlier life left, listen, then work. End: claim no more and finish what
//! runs for as long as [`DRAIN`]; what runs longer is stopped and goes on at the next start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::catalog::WorkflowFolder;
use super::scheduler::Shutdown;
use super::{Host, live::Live, reaper, scheduler};
use crate::config::{Config, ConfigError, EventsConfig, ObjectsConfig, SqsConfig};
use crate::intake::{Catalog, Intake, sqs};
use crate::model::{Clock, RandomIds, SystemClock};
use crate::notify::{self, SqsSender};
use crate::objects::aws::AwsOptions;
use crate::objects::endpoint::{self, KeyPair};
use crate::objects::local::{Layout, LocalBuckets};
use crate::objects::s3::S3Buckets;
use crate::objects::{ObjectError, SharedObjects};
use crate::store::sqlite::SqliteStore;
use crate::store::{SharedStore, StoreError};
use crate::worker::WorkerError;
use crate::worker::pool::{Capabilities, Pool};
use crate::worker::scratch::ScratchRoot;
use crate::workflow::Evaluator;

/// How long running jobs may go on after the daemon was asked to end.
const DRAIN: Duration = Duration::from_secs(20);
/// How long stopped jobs and open requests then have to end.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// Why a daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Object storage.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Workers.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// An address.
    #[error("CLI0011: cannot listen on {address} for the {what}")]
    Listen {
        /// What for.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder of workflows.
    #[error("CLI0005: cannot read the workflows in {path}")]
    Workflows {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A daemon that listens, and has not begun to work.
pub struct Daemon {
    host: Arc<Host>,
    catalog: Arc<WorkflowFolder>,
    api: TcpListener,
    s3: Option<S3Endpoint>,
    events: Vec<SqsConfig>,
    /// What the installed libav can do.
    pub capabilities: Capabilities,
    /// Jobs taken back from an earlier life.
    pub reclaimed: u32,
}

struct S3Endpoint {
    listener: TcpListener,
    buckets: LocalBuckets,
    keys: KeyPair,
    /// Whether the key pair was made just now.
    new_keys: bool,
}

impl Daemon {
    /// Opens and binds everything that `config` names.
    pub async fn start(config: &Config, worker: PathBuf, key_file: &Path) -> Result<Self, ServeError> {
        config.check()?;
        let database = config.sqlite_path()?;
        if let Some(folder) = database.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| StoreError::Open { path: database.display().to_string(), source: source.into() })?;
        }
        let store: SharedStore = Arc::new(SqliteStore::open(&database, Arc::new(Evaluator))?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let catalog = WorkflowFolder::open(&config.workflows)
            .map_err(|source| ServeError::Workflows { path: config.workflows.clone(), source })?;
        let (objects, s3) = open_objects(config, &catalog, &clock, key_file).await?;
        let pool = Pool::new(worker, config.worker.slot_count());
        let capabilities = pool.warm_up().await?;
        let scratch = ScratchRoot::open(&config.worker.scratch)?;
        let api = listen(config.api.listen, "API").await?;
        let reclaimed = store.reclaim_all(clock.now()).await?;
        let events = config.events.iter().map(|EventsConfig::Sqs(sqs)| sqs.clone()).collect();
        let host = Host {
            name: format!("{}-{}", hostname(), std::process::id()),
            store,
            objects,
            pool,
            scratch,
            clock,
            live: Live::default(),
            slots: config.worker.slot_count(),
            threads: 0,
            stall: config.worker.stall,
            grace: config.worker.grace,
        };
        let catalog = Arc::new(catalog);
        Ok(Self { host: Arc::new(host), catalog, api, s3, events, capabilities, reclaimed })
    }

    /// What its loops share.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Its workflows.
    #[must_use]
    pub fn catalog(&self) -> &Arc<WorkflowFolder> {
        &self.catalog
    }

    /// Where the API listens.
    #[must_use]
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.local_addr().ok()
    }

    /// Where the S3 endpoint listens, where there is one.
    #[must_use]
    pub fn s3_address(&self) -> Option<SocketAddr> {
        self.s3.as_ref()?.listener.local_addr().ok()
    }

    /// The key pair of the S3 endpoint, where it was made just now.
    #[must_use]
    pub fn new_keys(&self) -> Option<&KeyPair> {
        self.s3.as_ref().filter(|s3| s3.new_keys).map(|s3| &s3.keys)
    }

    /// Works until `end`, then drains; `now` cuts the drain short. `api` is given the listener of the API.
    pub async fn work<F>(
        self,
        api: impl FnOnce(TcpListener, Arc<Host>, CancellationToken) -> F,
        end: CancellationToken,
        now: CancellationToken,
    ) where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let Self { host, catalog, api: listener, s3, events, .. } = self;
        let intake = Intake {
            store: Arc::clone(&host.store),
            catalog: Arc::clone(&catalog) as Arc<dyn Catalog>,
            objects: Arc::clone(&host.objects),
            ids: Arc::new(RandomIds),
            clock: Arc::clone(&host.clock),
        };
        let shutdown = Shutdown { soft: end.clone(), hard: CancellationToken::new() };
        let mut loops = JoinSet::new();
        loops.spawn(reaper::run(Arc::clone(&host), shutdown.hard.clone()));
        loops.spawn(Arc::clone(&catalog).watch(end.clone()));
        let sender = Arc::new(SqsSender::default());
        loops.spawn(notify::run(Arc::clone(&host.store), Arc::clone(&host.clock), sender, shutdown.hard.clone()));
        let api = api(listener, Arc::clone(&host), end.clone());
        loops.spawn(async move {
            if let Err(error) = api.await {
                tracing::error!(%error, "the API ended");
            }
        });
        if let Some(s3) = s3 {
            s3.buckets.announce_to(Arc::new(intake.clone()));
            let stop = end.clone();
            loops.spawn(async move { endpoint::serve(s3.listener, s3.buckets, &s3.keys, stop).await });
        }
        for queue in events {
            let settings = sqs::Settings {
                queue_url: queue.queue,
                wait: queue.wait,
                options: AwsOptions { region: queue.region, endpoint: queue.endpoint, credentials: None },
            };
            let intake = intake.clone();
            let stop = end.clone();
            loops.spawn(async move { sqs::Consumer::new(settings, intake).await.run(stop).await });
        }
        let scheduler = tokio::spawn(scheduler::run(Arc::clone(&host), shutdown.clone()));
        let mut scheduler = std::pin::pin!(scheduler);
        end.cancelled().await;
        tokio::select! {
            _ = &mut scheduler => {}
            () = now.cancelled() => {}
            () = tokio::time::sleep(DRAIN) => {}
        }
        shutdown.hard.cancel();
        // Everything is at least once, so what does not end in time is dropped and done again.
        let rest = async {
            if !scheduler.is_finished() {
                let _ = scheduler.await;
            }
            while loops.join_next().await.is_some() {}
        };
        if tokio::time::timeout(LAST_WORDS, rest).await.is_err() {
            tracing::warn!("the end was not awaited; the next start goes on from what is written down");
        }
    }
}

/// Object storage as configured; local storage with its endpoint, where that is wanted, and the buckets that the
/// workflows name.
async fn open_objects(
    config: &Config,
    catalog: &WorkflowFolder,
    clock: &Arc<dyn Clock>,
    key_file: &Path,
) -> Result<(SharedObjects, Option<S3Endpoint>), ServeError> {
    let root = match &config.objects {
        ObjectsConfig::Local(root) => root.clone(),
        ObjectsConfig::S3(s3) => {
            let options = AwsOptions { region: s3.region.clone(), endpoint: s3.endpoint.clone(), credentials: None };
            return Ok((Arc::new(S3Buckets::new(&options, s3.path_style).await), None));
        }
    };
    let buckets = LocalBuckets::open(Layout { root, ..Layout::default() }, Arc::clone(clock))?;
    for workflow in catalog.active().iter() {
        for bucket in workflow.buckets() {
            buckets.create_bucket(bucket).await?;
        }
    }
    let endpoint = match config.s3_endpoint {
        Some(address) => {
            let (keys, new_keys) = KeyPair::load_or_create(key_file)?;
            Some(S3Endpoint {
                listener: listen(address, "S3 endpoint").await?,
                buckets: buckets.clone(),
                keys,
                new_keys,
            })
        }
        None => None,
    };
    Ok((Arc::new(buckets), endpoint))
}

async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { what, address, source })
}

/// This machine's name, for leases and logs.
fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
