//! How many executions per second the engine carries at full durability, and how long an upload waits for its first
//! job.
//!
//! Everything is real but the media work: events go through intake into the ledger, workflows are matched, plans
//! frozen, jobs queued, leased and ended, the log and the outbox written and emptied. Jobs end the moment they are
//! claimed. Writes `target/bench/engine.json`. Goals, on two processors: 2,000 executions/s on SQLite, 1,000 on
//! PostgreSQL, at most a fifth slower beside 1,000,000 ended executions, and 10 ms (median) and 50 ms (99th percentile)
//! from event to claim when idle.
//!
//! `BENCH_EXECUTIONS` (default 20,000 per round), `BENCH_ENDED` (default 1,000,000; 0 leaves that round out),
//! `BENCH_WAITING` (default 100,000; 0 leaves it out), `BENCH_FLAT` (default 100,000 executions while retention takes
//! away what has ended; 0 leaves it out), `BENCH_STORES` (`sqlite,postgres`). PostgreSQL comes from
//! `REELMILL_POSTGRES`, with its own settings.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench may panic, and prints")]

mod ended;
#[path = "../support/postgres.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use reelmill::intake::backlog::Backlog;
use reelmill::intake::{BrokenFile, Catalog, Intake};
use reelmill::model::media::{MediaInfo, VideoStream};
use reelmill::model::plan::NotifyChannel;
use reelmill::model::work::FileRole;
use reelmill::model::{
    Clock, ExecutionStatus, InputObject, ObjectEvent, ObjectLocation, OutputObject, RandomIds, SystemClock,
};
use reelmill::notify::{self, DeliveryPolicy, NotifyError, Sender};
use reelmill::objects::local::{Layout, LocalBuckets};
use reelmill::store::postgres::{ClockSource, PostgresStore};
use reelmill::store::sqlite::SqliteStore;
use reelmill::store::{Claim, Claimant, ExecutionFilter, Hint, Pruned, Retention, SharedStore};
use reelmill::template::Templates;
use reelmill::workflow::{Evaluator, Limits, Workflow, compile};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const WORKFLOW: &str = "
name: bench
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: 'out/${object.stem}/' }
activities:
  probe: { analysis: {} }
  base: { needs: [probe], transcode: { template: h264-360p, name: base.mp4 } }
  high: { when: probe.video.height >= 720, transcode: { template: h264-720p, name: high.mp4 } }
  poster: { needs: [probe], snapshot: { at: 10%, name: poster.jpg } }
  hls: { package: { from: [base, high], protocol: hls } }
notify:
  - { sqs: 'http://127.0.0.1/000000000000/done', on: [succeeded, failed] }
";

/// Activities of one execution.
const ACTIVITIES: u64 = 5;
/// Commands per execution: the event, and a claim, a publication and an end for each activity, less the analysis' one.
const STEPS: f64 = 15.0;
/// Uploads announced at once, and jobs under way at once.
const PARALLEL: usize = 128;
/// No round takes this long without a hint.
const HANG: Duration = Duration::from_secs(300);
/// How long a daemon may take to come to rest after its start.
const START: Duration = Duration::from_secs(5);
/// How long an idle daemon is watched.
const IDLE: Duration = Duration::from_secs(30);
/// Uploads whose wait is measured, one after the other.
const WAITS: usize = 400;

struct Only(Arc<Vec<Arc<Workflow>>>);

impl Catalog for Only {
    fn active(&self) -> Arc<Vec<Arc<Workflow>>> {
        Arc::clone(&self.0)
    }

    fn broken(&self) -> Arc<Vec<BrokenFile>> {
        Arc::default()
    }
}

/// Takes every notification.
#[derive(Default)]
struct Taken(AtomicU64);

#[async_trait]
impl Sender for Taken {
    async fn send(&self, _: &NotifyChannel, _: &Value, _: &str) -> Result<(), NotifyError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct Bench {
    store: SharedStore,
    intake: Intake,
    taken: Arc<Taken>,
    uploads: AtomicU64,
    stop: CancellationToken,
}

impl Bench {
    fn new(store: SharedStore, folder: &Path) -> Self {
        let (templates, _) = Templates::load(&[]);
        let workflow = compile("bench.yaml", WORKFLOW, &templates, &Limits::default(), None).workflow.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let layout = Layout { root: folder.join("buckets"), ..Layout::default() };
        let intake = Intake {
            store: Arc::clone(&store),
            catalog: Arc::new(Only(Arc::new(vec![Arc::new(workflow)]))),
            objects: Arc::new(LocalBuckets::open(layout, Arc::clone(&clock)).unwrap()),
            backlog: Arc::new(Backlog::new(BTreeMap::from([("default".to_owned(), 0)]))),
            ids: Arc::new(RandomIds),
            clock: Arc::clone(&clock),
        };
        let (taken, stop) = (Arc::new(Taken::default()), CancellationToken::new());
        let sender: Arc<dyn Sender> = Arc::clone(&taken) as Arc<dyn Sender>;
        let (timeout, backoff, max) = (Duration::from_secs(10), Duration::from_secs(5), Duration::from_secs(900));
        let patience = DeliveryPolicy { timeout, backoff, max, attempts: 20 };
        tokio::spawn(notify::run(Arc::clone(&store), clock, sender, patience, stop.clone()));
        Self { store, intake, taken, uploads: AtomicU64::new(0), stop }
    }

    async fn upload(&self) {
        let n = self.uploads.fetch_add(1, Ordering::Relaxed);
        let event = ObjectEvent {
            object: InputObject {
                location: ObjectLocation { bucket: "uploads".to_owned(), key: format!("in/clip-{n:08}.mp4") },
                size_bytes: Some(10_000_000),
                etag: Some("0123456789abcdef".to_owned()),
                version: None,
                metadata: BTreeMap::new(),
            },
            name: "Put".to_owned(),
            sequencer: Some(format!("{n:016x}")),
            time: Some(SystemClock.now()),
            shape: "s3".to_owned(),
        };
        self.intake.accept(event).await.unwrap();
    }

    /// Ends a job as a worker would that needs no time.
    async fn end(&self, claim: Claim) {
        let name = &claim.plan.graph[petgraph::graph::NodeIndex::new(claim.activity)].name;
        let now = SystemClock.now();
        let (result, outputs) = if name == "probe" {
            let video = VideoStream { width: 1920, height: 1080, ..VideoStream::default() };
            (json!(MediaInfo { video: vec![video], ..MediaInfo::default() }), Vec::new())
        } else {
            let location = ObjectLocation { bucket: "media".to_owned(), key: format!("{}/{name}", claim.execution) };
            self.store.begin_publish(claim.job, claim.attempt, std::slice::from_ref(&location), now).await.unwrap();
            let output = OutputObject {
                location,
                size_bytes: 1_000_000,
                content_type: "video/mp4".to_owned(),
                role: FileRole::Media,
                media: None,
            };
            (Value::Null, vec![output])
        };
        self.store.succeed(claim.job, claim.attempt, result, outputs, now).await.unwrap();
    }

    /// Claims and ends jobs until `jobs` have been.
    async fn work(&self, left: &AtomicU64) {
        let claimant = Claimant::of_all("bench");
        let (mut hints, begin) = (self.store.hints(), Instant::now());
        while left.load(Ordering::Relaxed) > 0 {
            match self.store.claim(&claimant, Duration::from_secs(30), SystemClock.now()).await.unwrap() {
                Some(claim) => {
                    self.end(claim).await;
                    left.fetch_sub(1, Ordering::Relaxed);
                }
                None => {
                    assert!(queued(&mut hints).await || left.load(Ordering::Relaxed) == 0 || begin.elapsed() < HANG);
                }
            }
        }
    }

    /// Executions per second, from the first event to the last notification.
    async fn round(&self, executions: u64) -> f64 {
        let left = AtomicU64::new(executions * ACTIVITIES);
        let told = self.taken.0.load(Ordering::Relaxed) + executions;
        let begin = Instant::now();
        let uploads = futures::stream::iter(0..executions).for_each_concurrent(PARALLEL, |_| self.upload());
        let workers = futures::future::join_all((0..PARALLEL).map(|_| self.work(&left)));
        futures::join!(uploads, workers);
        let mut hints = self.store.hints();
        while self.taken.0.load(Ordering::Relaxed) < told {
            queued(&mut hints).await;
        }
        let seconds = begin.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a count of executions")]
        let rate = executions as f64 / seconds;
        rate
    }

    /// Memory in MiB and, for a database in a file, its size in MiB: after a tenth of `executions`, and after all of
    /// them, while retention takes away what has ended.
    async fn flat(&self, executions: u64, database: Option<&Path>) -> [(f64, f64); 2] {
        let none = Duration::ZERO;
        let retention = Retention { executions: none, logs: none, events: none, requests: none };
        let mut sizes = Vec::new();
        for _ in 0..10 {
            self.round(executions / 10).await;
            let now = SystemClock.now().after(Duration::from_secs(1));
            while self.store.prune(retention, 2_000, now).await.unwrap() != Pruned::default() {}
            let disk = database.map_or(0.0, |path| {
                #[expect(clippy::cast_precision_loss, reason = "bytes of a file")]
                let bytes = std::fs::metadata(path).unwrap().len() as f64;
                bytes / 1_048_576.0
            });
            sizes.push((resident_mib("self"), disk));
        }
        [sizes[0], sizes[9]]
    }

    /// Milliseconds from an event to the claim of its first job, in an idle store: median and 99th percentile.
    async fn waits(&self) -> (f64, f64) {
        let claimant = Claimant::of_all("bench");
        let mut waits = Vec::with_capacity(WAITS);
        for _ in 0..WAITS {
            let mut hints = self.store.hints();
            let claimed = async {
                loop {
                    let claim = self.store.claim(&claimant, Duration::from_secs(30), SystemClock.now()).await.unwrap();
                    if let Some(claim) = claim {
                        return (Instant::now(), claim);
                    }
                    queued(&mut hints).await;
                }
            };
            let begin = Instant::now();
            let ((at, claim), ()) = futures::join!(claimed, self.upload());
            waits.push(at.duration_since(begin).as_secs_f64() * 1_000.0);
            self.end(claim).await;
            self.work(&AtomicU64::new(ACTIVITIES - 1)).await;
        }
        waits.sort_by(f64::total_cmp);
        (waits[WAITS / 2], waits[WAITS * 99 / 100])
    }

    async fn assert_all_succeeded(&self) {
        for state in
            [ExecutionStatus::Queued, ExecutionStatus::Running, ExecutionStatus::Failed, ExecutionStatus::Cancelled]
        {
            let filter = ExecutionFilter { states: vec![state], limit: 1, ..ExecutionFilter::default() };
            assert!(self.store.executions(filter).await.unwrap().is_empty(), "some are {state}");
        }
    }
}

/// Waits for a hint, as the scheduler does; false where none came for a while.
async fn queued(hints: &mut tokio::sync::broadcast::Receiver<Hint>) -> bool {
    let hint = async {
        while let Ok(hint) = hints.recv().await {
            if matches!(hint, Hint::Queue | Hint::Outbox) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(200), hint).await.is_ok()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

async fn measure(
    name: &str,
    store: SharedStore,
    folder: &Path,
    database: Option<&Path>,
    fill: impl AsyncFn(u64),
) -> Value {
    let executions = setting("BENCH_EXECUTIONS", 20_000);
    let ended = setting("BENCH_ENDED", 1_000_000);
    let bench = Bench::new(store, folder);
    let (p50, p99) = bench.waits().await;
    println!("{name}: event to claim {p50:.2} ms (median), {p99:.2} ms (99th percentile)");
    let rates =
        [bench.round(executions / 2).await, bench.round(executions / 2).await, bench.round(executions / 2).await];
    let rate = median(rates);
    println!("{name}: {rate:.0} executions/s, {:.0} steps/s (rounds {rates:.0?})", rate * STEPS);
    let mut answer = json!({
        "executions_per_s": rate.round(),
        "steps_per_s": (rate * STEPS).round(),
        "event_to_claim_p50_ms": (p50 * 100.0).round() / 100.0,
        "event_to_claim_p99_ms": (p99 * 100.0).round() / 100.0,
        "slowdown_at_1m": Value::Null,
    });
    let flat = setting("BENCH_FLAT", 100_000);
    if flat > 0 {
        let [(memory, disk), (memory_after, disk_after)] = bench.flat(flat, database).await;
        println!(
            "{name}: {memory:.0} MiB of memory and {disk:.0} MiB on disk after {} executions, {memory_after:.0} and \
             {disk_after:.0} after {flat}, with retention",
            flat / 10
        );
        answer["flat"] = json!({
            "executions": flat,
            "resident_mib": [memory.round(), memory_after.round()],
            "disk_mib": database.map(|_| [disk.round(), disk_after.round()]),
        });
    }
    if ended > 0 {
        fill(ended).await;
        let rates =
            [bench.round(executions / 2).await, bench.round(executions / 2).await, bench.round(executions / 2).await];
        let full = median(rates);
        let slowdown = 1.0 - full / rate;
        println!("{name}: {full:.0} executions/s beside {ended} ended ones (rounds {rates:.0?})");
        answer["slowdown_at_1m"] = json!((slowdown * 1_000.0).round() / 1_000.0);
        answer["ended_executions"] = json!(ended);
        answer["executions_per_s_at_1m"] = json!(full.round());
    }
    bench.assert_all_succeeded().await;
    let waiting = setting("BENCH_WAITING", 100_000);
    if waiting > 0 {
        let before = resident_mib("self");
        futures::stream::iter(0..waiting).for_each_concurrent(PARALLEL, |_| bench.upload()).await;
        let after = resident_mib("self");
        println!("{name}: {after:.0} MiB resident with {waiting} waiting jobs, {before:.0} MiB before");
        answer["resident_mib_at_100k_waiting"] = json!(after.round());
    }
    bench.stop.cancel();
    answer
}

/// A daemon of its own that has nothing to do: its memory in MiB, and its share of one processor in percent.
async fn idle() -> (f64, f64) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(folder.path().join("workflows")).unwrap();
    let mut daemon = tokio::process::Command::new(env!("CARGO_BIN_EXE_reelmill"))
        .current_dir(folder.path())
        .args(["serve", "--data", "data", "--workflows", "workflows"])
        .args(["--api", "127.0.0.1:0", "--s3-endpoint", "127.0.0.1:0"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ticks = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>()
    };
    let process = daemon.id().unwrap();
    let mut goes_on = async |time| assert!(tokio::time::timeout(time, daemon.wait()).await.is_err(), "it ended");
    goes_on(START).await;
    let before = ticks(process);
    goes_on(IDLE).await;
    // Ticks are hundredths of a second on Linux.
    let share = (ticks(process) - before) / IDLE.as_secs_f64();
    let resident = resident_mib(&process.to_string());
    daemon.kill().await.unwrap();
    (resident, share)
}

/// Memory of a process.
fn resident_mib(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1024.0
}

fn median(mut rates: [f64; 3]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[1]
}

#[tokio::main]
async fn main() {
    let stores = std::env::var("BENCH_STORES").unwrap_or_else(|_| "sqlite,postgres".to_owned());
    let mut answer = serde_json::Map::new();
    if stores.contains("sqlite") {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let database = folder.path().join("reelmill.db");
        let store = Arc::new(SqliteStore::open(&database, Arc::new(Evaluator)).unwrap());
        let fill = async |ended| ended::in_sqlite(&database, ended);
        answer.insert("sqlite".to_owned(), measure("sqlite", store, folder.path(), Some(&database), fill).await);
    }
    if stores.contains("postgres") {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let url = server::empty().await;
        let store = PostgresStore::connect(&url, ClockSource::Database, Arc::new(Evaluator)).await.unwrap();
        let fill = async |ended| ended::in_postgres(&url, ended).await;
        answer.insert("postgres".to_owned(), measure("postgres", Arc::new(store), folder.path(), None, fill).await);
        println!("{}", ended::plans(&url).await);
    }
    let (resident, share) = idle().await;
    println!("idle daemon: {resident:.1} MiB resident, {share:.2} % of a processor");
    answer.insert("idle".to_owned(), json!({"resident_mib": resident.round(), "processor_percent": share}));
    answer.insert("processors".to_owned(), json!(std::thread::available_parallelism().map_or(0, usize::from)));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("engine.json");
    std::fs::write(&file, serde_json::to_string_pretty(&answer).unwrap()).unwrap();
    println!("{}", Value::Object(answer));
}
