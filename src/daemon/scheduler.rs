//! Claiming jobs while there are slots, and seeing each claimed job through to its report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::group::{self, Seat};
use super::hold::LeaseGuard;
use super::job::Channels;
use super::live::Mark;
use super::{Host, job};
use crate::engine::LogEvent;
use crate::model::{Class, Code, Coded, Failure};
use crate::store::{Claim, Heartbeat, Hint, Progress, StoreError};
use crate::telemetry::metrics;
use crate::worker::supervisor::JobMessage;

/// Heartbeats: often enough that a cancelled job stops within two seconds. Three fit into the shortest lease.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(600);
/// Hints can be missed; this is how long a queued job may then wait.
const POLL: Duration = Duration::from_secs(1);
/// Buffer for messages of a worker that were not passed on yet.
const WORDS: usize = 64;
/// Attempts to record the end of an attempt while the store responds and refuses it.
const REPORT_TRIES: u32 = 8;

/// Signals that stop the scheduler.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Claim no more; running jobs go on.
    pub soft: CancellationToken,
    /// Stop running jobs and leave them to the next start.
    pub hard: CancellationToken,
}

/// Claims and runs jobs until `shutdown`; returns when the last job has ended.
pub async fn run(host: Arc<Host>, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(host.slots));
    let mut hints = host.store.hints();
    let mut jobs = JoinSet::new();
    let mut full = false;
    loop {
        let permit = tokio::select! {
            biased;
            () = shutdown.soft.cancelled() => break,
            permit = Arc::clone(&slots).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        while jobs.try_join_next().is_some() {}
        if !room(&host, &mut full) {
            drop(permit);
            if !pause(POLL, &shutdown.soft).await {
                break;
            }
            continue;
        }
        // Hints of the time in which every slot was busy say nothing any more.
        hints = hints.resubscribe();
        let until = Instant::now() + host.lease;
        match host.store.claim(&host.claimant, host.lease, host.clock.now()).await {
            Ok(Some(claim)) => {
                let (host, hard) = (Arc::clone(&host), shutdown.hard.clone());
                jobs.spawn(async move {
                    group::run(&host, claim, until, &hard).await;
                    drop(permit);
                });
            }
            Ok(None) => {
                drop(permit);
                if !queued(&mut hints, &shutdown.soft).await {
                    break;
                }
            }
            Err(error) => {
                drop(permit);
                tracing::error!(error = %error.with_code(), source = ?std::error::Error::source(&error), "cannot claim a job; retrying");
                if !pause(POLL, &shutdown.soft).await {
                    break;
                }
            }
        }
    }
    while jobs.join_next().await.is_some() {}
}

/// Returns whether the disk of the scratch folder has room for another job; logs every change of that.
fn room(host: &Host, full: &mut bool) -> bool {
    let shortage = host.scratch.shortage();
    match shortage {
        Some(free_bytes) if !*full => {
            tracing::warn!(
                code = "WORKER0013",
                free_bytes,
                "the disk of the scratch folder is full: no job is claimed"
            );
        }
        None if *full => tracing::info!("the disk of the scratch folder has room again"),
        _ => {}
    }
    *full = shortage.is_some();
    !*full
}

/// Waits until a job may have been queued; false where it is time to stop.
async fn queued(hints: &mut tokio::sync::broadcast::Receiver<Hint>, soft: &CancellationToken) -> bool {
    let hinted = async {
        loop {
            match hints.recv().await {
                Ok(Hint::Queue) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
                Ok(_) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        () = soft.cancelled() => false,
        () = hinted => true,
        () = tokio::time::sleep(POLL) => true,
    }
}

/// False where it is time to stop.
pub(super) async fn pause(duration: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(duration) => true,
    }
}

enum AttemptEnd {
    Reported(Result<job::JobResult, Failure>),
    /// The daemon is going down.
    HandedBack,
    /// The lease was lost: report nothing.
    Abandoned,
}

/// Runs a claimed job whose lease is valid at least until `until`, and reports its end.
pub(super) async fn see_through(
    host: &Host,
    claim: Claim,
    until: Instant,
    hard: &CancellationToken,
    seat: Option<Seat>,
) {
    let _running = host.live.begin_job();
    let Some(activity) = claim.plan.graph.node_weight(petgraph::graph::NodeIndex::new(claim.activity)) else { return };
    let name = activity.name.clone();
    let begin = Instant::now();
    let outcome = attend(host, &claim, &name, until, hard, seat).await;
    let state = match &outcome {
        AttemptEnd::Reported(Ok(_)) => Some("succeeded"),
        AttemptEnd::Reported(Err(failure)) if failure.class == Class::Cancelled => Some("cancelled"),
        AttemptEnd::Reported(Err(_)) => Some("failed"),
        AttemptEnd::HandedBack | AttemptEnd::Abandoned => None,
    };
    if let Some(state) = state {
        metrics::job_ended(activity.kind.as_str(), state, begin.elapsed());
    }
    if let AttemptEnd::Reported(Err(failure)) = &outcome
        && failure.is_outage()
    {
        tracing::warn!(execution = %claim.execution, activity = name, %failure, "the job waits: storage, network, database or disk is unavailable");
    }
    report(host, &claim, &name, &outcome, hard).await;
}

/// Reports how the attempt ended. While the store is unavailable it is tried again: finished work should not be
/// repeated.
async fn report(host: &Host, claim: &Claim, name: &str, outcome: &AttemptEnd, hard: &CancellationToken) {
    let began = Instant::now();
    let mut tries = 0;
    loop {
        let now = host.clock.now();
        let reported = match outcome {
            AttemptEnd::Reported(Ok(done)) => {
                host.store.succeed(claim.job, claim.attempt, done.result.clone(), done.outputs.clone(), now).await
            }
            AttemptEnd::Reported(Err(failure)) => {
                host.store.fail(claim.job, claim.attempt, failure.clone(), host.patience, now).await
            }
            AttemptEnd::HandedBack => {
                host.store.hand_back(claim.job, claim.attempt, "the daemon shuts down", now).await
            }
            AttemptEnd::Abandoned => return,
        };
        match reported {
            Ok(()) => return,
            Err(StoreError::Database { .. }) if tries + 1 < REPORT_TRIES => {
                // A store that answers nothing else either is away, and that has no number of tries.
                let is_away = host.store.is_idle().await.is_err() && began.elapsed() < host.patience;
                tries += u32::from(!is_away);
                let wait = if is_away { POLL / 4 } else { Duration::from_millis(100 << tries) };
                if !pause(wait, hard).await {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(execution = %claim.execution, activity = name, attempt = claim.attempt, error = %error.with_code(), "cannot record the end of an attempt");
                return;
            }
        }
    }
}

/// Runs the job and its heartbeat concurrently, so that a slow answer of the store delays neither.
async fn attend(
    host: &Host,
    claim: &Claim,
    activity: &str,
    until: Instant,
    hard: &CancellationToken,
    seat: Option<Seat>,
) -> AttemptEnd {
    let stop = hard.child_token();
    let done = CancellationToken::new();
    let hold = LeaseGuard::new(until, hard.child_token());
    let (sender, mut words) = mpsc::channel(WORDS);
    let mut lost = false;
    let mut speed = None;
    let work = async {
        let outcome = job::run(host, claim, Channels { words: sender, stop: &stop, hold: &hold }, seat).await;
        done.cancel();
        outcome
    };
    let beat = async {
        done.run_until_cancelled(keep(host, claim, activity, &mut words, &hold, &stop, (&mut lost, &mut speed))).await;
        while let Ok(word) = words.try_recv() {
            if let JobMessage::Warning { code, message } = word {
                warn(host, claim, code, message).await;
            }
        }
    };
    // Finished work is reported even while the daemon shuts down; attempts that the shutdown stopped are handed back.
    let (outcome, ()) = futures::join!(work, beat);
    if let Some(speed) = speed {
        metrics::encoded(speed);
    }
    match outcome {
        _ if lost => AttemptEnd::Abandoned,
        Err(_) if hard.is_cancelled() => AttemptEnd::HandedBack,
        outcome => AttemptEnd::Reported(outcome),
    }
}

/// Renews the lease and records the worker's messages, until dropped.
async fn keep(
    host: &Host,
    claim: &Claim,
    activity: &str,
    words: &mut mpsc::Receiver<JobMessage>,
    hold: &LeaseGuard,
    stop: &CancellationToken,
    (lost, speed): (&mut bool, &mut Option<f64>),
) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress: Option<Progress> = None;
    loop {
        tokio::select! {
            Some(word) = words.recv() => match word {
                JobMessage::Progress(mark) => {
                    progress = Some(mark);
                    *speed = mark.speed.or(*speed);
                    host.live.tell(Mark { execution: claim.execution, activity: activity.to_owned(), progress: mark });
                }
                JobMessage::Warning { code, message } => warn(host, claim, code, message).await,
            },
            _ = beat.tick() => {
                // From before the question: the lease may have been prolonged at any time since.
                let asked = Instant::now();
                let now = host.clock.now();
                let beaten = host.store.heartbeat(claim.job, claim.attempt, host.lease, progress, now).await;
                match beaten {
                    Ok(Heartbeat::Continue) => hold.until(asked + host.lease),
                    Ok(Heartbeat::Busy) => {}
                    Ok(Heartbeat::Stop) => stop.cancel(),
                    Ok(Heartbeat::Lost) => {
                        *lost = true;
                        hold.abandon();
                        stop.cancel();
                    }
                    Err(error) => tracing::warn!(error = %error.with_code(), "cannot record a heartbeat"),
                }
            }
        }
    }
}

async fn warn(host: &Host, claim: &Claim, code: Code, message: String) {
    let event = LogEvent::Warning { code, message };
    if let Err(error) = host.store.note(claim.job, claim.attempt, event, host.clock.now()).await {
        tracing::warn!(error = %error.with_code(), "cannot record a warning");
    }
}
