//! Claiming jobs while there are slots, and seeing each claimed job through to its report.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::live::Mark;
use super::{Host, job};
use crate::engine::LogEvent;
use crate::model::Failure;
use crate::store::{Claim, Heartbeat, Hint, Progress, StoreError};
use crate::worker::supervisor::Word;

/// How long a lease runs without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(30);
/// Heartbeats: often enough that a cancelled job stops within two seconds.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Hints can be missed; this is how long a queued job may then wait.
const POLL: Duration = Duration::from_secs(1);
/// How often a report is tried again while the store cannot be written.
const REPORT_TRIES: usize = 8;

/// When the scheduler stops.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Claim no more; running jobs go on.
    pub soft: CancellationToken,
    /// Stop running jobs and leave them to the next start.
    pub hard: CancellationToken,
}

/// Claims and runs jobs until told to stop; returns when the last job has ended.
pub async fn run(host: Arc<Host>, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(host.slots));
    let mut hints = host.store.hints();
    let mut jobs = JoinSet::new();
    loop {
        let permit = tokio::select! {
            biased;
            () = shutdown.soft.cancelled() => break,
            permit = Arc::clone(&slots).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        while jobs.try_join_next().is_some() {}
        match host.store.claim(&host.claimant, LEASE, host.clock.now()).await {
            Ok(Some(claim)) => {
                let (host, hard) = (Arc::clone(&host), shutdown.hard.clone());
                jobs.spawn(async move {
                    see_through(&host, claim, &hard).await;
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
                tracing::error!(%error, source = ?std::error::Error::source(&error), "cannot claim a job; trying again");
                if !pause(POLL, &shutdown.soft).await {
                    break;
                }
            }
        }
    }
    while jobs.join_next().await.is_some() {}
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

enum Ended {
    Reported(Result<job::Done, Failure>),
    /// The lease is somebody else's, or the daemon is going down: say nothing.
    Abandoned,
}

async fn see_through(host: &Host, claim: Claim, hard: &CancellationToken) {
    let Some(activity) = claim.plan.graph.node_weight(petgraph::graph::NodeIndex::new(claim.activity)) else { return };
    let name = activity.name.clone();
    let outcome = match attend(host, &claim, &name, hard).await {
        Ended::Reported(outcome) => outcome,
        Ended::Abandoned => return,
    };
    for attempt in 0..REPORT_TRIES {
        let now = host.clock.now();
        let reported = match &outcome {
            Ok(done) => {
                host.store.succeed(claim.job, claim.attempt, done.result.clone(), done.outputs.clone(), now).await
            }
            Err(failure) => host.store.fail(claim.job, claim.attempt, failure.clone(), now).await,
        };
        match reported {
            Ok(()) => return,
            Err(StoreError::Database { .. }) if attempt + 1 < REPORT_TRIES => {
                if !pause(Duration::from_millis(100 << attempt), hard).await {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(execution = %claim.execution, activity = name, attempt = claim.attempt, %error, "the report was not taken");
                return;
            }
        }
    }
}

/// Runs the job beside its heartbeat.
async fn attend(host: &Host, claim: &Claim, activity: &str, hard: &CancellationToken) -> Ended {
    let stop = hard.child_token();
    let (sender, mut words) = mpsc::channel(64);
    let abandoned = hard.child_token();
    let work = job::run(host, claim, sender, &stop, &abandoned);
    tokio::pin!(work);
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress: Option<Progress> = None;
    let mut lost = false;
    loop {
        tokio::select! {
            outcome = &mut work => {
                while let Ok(word) = words.try_recv() {
                    if let Word::Warning { code, message } = word {
                        warn(host, claim, code, message).await;
                    }
                }
                // What is done is reported even while the daemon goes down; what was stopped by that is not.
                let stopped = hard.is_cancelled() && outcome.is_err();
                return if lost || stopped { Ended::Abandoned } else { Ended::Reported(outcome) };
            }
            Some(word) = words.recv() => match word {
                Word::Progress(mark) => {
                    progress = Some(mark);
                    host.live.tell(Mark { execution: claim.execution, activity: activity.to_owned(), progress: mark });
                }
                Word::Warning { code, message } => warn(host, claim, code, message).await,
            },
            _ = beat.tick() => {
                let beaten = host.store.heartbeat(claim.job, claim.attempt, LEASE, progress, host.clock.now()).await;
                match beaten {
                    Ok(Heartbeat::Continue) => {}
                    Ok(Heartbeat::Stop) => stop.cancel(),
                    Ok(Heartbeat::Lost) => {
                        lost = true;
                        abandoned.cancel();
                        stop.cancel();
                    }
                    Err(error) => tracing::warn!(%error, "a heartbeat was not kept"),
                }
            }
        }
    }
}

async fn warn(host: &Host, claim: &Claim, code: String, message: String) {
    let event = LogEvent::Warning { code, message };
    if let Err(error) = host.store.note(claim.job, claim.attempt, event, host.clock.now()).await {
        tracing::warn!(%error, "a warning was not kept");
    }
}
