//! Metrics: their names, and one function for each thing that is counted. `docs/metrics.md` says what they mean; a test
//! holds the two together.
//!
//! Without a recorder, as in commands that run one workflow, counting costs next to nothing.
//!
//! Deliberately absent: labels whose values users make up without end (keys, executions).

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// Jobs that wait, by queue.
pub const JOBS_WAITING: &str = "reelmill_jobs_waiting";
/// Jobs that run, by queue.
pub const JOBS_RUNNING: &str = "reelmill_jobs_running";
/// Age in seconds of the execution whose job waits longest, by queue.
pub const QUEUE_OLDEST_WAITING: &str = "reelmill_queue_oldest_waiting_seconds";
/// From claim to end of an attempt, in seconds, by type and state.
pub const JOB_DURATION: &str = "reelmill_job_duration_seconds";
/// Executions that ended, by workflow and state.
pub const EXECUTIONS: &str = "reelmill_executions_total";
/// Events of uploads, by outcome.
pub const EVENTS: &str = "reelmill_events_total";
/// Running jobs whose lease expired.
pub const LEASES_LOST: &str = "reelmill_leases_lost_total";
/// Attempts to deliver, by kind of target and result.
pub const NOTIFICATIONS: &str = "reelmill_notifications_total";
/// Notifications not yet delivered.
pub const NOTIFICATIONS_WAITING: &str = "reelmill_notifications_waiting";
/// Scratch space that running jobs are estimated to need, in bytes.
pub const SCRATCH_USED: &str = "reelmill_scratch_used_bytes";
/// Scratch space that they may need together, in bytes.
pub const SCRATCH_LIMIT: &str = "reelmill_scratch_limit_bytes";
/// Seconds of media made per second.
pub const ENCODE_SPEED: &str = "reelmill_encode_speed_ratio";

/// Kinds of targets of notifications.
const TARGETS: [&str; 3] = ["sqs", "sns", "webhook"];

/// Buckets of durations: a probe takes a tenth of a second, a long encode hours.
const DURATIONS_S: &[f64] = &[0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];
/// Buckets of speeds; 1 is real time.
const SPEEDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// Interval of putting observations into their buckets; until then each is kept by itself.
const UPKEEP: Duration = Duration::from_secs(10);

/// Outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventResult {
    /// It started something.
    Started,
    /// No workflow wants it.
    Unmatched,
    /// The upload had an event before.
    Duplicate,
    /// No shape fits the message.
    Unreadable,
    /// Not for now.
    Refused,
}

impl EventResult {
    const ALL: [Self; 5] = [Self::Started, Self::Unmatched, Self::Duplicate, Self::Unreadable, Self::Refused];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Unmatched => "unmatched",
            Self::Duplicate => "duplicate",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
        }
    }
}

/// Outcome of an attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was received.
    Delivered,
    /// It is tried again.
    Retried,
    /// It was the last attempt.
    SetAside,
}

impl Delivery {
    const ALL: [Self; 3] = [Self::Delivered, Self::Retried, Self::SetAside];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::SetAside => "set_aside",
        }
    }
}

/// Counts from now on; the handle gives Prometheus' text. Only the first call of a process counts.
#[must_use]
pub fn install() -> Option<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(JOB_DURATION.to_owned()), DURATIONS_S)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(ENCODE_SPEED.to_owned()), SPEEDS));
    let handle = builder.ok()?.install_recorder().ok()?;
    describe();
    // What has not happened yet is 0 and no gap: a series that begins with its first count never rose.
    counter!(LEASES_LOST).absolute(0);
    for what in EventResult::ALL {
        counter!(EVENTS, "result" => what.as_str()).absolute(0);
    }
    for target in TARGETS {
        for what in Delivery::ALL {
            counter!(NOTIFICATIONS, "target" => target, "result" => what.as_str()).absolute(0);
        }
    }
    Some(handle)
}

/// Registers the descriptions that Prometheus shows beside the names.
fn describe() {
    describe_gauge!(JOBS_WAITING, "Jobs of the fleet that wait for a slot.");
    describe_gauge!(JOBS_RUNNING, "Jobs of the fleet that run.");
    describe_gauge!(QUEUE_OLDEST_WAITING, "Age of the execution whose job has waited longest.");
    describe_histogram!(JOB_DURATION, "From claim to end of an attempt.");
    describe_counter!(EXECUTIONS, "Executions that ended.");
    describe_counter!(EVENTS, "Events of uploads, by outcome.");
    describe_counter!(LEASES_LOST, "Leases that expired while their job ran.");
    describe_counter!(NOTIFICATIONS, "Attempts to deliver a notification.");
    describe_gauge!(NOTIFICATIONS_WAITING, "Notifications not yet delivered, without dead-lettered ones.");
    describe_gauge!(SCRATCH_USED, "Scratch space that running jobs are estimated to need.");
    describe_gauge!(SCRATCH_LIMIT, "Scratch space that running jobs may need together.");
    describe_histogram!(ENCODE_SPEED, "Seconds of media made per second; 1 is real time.");
}

/// Bounds the memory of observations, whether metrics are read or not; never ends.
pub async fn upkeep(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

/// An attempt ended.
pub fn job_ended(kind: &'static str, state: &'static str, took: Duration) {
    histogram!(JOB_DURATION, "type" => kind, "state" => state).record(took.as_secs_f64());
}

/// A job that makes media ended with this speed.
pub fn encoded(speed: f64) {
    histogram!(ENCODE_SPEED).record(speed);
}

/// Executions of this workflow may end in one of these states.
pub fn workflow(name: &str, states: &[&'static str]) {
    for state in states {
        counter!(EXECUTIONS, "workflow" => name.to_owned(), "state" => *state).absolute(0);
    }
}

/// An execution ended.
pub fn execution_ended(workflow: &str, state: &'static str) {
    counter!(EXECUTIONS, "workflow" => workflow.to_owned(), "state" => state).increment(1);
}

/// Counts an event.
pub fn announced(what: EventResult) {
    counter!(EVENTS, "result" => what.as_str()).increment(1);
}

/// Counts running jobs whose lease expired.
pub fn leases_lost(jobs: u32) {
    counter!(LEASES_LOST).increment(jobs.into());
}

/// A notification was tried.
pub fn notified(target: &'static str, what: Delivery) {
    counter!(NOTIFICATIONS, "target" => target, "result" => what.as_str()).increment(1);
}

/// Records the jobs of a queue.
#[expect(clippy::cast_precision_loss, reason = "counts of jobs are far below 2^52")]
pub fn queue(name: &str, waiting: u64, running: u64, oldest: Duration) {
    let name = || name.to_owned();
    gauge!(JOBS_WAITING, "queue" => name()).set(waiting as f64);
    gauge!(JOBS_RUNNING, "queue" => name()).set(running as f64);
    gauge!(QUEUE_OLDEST_WAITING, "queue" => name()).set(oldest.as_secs_f64());
}

/// Notifications that wait now.
#[expect(clippy::cast_precision_loss, reason = "counts of notifications are far below 2^52")]
pub fn notifications_waiting(count: u64) {
    gauge!(NOTIFICATIONS_WAITING).set(count as f64);
}

/// Scratch space that is spoken for, and how much may be.
#[expect(clippy::cast_precision_loss, reason = "a gauge of bytes need not be exact beyond 2^52")]
pub fn scratch(used_bytes: u64, limit_bytes: u64) {
    gauge!(SCRATCH_USED).set(used_bytes as f64);
    gauge!(SCRATCH_LIMIT).set(limit_bytes as f64);
}
