//! What a daemon reads and writes: store, buckets, queue of events, scratch, memory, ports.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access, statvfs};

use super::Check;
use crate::cli::serve::Running;
use crate::config::{Config, EventsConfig, ObjectsConfig, StoreTarget};
use crate::daemon::catalog::WorkflowFolder;
use crate::intake::{Catalog, sqs};
use crate::model::plan::NotifyChannel;
use crate::model::{Clock, SystemClock, Timestamp};
use crate::objects::Objects;
use crate::objects::aws::AwsOptions;
use crate::objects::s3::S3Buckets;
use crate::store::{Look, postgres, sqlite};
use crate::worker::scratch::RESERVE;

/// How long anything beyond this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Clocks further apart than this are told.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// Memory that one encode of 1080p is estimated to need.
const ENCODE_MEMORY: u64 = 430 << 20;

const GIB: u64 = 1 << 30;

/// Whether the store is there and of a version that is known.
pub(super) async fn store(config: &Config, checks: &mut Vec<Check>) {
    const NAME: &str = "store";
    let (place, looked) = match config.store_target() {
        Err(error) => return checks.push(Check::error(NAME, error, "set `store`, or REELMILL_STORE")),
        Ok(StoreTarget::Sqlite(path)) => (path.display().to_string(), Ok(sqlite::look(&path))),
        Ok(StoreTarget::Postgres(url)) => {
            ("PostgreSQL".to_owned(), tokio::time::timeout(PATIENCE, postgres::look(&url)).await)
        }
    };
    let Ok(looked) = looked else {
        let message = format!("{place} did not answer within {} s", PATIENCE.as_secs());
        return checks.push(Check::fail(NAME, message, "is its address right, and does it let this machine in?"));
    };
    match looked {
        Ok(Look { schema, known, now }) => {
            checks.push(schema_check(&place, schema, known));
            checks.extend(now.map(clock));
        }
        Err(error) => checks.push(Check::error(NAME, error, "docs/operations.md says what a store needs")),
    }
}

fn schema_check(place: &str, schema: Option<u32>, known: u32) -> Check {
    match schema {
        None => Check::ok("store", format!("{place}: the first start makes it")),
        Some(schema) if schema > known => Check::fail(
            "store",
            format!("STORE0004: {place} has schema version {schema}, this reelmill knows up to {known}"),
            "use the newer version",
        ),
        Some(schema) if schema < known => {
            Check::ok("store", format!("{place}: schema version {schema}; the next start brings it to {known}"))
        }
        Some(schema) => Check::ok("store", format!("{place}: schema version {schema}")),
    }
}

fn clock(theirs: Timestamp) -> Check {
    let ours = SystemClock.now();
    let apart = ours.since(theirs).max(theirs.since(ours));
    let message = format!("{:.1} s from the store's", apart.as_secs_f64());
    if apart <= CLOCK_SLACK {
        Check::ok("clock", message)
    } else {
        Check::warn("clock", message, "the store's decides, so nothing breaks; S3 refuses clocks that are 15 min off")
    }
}

/// Whether webhooks that somebody wants to be told by can be sent.
pub(super) fn webhooks(config: &Config, catalog: Option<&WorkflowFolder>, checks: &mut Vec<Check>) {
    let workflows = catalog.map(Catalog::active).unwrap_or_default();
    let by_workflow = workflows.iter().flat_map(|workflow| workflow.plan.notify.clone());
    let by_queue = config.queues.values().flat_map(|queue| &queue.notify).filter_map(|receiver| receiver.target().ok());
    let told = by_workflow.chain(by_queue).filter(|target| matches!(target.to, NotifyChannel::Webhook(_))).count();
    if told == 0 {
        return;
    }
    checks.push(match config.webhooks.secret.len() {
        0 => Check::warn(
            "webhooks",
            format!("NOTE0003: {told} are to be told, and webhooks.secret is not set: nothing is sent"),
            "`echo whsec_$(openssl rand -base64 24)` makes a secret; webhooks: { secret: 'file:PATH' } names it",
        ),
        1 => Check::ok("webhooks", format!("{told} are told, with a signature")),
        several => Check::ok("webhooks", format!("{told} are told, with {several} signatures")),
    });
}

/// Whether the buckets that workflows name can be used.
pub(super) async fn objects(config: &Config, catalog: Option<&WorkflowFolder>, checks: &mut Vec<Check>) {
    match &config.objects {
        ObjectsConfig::Local(root) => checks.push(writable("buckets", root)),
        ObjectsConfig::S3(s3) => {
            let options = AwsOptions { region: s3.region.clone(), endpoint: s3.endpoint.clone(), credentials: None };
            let buckets = S3Buckets::new(&options, s3.path_style).await;
            let workflows = catalog.map(Catalog::active).unwrap_or_default();
            let named: BTreeSet<&str> = workflows.iter().flat_map(|workflow| workflow.buckets()).collect();
            if named.is_empty() {
                checks.push(Check::warn("buckets", "no workflow names one: none was tried", "add a workflow"));
            }
            for bucket in named {
                checks.push(s3_bucket(&buckets, bucket).await);
            }
        }
    }
}

async fn s3_bucket(buckets: &S3Buckets, bucket: &str) -> Check {
    const HINT: &str =
        "docs/operations.md lists what the daemon's role needs; credentials come from the AWS SDK's chain";
    match tokio::time::timeout(PATIENCE, buckets.list(bucket, "", None, 1)).await {
        Ok(Ok(_)) => Check::ok("buckets", format!("{bucket} can be listed")),
        Ok(Err(error)) => Check::error("buckets", error, HINT),
        Err(_) => Check::fail("buckets", format!("{bucket}: no answer within {} s", PATIENCE.as_secs()), HINT),
    }
}

/// Whether queues of events can be asked.
pub(super) async fn events(config: &Config, checks: &mut Vec<Check>) {
    for EventsConfig::Sqs(queue) in &config.events {
        let options = AwsOptions { region: queue.region.clone(), endpoint: queue.endpoint.clone(), credentials: None };
        let asked = tokio::time::timeout(PATIENCE, sqs::waiting(&queue.queue, &options)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        checks.push(match answer {
            Ok(waiting) => Check::ok("events", format!("{}: about {waiting} messages wait", queue.queue)),
            Err(reason) => Check::fail(
                "events",
                format!("EVT0003: {}: {reason}", queue.queue),
                "is its URL right, and may this role receive and delete messages, and read its attributes?",
            ),
        });
    }
}

/// Whether unfinished files have room.
pub(super) fn scratch(config: &Config, checks: &mut Vec<Check>) {
    let check = writable("scratch", &config.worker.scratch);
    let disk = statvfs(existing(&config.worker.scratch));
    let free = disk.map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
    let room = format!("{}, {} GiB free", check.message, free / GIB);
    checks.push(match check.state {
        super::State::Fail => check,
        _ if free < RESERVE => Check::fail("scratch", room, "make room, or set worker.scratch to a larger disk"),
        _ if free < config.worker.scratch_max => Check::warn(
            "scratch",
            format!("{room}, less than worker.scratch_max of {} GiB", config.worker.scratch_max / GIB),
            "set worker.scratch_max to what there is, so that large jobs wait instead of failing",
        ),
        _ => Check::ok("scratch", room),
    });
}

/// Whether as many jobs as may run at once have memory.
pub(super) fn memory(config: &Config, checks: &mut Vec<Check>) {
    let (bytes, slots) = (config.worker.memory_bytes(), config.worker.slot_count());
    let each = bytes / u64::try_from(slots).unwrap_or(u64::MAX).max(1);
    let message = format!("{slots} slots share {:.1} GiB", gibibytes(bytes));
    checks.push(if each < ENCODE_MEMORY {
        Check::warn("memory", message, "encodes of 1080p wait for each other; fewer worker.slots, or more memory")
    } else {
        Check::ok("memory", message)
    });
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

/// Whether the daemon can listen, or does already.
pub(super) async fn ports(config: &Config, data: &Path, checks: &mut Vec<Check>) {
    let running = Running::read(data);
    let s3 = config.s3_endpoint.filter(|_| matches!(config.objects, ObjectsConfig::Local(_)));
    let endpoint = running.as_ref().and_then(|running| running.s3_endpoint.as_deref());
    checks.push(port("api", config.api.listen, running.as_ref().map(|running| running.api.as_str())).await);
    if let Some(address) = s3 {
        checks.push(port("s3 endpoint", address, endpoint).await);
    }
}

/// `told` is where a daemon said that it listens.
async fn port(name: &'static str, address: SocketAddr, told: Option<&str>) -> Check {
    let Err(error) = TcpListener::bind(address) else { return Check::ok(name, format!("{address} is free")) };
    if told == Some(&format!("http://{address}")) || is_daemon(address).await {
        return Check::ok(name, format!("a daemon listens at {address}"));
    }
    let hint = format!("find out who has it (`ss -ltnp`), or set another: `reelmill serve --help` ({name})");
    Check::fail(name, format!("CLI0011: cannot listen on {address}: {error}"), hint)
}

async fn is_daemon(address: SocketAddr) -> bool {
    let Ok(http) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build() else { return false };
    match http.get(format!("http://{address}/healthz")).send().await {
        Ok(answer) => answer.text().await.is_ok_and(|text| text == "ok\n"),
        Err(_) => false,
    }
}

/// Whether a folder can be written to, or made.
fn writable(name: &'static str, folder: &Path) -> Check {
    let there = existing(folder);
    match access(&there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if there == folder => Check::ok(name, format!("{} can be written to", folder.display())),
        Ok(()) => Check::ok(name, format!("{} can be made", folder.display())),
        Err(error) => Check::fail(
            name,
            format!("{} cannot be written to: {error}", there.display()),
            "give it to the user that the daemon runs as, or set another folder",
        ),
    }
}

/// The folder itself, or the nearest above it that exists.
fn existing(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    there.unwrap_or(Path::new(".")).to_owned()
}
