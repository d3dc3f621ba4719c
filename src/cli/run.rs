//! `reelmill run`: runs one workflow on one local file without a daemon, and leaves only its outputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::output::Output;
use super::places::Places;
use super::progress::Watch;
use super::{CliError, Exit, WorkerArgs, executions, local, validate};
use crate::api::view::{ExecutionView, LogLine};
use crate::config::WorkerConfig;
use crate::daemon::scheduler::Shutdown;
use crate::daemon::{Host, InputCache, live::Live};
use crate::model::{
    Clock, ExecutionId, ExecutionStatus, Ids, InputObject, JobId, ObjectLocation, RandomIds, SystemClock,
};
use crate::objects::local::{Layout, LocalBuckets};
use crate::store::sqlite::SqliteStore;
use crate::store::{Claimant, Hint, NewExecution};
use crate::worker::admission::{Admission, Need};
use crate::worker::scratch::ScratchRoot;
use crate::workflow::{self, Evaluator};

/// Bucket of the input file where the workflow names none.
const INPUT_BUCKET: &str = "input";
/// Interval of polling, for hints that were missed.
const POLL: Duration = Duration::from_millis(500);

/// Run one workflow on one local file, without a daemon.
///
/// Outputs are written to DIR, each at the path of its key. If outputs go to several buckets, each bucket is a folder in
/// DIR. Inputs come from folders beside the workflow file, each named as its bucket: `s3://assets/logo.png` is
/// `assets/logo.png` there.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    worker: WorkerArgs,
    /// Workflow file, or the name of a workflow in ./workflows
    workflow: PathBuf,
    /// Media file
    file: PathBuf,
    /// Folder for outputs
    #[arg(long, short, default_value = "reelmill-output", value_name = "DIR")]
    output: PathBuf,
    /// Set a parameter of the workflow; repeat for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Use this folder as a bucket; repeat for several
    #[arg(long, value_name = "BUCKET=DIR", value_parser = pair)]
    bucket: Vec<(String, String)>,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(args: RunArgs, output: Output) -> Result<Exit, CliError> {
    let (pool, installed) = local::pool(&args.worker, 0).await?;
    let path = validate::find(&args.workflow)?;
    let workflow = validate::load(&path, Some(&installed), output)?;
    let plan = Arc::clone(&workflow.plan);
    let given: BTreeMap<String, String> = args.set.into_iter().collect();
    // The object has no metadata that sets parameters.
    let params = workflow::params(&plan, &given, &BTreeMap::new())
        .map_err(|failure| CliError { exit: Exit::Usage, ..failure.into() })?;
    let metadata = std::fs::metadata(&args.file).map_err(|error| CliError::file(&args.file, &error))?;
    if !metadata.is_file() {
        return Err(CliError::usage(format!("{} is not a file", args.file.display())));
    }
    let bucket = workflow.trigger.as_ref().map_or(INPUT_BUCKET, |trigger| trigger.bucket.as_str());
    let input = input_object(&args.file, bucket, metadata.len())?;
    let places = Places::new(&path, &args.output, &args.bucket, &workflow)?;
    let mut signals = local::Signals::catch()?;
    let temporary = local::TemporaryFolder::create("run")?;
    let clock = Arc::new(SystemClock);
    let objects = LocalBuckets::open(
        Layout {
            root: temporary.path().join("buckets"),
            mounts: places.mounts().clone(),
            files: BTreeMap::from([(input.location.clone(), args.file.clone())]),
        },
        Arc::clone(&clock) as Arc<dyn Clock>,
    )?;
    let host = Arc::new(Host {
        claimant: Claimant::of_all("this machine"),
        store: Arc::new(SqliteStore::open_in_memory(Arc::new(Evaluator))?),
        objects: Arc::new(objects),
        inputs: InputCache::default(),
        // With a single activity, no worker is needed after the first.
        pool: pool.keeping(usize::from(plan.graph.node_count() > 1)),
        admission: Admission::new(Need { memory: WorkerConfig::default().memory_bytes(), scratch: u64::MAX }),
        scratch: ScratchRoot::open(temporary.path().join("scratch"))?,
        clock,
        live: Live::default(),
        slots: std::thread::available_parallelism().map_or(1, |processors| (usize::from(processors) / 2).max(1)),
        fusion: WorkerConfig::default().group_size(),
        threads: 0,
        lease: Duration::from_secs(30),
        stall: Duration::from_secs(120),
        // A person waits: errors of the infrastructure are reported at once.
        patience: Duration::ZERO,
        grace: Duration::from_secs(2),
    });
    let now = host.clock.now();
    let execution = NewExecution {
        id: ExecutionId(RandomIds.next(now)),
        jobs: plan.graph.node_indices().map(|_| JobId(RandomIds.next(now))).collect(),
        plan: Arc::clone(&plan),
        input,
        params,
        user_data: None,
        cause: "hand".to_owned(),
    };
    let id = execution.id;
    host.store.start(execution, now).await?;
    let shutdown = Shutdown::default();
    let scheduler = tokio::spawn(crate::daemon::scheduler::run(Arc::clone(&host), shutdown.clone()));
    let reaper = tokio::spawn(crate::daemon::reaper::run(Arc::clone(&host), shutdown.soft.clone()));
    let watch = Watch::new(output, plan.in_order().into_iter().map(|index| plan.graph[index].name.clone()));
    let ended = tokio::select! {
        ended = follow(&host, id, &watch) => ended,
        () = signals.next() => Err(local::interrupted()),
    };
    stop(&shutdown, ended.is_err());
    let _ = tokio::join!(scheduler, reaper);
    let mut view = ended?;
    for activity in view.activities.values_mut() {
        for object in &mut activity.outputs {
            object.path = places.path(&object.bucket, &object.key).map(|path| path.display().to_string());
        }
    }
    executions::show(&view, None, output);
    Ok(if view.state == ExecutionStatus::Succeeded { Exit::Done } else { Exit::Failed })
}

fn stop(shutdown: &Shutdown, hard: bool) {
    shutdown.soft.cancel();
    if hard {
        shutdown.hard.cancel();
    }
}

fn input_object(file: &Path, bucket: &str, size_bytes: u64) -> Result<InputObject, CliError> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| CliError::usage(format!("{} has a name that is not UTF-8", file.display())))?;
    Ok(InputObject {
        location: ObjectLocation { bucket: bucket.to_owned(), key: name.to_owned() },
        size_bytes: Some(size_bytes),
        etag: None,
        version: None,
        metadata: BTreeMap::new(),
    })
}

/// Prints the log and progress until the execution ends.
async fn follow(host: &Host, id: ExecutionId, watch: &Watch) -> Result<ExecutionView, CliError> {
    let mut hints = host.store.hints();
    let mut marks = host.live.watch();
    let mut after = 0;
    loop {
        // Read before the log: if the execution has ended by now, the log has its last line.
        let record = host.store.execution(id).await?;
        for entry in host.store.log(id, after, u32::MAX).await? {
            after = entry.seq;
            watch.log(&LogLine::from(&entry));
        }
        if let Some(record) = record
            && record.summary.state.is_ended()
        {
            return Ok(ExecutionView::from(&record));
        }
        let poll = tokio::time::sleep(POLL);
        tokio::pin!(poll);
        loop {
            tokio::select! {
                hint = hints.recv() => if !matches!(hint, Ok(Hint::Queue | Hint::Outbox)) { break },
                Ok(mark) = marks.recv() => watch.mark(&mark),
                () = &mut poll => break,
            }
        }
    }
}
