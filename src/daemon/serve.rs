//! A long-running daemon: from its configuration to its end.
//!
//! Start: open the store, lock the folders, listen, requeue jobs of an earlier run, then work. End: claim no more
//! jobs and let running ones finish for as long as `worker.drain` allows; those that take longer are stopped and handed
//! back.
//!
//! **Invariant**: requests are answered until no job runs any more. What is submitted or uploaded during a drain is in
//! the store, and waits there for the next start.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::catalog::WorkflowFolder;
use super::scheduler::{Shutdown, pause};
use super::settings::Settings;
use super::{Host, InputCache, live::Live, reaper, retention, scheduler, trace};
use crate::config::{
    Config, ConfigError, EventsConfig, NotificationsConfig, NotifyConfig, ObjectsConfig, QueueConfig, RetentionConfig,
    SqsConfig, StoreTarget,
};
use crate::intake::backlog::Backlog;
use crate::intake::{Catalog, Intake, sqs};
use crate::lock::{FolderLocks, LockError};
use crate::model::{Capabilities, Clock, Code, Coded, RandomIds, SystemClock};
use crate::notify::{self, DeliveryPolicy, Senders, SnsSender, SqsSender, WebhookOptions, WebhookSender};
use crate::objects::aws::AwsOptions;
use crate::objects::endpoint::{self, EndpointOptions, KeyPair};
use crate::objects::local::{Layout, LocalBuckets};
use crate::objects::s3::S3Buckets;
use crate::objects::{ObjectError, SharedObjects, proxy};
use crate::store::postgres::{ClockSource, PostgresStore};
use crate::store::sqlite::SqliteStore;
use crate::store::{Claimant, QueueChange, Retention, SharedStore, StoreError};
use crate::telemetry::traces::{self, Exporter};
use crate::worker::WorkerError;
use crate::worker::admission::{Admission, Need};
use crate::worker::pool::Pool;
use crate::worker::scratch::ScratchRoot;
use crate::workflow::Evaluator;

/// File of the data folder that keeps the last good workflows.
const KEPT_WORKFLOWS: &str = "workflows.json";
/// Interval of checking the workflow folder.
const LOOK: Duration = Duration::from_secs(1);
/// Longest time of a check before the folder counts as unavailable.
const HUNG: Duration = Duration::from_secs(10);
/// Time for stopped jobs and open requests to end after the drain.
const LAST_WORDS: Duration = Duration::from_secs(15);
/// Part of that time that is reserved for open requests, however long jobs take to stop.
const CLOSING: Duration = Duration::from_secs(3);

/// Parts of the daemon that the API uses.
pub struct Served {
    /// Context that the loops of the daemon share.
    pub host: Arc<Host>,
    /// Intake, which starts executions.
    pub intake: Intake,
    /// The workflows.
    pub catalog: Arc<WorkflowFolder>,
}

/// Error of starting or running a daemon.
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
    /// A folder.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// An address.
    #[error("cannot listen on {address} for the {what}")]
    Listen {
        /// Purpose of the address.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A part of it.
    #[error("the {part} ended unexpectedly; nothing is lost, start the daemon again")]
    Ended {
        /// The part.
        part: &'static str,
    },
    /// The workflow folder.
    #[error("cannot read the workflows in {path}")]
    Workflows {
        /// The folder.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

impl Coded for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Config(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Objects(error) => error.code(),
            Self::Worker(error) => error.code(),
            Self::Locked(error) => error.code(),
            Self::Listen { .. } => Code::new("CLI0011"),
            Self::Ended { .. } => Code::new("CLI0012"),
            Self::Workflows { .. } => Code::new("CLI0005"),
        }
    }
}

/// A daemon that listens, and has not begun to work.
pub struct Daemon {
    host: Arc<Host>,
    catalog: Arc<WorkflowFolder>,
    api: TcpListener,
    backlog: Backlog,
    /// Local buckets, where objects are files of this machine.
    local: Option<LocalBuckets>,
    retention: Retention,
    webhooks: WebhookOptions,
    settings: Settings,
    traces: Option<Exporter>,
    patience: DeliveryPolicy,
    drain: Duration,
    s3: Option<S3Endpoint>,
    events: Vec<SqsConfig>,
    /// Capabilities of the installed libav.
    pub capabilities: Capabilities,
    /// Number of jobs of an earlier run that were requeued.
    pub reclaimed: u32,
    locks: FolderLocks,
}

struct S3Endpoint {
    listener: TcpListener,
    options: EndpointOptions,
    keys: KeyPair,
    /// True if the key pair was created at this start.
    new_keys: bool,
}

impl Daemon {
    /// Opens and binds everything that `config` names.
    pub async fn start(config: &Config, worker: PathBuf, data: &Path, key_file: &Path) -> Result<Self, ServeError> {
        config.check()?;
        // A store of one daemon is locked by being opened.
        let store = open_store(&config.store_target()?).await?;
        let locks = lock(config, data)?;
        // Before anything is swept or taken back: a daemon that cannot listen has changed nothing.
        let api = listen(config.api.listen, "API").await?;
        let s3 = match (&config.objects, config.s3_endpoint) {
            (ObjectsConfig::Local(_), Some(address)) => Some(listen(address, "S3 endpoint").await?),
            _ => None,
        };
        for (queue, &QueueConfig { concurrency, .. }) in &config.queues {
            store.set_queue(queue, QueueChange { concurrency, paused: None }).await?;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pool = Pool::new(worker, config.worker.slot_count());
        let capabilities = pool.warm_up().await?;
        let receivers = config.queues.iter().map(|(name, queue)| {
            let targets = queue.notify.iter().map(NotifyConfig::target).collect::<Result<Vec<_>, _>>()?;
            Ok((name.clone(), targets))
        });
        let receivers = receivers.collect::<Result<_, ConfigError>>()?;
        let kept = data.join(KEPT_WORKFLOWS);
        let catalog =
            WorkflowFolder::with_receivers(&config.workflows, Some(capabilities.clone()), receivers, Some(kept))
                .map_err(|source| ServeError::Workflows { path: config.workflows.clone(), source })?;
        let (objects, local) = open_objects(config, &clock).await?;
        if let Some(local) = &local {
            make_buckets(local, &catalog).await?;
        }
        let scratch = ScratchRoot::open(&config.worker.scratch)?;
        let reclaimed = store.reclaim_all(clock.now()).await?;
        let events = config.events.iter().map(|EventsConfig::Sqs(sqs)| sqs.clone()).collect();
        // Last: a new key pair is shown once, by a daemon that has started.
        let s3 = s3.map(|listener| S3Endpoint::open(listener, config.endpoint_options(), key_file)).transpose()?;
        let host = Host {
            claimant: Claimant {
                name: format!("{}-{}", hostname(), std::process::id()),
                queues: config.worker.queues.clone(),
            },
            store,
            objects,
            inputs: InputCache::default(),
            pool,
            admission: Admission::new(Need {
                memory: config.worker.memory_bytes(),
                scratch: config.worker.scratch_max,
            }),
            scratch,
            clock,
            live: Live::default(),
            slots: config.worker.slot_count(),
            fusion: config.worker.group_size(),
            threads: 0,
            lease: config.worker.lease,
            stall: config.worker.stall,
            patience: config.worker.infrastructure_wait,
            grace: config.worker.grace,
        };
        let catalog = Arc::new(catalog);
        let traces = match &config.traces.otlp {
            Some(url) => traces::connect(url, &host.claimant.name, proxy::is_direct(url))
                .map_err(|error| ConfigError::Conflict(format!("traces.otlp: {error}")))?,
            None => None,
        };
        let RetentionConfig { executions, logs, events: ledger, requests } = config.retention;
        let retention = Retention { executions, logs, events: ledger, requests };
        let NotificationsConfig { timeout, backoff, max, attempts } = config.notifications;
        let drain = config.worker.drain;
        let limits = config.queues.iter().map(|(name, queue)| (name.clone(), queue.waiting));
        let backlog = Backlog::new(limits.collect());
        Ok(Self {
            host: Arc::new(host),
            catalog,
            backlog,
            local,
            retention,
            webhooks: WebhookOptions { secrets: config.webhooks.keys()?, allow_private: config.webhooks.networks()? },
            settings: Settings::of(config),
            traces,
            patience: DeliveryPolicy { timeout, backoff, max, attempts },
            drain,
            api,
            s3,
            events,
            capabilities,
            reclaimed,
            locks,
        })
    }

    /// Returns the context that its loops share.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Its workflows.
    #[must_use]
    pub fn catalog(&self) -> &Arc<WorkflowFolder> {
        &self.catalog
    }

    /// Returns the address of the API.
    #[must_use]
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.local_addr().ok()
    }

    /// Returns the address of the S3 endpoint, if there is one.
    #[must_use]
    pub fn s3_address(&self) -> Option<SocketAddr> {
        self.s3.as_ref()?.listener.local_addr().ok()
    }

    /// The key pair of the S3 endpoint, if it was created at this start.
    #[must_use]
    pub fn new_keys(&self) -> Option<&KeyPair> {
        self.s3.as_ref().filter(|s3| s3.new_keys).map(|s3| &s3.keys)
    }

    /// Works until `end`, then drains; `now` cuts the drain short. `api` gets the listener of the API, and a token that
    /// is cancelled after the drain. If a part ends before `end`, the whole daemon ends: without that part it would be
    /// of no use.
    pub async fn work<F>(
        self,
        api: impl FnOnce(TcpListener, Served, CancellationToken) -> F,
        end: CancellationToken,
        now: CancellationToken,
    ) -> Result<(), ServeError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            host,
            catalog,
            backlog,
            local,
            retention,
            webhooks,
            settings,
            traces,
            patience,
            drain,
            api: listener,
            s3,
            events,
            locks: _locks,
            ..
        } = self;
        let intake = Intake {
            store: Arc::clone(&host.store),
            catalog: Arc::clone(&catalog) as Arc<dyn Catalog>,
            objects: Arc::clone(&host.objects),
            backlog: Arc::new(backlog),
            ids: Arc::new(RandomIds),
            clock: Arc::clone(&host.clock),
        };
        let shutdown = Shutdown { soft: end.clone(), hard: CancellationToken::new() };
        // Cancelled when requests are no longer answered.
        let closing = CancellationToken::new();
        let mut parts = DaemonTasks::default();
        parts.start("reaper", reaper::run(Arc::clone(&host), shutdown.hard.clone()));
        parts.start("retention", retention::run(Arc::clone(&host), retention, end.clone()));
        if let Some(exporter) = traces {
            // The last traces are made when the last jobs have ended, and sent after that.
            let (making, made) = (trace::run(Arc::clone(&host), shutdown.hard.clone()), CancellationToken::new());
            let sending = exporter.run(made.clone());
            parts.start("traces", async move {
                futures::join!(
                    async {
                        making.await;
                        made.cancel();
                    },
                    sending
                );
            });
        }
        let sender = Arc::new(Senders {
            sqs: SqsSender::default(),
            sns: SnsSender::default(),
            webhook: WebhookSender::new(webhooks, Arc::clone(&host.clock)),
        });
        let outbox =
            notify::run(Arc::clone(&host.store), Arc::clone(&host.clock), sender, patience, shutdown.hard.clone());
        parts.start("notifications", outbox);
        let served = Served { host: Arc::clone(&host), intake: intake.clone(), catalog: Arc::clone(&catalog) };
        let api = api(listener, served, closing.clone());
        parts.start("API", api);
        // Whatever puts an object there: the endpoint, the console, an execution.
        if let Some(buckets) = &local {
            buckets.announce_to(Arc::new(intake.clone()));
        }
        if let (Some(s3), Some(buckets)) = (s3, local.clone()) {
            let stop = closing.clone();
            parts.start("S3 endpoint", async move {
                endpoint::serve(s3.listener, buckets, &s3.keys, s3.options, stop).await;
            });
        }
        parts.start("workflows", follow(catalog, local, settings, end.clone()));
        for queue in events {
            let settings = sqs::Settings {
                queue_url: queue.queue,
                wait: queue.wait,
                options: AwsOptions { region: queue.region, endpoint: queue.endpoint, credentials: None },
            };
            let intake = intake.clone();
            let stop = end.clone();
            parts.start("event queue", async move { sqs::Consumer::new(settings, intake).await.run(stop).await });
        }
        let jobs_ended = CancellationToken::new();
        let jobs = jobs_ended.clone().drop_guard();
        let scheduling = scheduler::run(Arc::clone(&host), shutdown.clone());
        parts.start("scheduler", async move {
            scheduling.await;
            drop(jobs);
        });
        let fault = parts.watch(&end).await;
        host.live.drain();
        end.cancel();
        say_draining(host.live.jobs(), drain);
        tokio::select! {
            () = jobs_ended.cancelled() => {}
            () = now.cancelled() => {}
            () = tokio::time::sleep(drain) => {}
        }
        if host.live.jobs() > 0 {
            tracing::info!(jobs = host.live.jobs(), "stopping the jobs that still run; they are queued again");
        }
        shutdown.hard.cancel();
        let last = Instant::now() + LAST_WORDS;
        // Waits until jobs are handed back; if that hangs, the daemon ends all the same.
        let _ = timeout_at(last - CLOSING, jobs_ended.cancelled()).await;
        closing.cancel();
        // Work is done at least once: tasks that do not end in time are dropped, and the next start repeats them.
        if timeout_at(last, parts.end()).await.is_err() {
            tracing::warn!("shutdown timed out; the next start resumes from the store");
        }
        tracing::info!("the daemon ended");
        fault.map_or(Ok(()), |part| Err(ServeError::Ended { part }))
    }
}

/// The concurrent tasks of a daemon.
#[derive(Default)]
struct DaemonTasks {
    running: JoinSet<()>,
    names: HashMap<tokio::task::Id, &'static str>,
}

impl DaemonTasks {
    fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.names.insert(self.running.spawn(part).id(), name);
    }

    /// Waits for `end`, or for a part that ends before it; returns the name of that part.
    async fn watch(&mut self, end: &CancellationToken) -> Option<&'static str> {
        tokio::select! {
            biased;
            () = end.cancelled() => None,
            ended = self.running.join_next_with_id() => match ended? {
                Ok((id, ())) => self.names.get(&id).copied(),
                Err(error) => {
                    tracing::error!(%error, "a part of the daemon panicked");
                    self.names.get(&error.id()).copied()
                }
            },
        }
    }

    async fn end(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

/// Logs how many jobs the daemon waits for before it ends.
fn say_draining(jobs: usize, drain: Duration) {
    let seconds = drain.as_secs();
    match jobs {
        0 => tracing::info!(jobs, "draining: no job runs"),
        1 => tracing::info!(
            jobs,
            "draining: 1 job runs, waiting up to {seconds} s for it; a second signal stops it at once"
        ),
        _ => tracing::info!(
            jobs,
            "draining: {jobs} jobs run, waiting up to {seconds} s for them; a second signal stops them at once"
        ),
    }
}

/// Reads the workflows again when they change, and makes the buckets that are new in them.
async fn follow(
    catalog: Arc<WorkflowFolder>,
    local: Option<LocalBuckets>,
    settings: Settings,
    stop: CancellationToken,
) {
    let mut seen = catalog.active();
    settings.tell(&seen);
    while pause(LOOK, &stop).await {
        match stop.run_until_cancelled(look(&catalog)).await {
            None => return,
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot read the workflow folder");
                continue;
            }
            Some(Ok(_)) => {}
        }
        let active = catalog.active();
        if Arc::ptr_eq(&seen, &active) {
            continue;
        }
        seen = active;
        settings.tell(&seen);
        if let Some(local) = &local
            && let Err(error) = make_buckets(local, &catalog).await
        {
            tracing::error!(error = %error.with_code(), "cannot create a bucket that a workflow names");
        }
        catalog.tell();
    }
}

/// Checks the workflow folder in a task of its own: a mount may hang.
async fn look(catalog: &Arc<WorkflowFolder>) -> std::io::Result<bool> {
    let looking = Arc::clone(catalog);
    let mut look = tokio::task::spawn_blocking(move || looking.look());
    let looked = if let Ok(looked) = tokio::time::timeout(HUNG, &mut look).await {
        looked
    } else {
        catalog.hangs(HUNG);
        look.await
    };
    looked.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

impl S3Endpoint {
    fn open(listener: TcpListener, options: EndpointOptions, key_file: &Path) -> Result<Self, ObjectError> {
        let (keys, new_keys) = KeyPair::load_or_create(key_file)?;
        Ok(Self { listener, options, keys, new_keys })
    }
}

/// Locks every folder that `config` gives to this daemon alone.
fn lock(config: &Config, data: &Path) -> Result<FolderLocks, LockError> {
    let mut locks = FolderLocks::default();
    locks.take("data folder", data)?;
    locks.take("scratch folder", &config.worker.scratch)?;
    if let ObjectsConfig::Local(root) = &config.objects {
        locks.take("folder of local buckets", root)?;
    }
    Ok(locks)
}

async fn open_store(target: &StoreTarget) -> Result<SharedStore, StoreError> {
    match target {
        StoreTarget::Sqlite(database) => {
            if let Some(folder) = database.parent() {
                std::fs::create_dir_all(folder).map_err(|source| StoreError::Open {
                    path: database.display().to_string(),
                    source: source.into(),
                })?;
            }
            Ok(Arc::new(SqliteStore::open(database, Arc::new(Evaluator))?))
        }
        StoreTarget::Postgres(url) => {
            Ok(Arc::new(PostgresStore::connect(url, ClockSource::Database, Arc::new(Evaluator)).await?))
        }
    }
}

/// Object storage as configured.
async fn open_objects(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<(SharedObjects, Option<LocalBuckets>), ServeError> {
    match &config.objects {
        ObjectsConfig::Local(root) => {
            let layout = Layout { root: root.clone(), ..Layout::default() };
            let buckets = LocalBuckets::open(layout, Arc::clone(clock))?;
            Ok((Arc::new(buckets.clone()), Some(buckets)))
        }
        ObjectsConfig::S3(s3) => {
            let options = AwsOptions { region: s3.region.clone(), endpoint: s3.endpoint.clone(), credentials: None };
            Ok((Arc::new(S3Buckets::new(&options, s3.path_style).await), None))
        }
    }
}

/// Makes the buckets that the workflows name. A name that cannot be one harms its workflow alone.
async fn make_buckets(buckets: &LocalBuckets, catalog: &WorkflowFolder) -> Result<(), ObjectError> {
    for workflow in catalog.active().iter() {
        for bucket in workflow.buckets() {
            match buckets.create_bucket(bucket, None).await {
                Err(error @ ObjectError::InvalidName { .. }) => {
                    tracing::error!(error = %error.with_code(), workflow = workflow.name, "cannot create a bucket that a workflow names");
                }
                made => drop(made?),
            }
        }
    }
    Ok(())
}

async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { what, address, source })
}

/// This machine's name, for leases and logs.
fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_noticed() {
        let end = CancellationToken::new();
        let mut parts = DaemonTasks::default();
        parts.start("good", std::future::pending());
        parts.start("bad", async { panic!("a bug") });
        assert_eq!(parts.watch(&end).await, Some("bad"));
        end.cancel();
        assert_eq!(parts.watch(&end).await, None);
    }
}
