//! Checks of what a daemon reads and writes: store, buckets, event queues, scratch folder, memory, ports.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access, statvfs};

use super::Check;
use crate::cli::serve::Running;
use crate::config::{Config, EventsConfig, ObjectsConfig, StoreTarget};
use crate::daemon::catalog::WorkflowFolder;
use crate::daemon::settings::{Settings, UNLISTED_QUEUE};
use crate::intake::{Catalog, sqs};
use crate::model::plan::NotifyChannel;
use crate::model::{Clock, SystemClock, Timestamp};
use crate::objects::Objects;
use crate::objects::aws::AwsOptions;
use crate::objects::s3::S3Buckets;
use crate::store::{StoreInfo, postgres, sqlite};
use crate::worker::scratch::RESERVE;

/// Timeout for answers from other machines.
const PATIENCE: Duration = Duration::from_secs(15);

/// Largest difference between clocks without a warning.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// Estimated memory of a 1080p encode, in bytes.
const ENCODE_MEMORY: u64 = 430 << 20;

const GIB: u64 = 1 << 30;

/// Checks that the store answers and has a known schema version.
pub(super) async fn store(config: &Config, checks: &mut Vec<Check>) {
    const NAME: &str = "store";
    let (place, looked) = match config.store_target() {
        Err(error) => {
            return checks.push(Check::error(NAME, error, "set `store` in the configuration, or REELMILL_STORE"));
        }
        Ok(StoreTarget::Sqlite(path)) => (path.display().to_string(), Ok(sqlite::look(&path))),
        Ok(StoreTarget::Postgres(url)) => {
            ("PostgreSQL".to_owned(), tokio::time::timeout(PATIENCE, postgres::look(&url)).await)
        }
    };
    let Ok(looked) = looked else {
        let message = format!("{place} did not answer within {} s", PATIENCE.as_secs());
        return checks.push(Check::fail(
            NAME,
            message,
            "check its address in `store`, and that it accepts connections from this machine",
        ));
    };
    match looked {
        Ok(StoreInfo { schema, known, now }) => {
            checks.push(schema_check(&place, schema, known));
            checks.extend(now.map(clock));
        }
        Err(error) => checks.push(Check::error(NAME, error, "see docs/operations.md for what a store needs")),
    }
}

fn schema_check(place: &str, schema: Option<u32>, known: u32) -> Check {
    match schema {
        None => Check::ok("store", format!("{place} does not exist yet: the first start of the daemon creates it")),
        Some(schema) if schema > known => Check::fail(
            "store",
            format!(
                "STORE0004: {place} has schema version {schema}, but this version of reelmill supports at most {known}"
            ),
            "use the newer version of reelmill that migrated the store",
        ),
        Some(schema) if schema < known => Check::ok(
            "store",
            format!("{place}: schema version {schema}; the next start of the daemon migrates it to {known}"),
        ),
        Some(schema) => Check::ok("store", format!("{place}: schema version {schema}")),
    }
}

fn clock(theirs: Timestamp) -> Check {
    let ours = SystemClock.now();
    let apart = ours.since(theirs).max(theirs.since(ours));
    let message = format!("{:.1} s apart from the store's clock", apart.as_secs_f64());
    if apart <= CLOCK_SLACK {
        Check::ok("clock", message)
    } else {
        Check::warn(
            "clock",
            message,
            "synchronize the clocks (NTP): S3 refuses requests from a clock that is 15 min off",
        )
    }
}

/// Checks that webhooks can be signed, if workflows or queues use some.
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
            format!("NOTE0003: {told} configured, but webhooks.secret is not set: none is sent"),
            "make a secret with `echo whsec_$(openssl rand -base64 24)`, and set webhooks: { secret: 'file:PATH' }",
        ),
        1 => Check::ok("webhooks", format!("{told} configured, each signed")),
        several => Check::ok("webhooks", format!("{told} configured, each with {several} signatures")),
    });
}

/// Checks that the configuration lists the queues of workflows, if it lists any.
pub(super) fn queues(config: &Config, catalog: Option<&WorkflowFolder>, checks: &mut Vec<Check>) {
    if config.queues.is_empty() {
        return;
    }
    let settings = Settings::of(config);
    let workflows = catalog.map(Catalog::active).unwrap_or_default();
    let unlisted: Vec<String> = workflows.iter().flat_map(|workflow| settings.unlisted_queues(workflow)).collect();
    checks.push(if unlisted.is_empty() {
        Check::ok("queues", format!("{} are listed", config.queues.len()))
    } else {
        let message = format!("{UNLISTED_QUEUE}: {}", unlisted.join("; "));
        Check::warn("queues", message, "name it in `queues`, or correct the workflow")
    });
}

/// Checks that the buckets in workflows can be used.
pub(super) async fn objects(config: &Config, catalog: Option<&WorkflowFolder>, checks: &mut Vec<Check>) {
    match &config.objects {
        ObjectsConfig::Local(root) => checks.push(writable("buckets", root)),
        ObjectsConfig::S3(s3) => {
            let options = AwsOptions { region: s3.region.clone(), endpoint: s3.endpoint.clone(), credentials: None };
            let buckets = S3Buckets::new(&options, s3.path_style).await;
            let workflows = catalog.map(Catalog::active).unwrap_or_default();
            let named: BTreeSet<&str> = workflows.iter().flat_map(|workflow| workflow.buckets()).collect();
            if named.is_empty() {
                checks.push(Check::warn("buckets", "no workflow names a bucket: none was checked", "add a workflow"));
            }
            for bucket in named {
                checks.push(s3_bucket(&buckets, bucket).await);
            }
        }
    }
}

async fn s3_bucket(buckets: &S3Buckets, bucket: &str) -> Check {
    const HINT: &str =
        "check the credentials (AWS SDK chain) and the permissions of the role, listed in docs/operations.md";
    match tokio::time::timeout(PATIENCE, buckets.list(bucket, "", None, 1)).await {
        Ok(Ok(_)) => Check::ok("buckets", format!("bucket {bucket} can be listed")),
        Ok(Err(error)) => Check::error("buckets", error, HINT),
        Err(_) => Check::fail("buckets", format!("bucket {bucket}: no answer within {} s", PATIENCE.as_secs()), HINT),
    }
}

/// Checks that event queues answer.
pub(super) async fn events(config: &Config, checks: &mut Vec<Check>) {
    for EventsConfig::Sqs(queue) in &config.events {
        let options = AwsOptions { region: queue.region.clone(), endpoint: queue.endpoint.clone(), credentials: None };
        let asked = tokio::time::timeout(PATIENCE, sqs::waiting(&queue.queue, &options)).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        checks.push(match answer {
            Ok(waiting) => Check::ok("events", format!("{}: about {waiting} messages waiting", queue.queue)),
            Err(reason) => Check::fail(
                "events",
                format!("EVT0003: {}: {reason}", queue.queue),
                "check its URL, and that the role may receive and delete messages and read the queue's attributes",
            ),
        });
    }
}

/// Checks that the scratch folder is writable and has disk space.
pub(super) fn scratch(config: &Config, checks: &mut Vec<Check>) {
    let check = writable("scratch", &config.worker.scratch);
    let disk = statvfs(existing(&config.worker.scratch));
    let free = disk.map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize);
    let room = format!("{}, {} GiB free", check.message, free / GIB);
    checks.push(match check.state {
        super::State::Fail => check,
        _ if free < RESERVE => {
            Check::fail("scratch", room, "free disk space, or set worker.scratch to a folder on a larger disk")
        }
        _ if free < config.worker.scratch_max => Check::warn(
            "scratch",
            format!("{room}, less than worker.scratch_max of {} GiB", config.worker.scratch_max / GIB),
            "lower worker.scratch_max to the free space, so that large jobs wait instead of failing",
        ),
        _ => Check::ok("scratch", room),
    });
}

/// Checks that there is memory for as many jobs as there are slots.
pub(super) fn memory(config: &Config, checks: &mut Vec<Check>) {
    let (bytes, slots) = (config.worker.memory_bytes(), config.worker.slot_count());
    let each = bytes / u64::try_from(slots).unwrap_or(u64::MAX).max(1);
    let share = if slots == 1 { "slot has" } else { "slots share" };
    let message = format!("{slots} {share} {:.1} GiB", gibibytes(bytes));
    checks.push(if each < ENCODE_MEMORY {
        Check::warn("memory", message, "encodes of 1080p will wait for memory; lower worker.slots, or add memory")
    } else {
        Check::ok("memory", message)
    });
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}

/// Checks that the daemon's ports are free, or that a daemon listens there.
pub(super) async fn ports(config: &Config, data: &Path, checks: &mut Vec<Check>) {
    let running = Running::read(data);
    let s3 = config.s3_endpoint.filter(|_| matches!(config.objects, ObjectsConfig::Local(_)));
    let endpoint = running.as_ref().and_then(|running| running.s3_endpoint.as_deref());
    checks.push(port("api", config.api.listen, running.as_ref().map(|running| running.api.as_str())).await);
    if let Some(address) = s3 {
        checks.push(port("s3 endpoint", address, endpoint).await);
    }
}

/// Checks one port. `told` is the address in the `daemon.json` of a running daemon.
async fn port(name: &'static str, address: SocketAddr, told: Option<&str>) -> Check {
    if let Some(url) = told
        && listens(name, url).await
    {
        return Check::ok(name, format!("the daemon of this data folder listens at {url}"));
    }
    let Err(error) = TcpListener::bind(address) else { return Check::ok(name, format!("{address} is free")) };
    if is_daemon(address).await {
        return Check::ok(name, format!("a daemon listens at {address}"));
    }
    let hint = format!(
        "find the process that uses it (`ss -ltnp`), or set another address for {name}: `reelmill serve --help`"
    );
    Check::fail(name, format!("CLI0011: cannot listen on {address}: {error}"), hint)
}

/// Returns whether a process listens at `url`; at the address of the API, whether that process is a daemon.
async fn listens(name: &str, url: &str) -> bool {
    let Some(address) = url.strip_prefix("http://").and_then(|address| address.parse().ok()) else { return false };
    match name {
        "api" => is_daemon(address).await,
        _ => tokio::net::TcpStream::connect(address).await.is_ok(),
    }
}

async fn is_daemon(address: SocketAddr) -> bool {
    let Ok(http) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build() else { return false };
    match http.get(format!("http://{address}/healthz")).send().await {
        Ok(answer) => answer.text().await.is_ok_and(|text| text == "ok\n"),
        Err(_) => false,
    }
}

/// Checks that a folder is writable or can be created.
fn writable(name: &'static str, folder: &Path) -> Check {
    let there = existing(folder);
    match access(&there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if there == folder => Check::ok(name, format!("{} is writable", folder.display())),
        Ok(()) => Check::ok(name, format!("{} does not exist yet, and can be created", folder.display())),
        Err(error) => Check::fail(
            name,
            format!("{} is not writable: {error}", there.display()),
            "make it writable for the daemon's user, or set another folder",
        ),
    }
}

/// Returns the folder, or its nearest ancestor that exists.
fn existing(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    there.unwrap_or(Path::new(".")).to_owned()
}
