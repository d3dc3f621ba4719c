//! Seeing one job through: hand it over, listen, and stop it when it takes too long, stands still or is not wanted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::WorkerError;
use super::input::{Input, RangeErrors, hand_over};
use super::pool::Pool;
use super::process::WorkerProcess;
use super::protocol::{Job, Message, VERSION};
use crate::model::work::{Report, Work};
use crate::model::{Code, Failure, work};
use crate::store::Progress;

/// Time limits of a job.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall clock.
    pub timeout: Duration,
    /// Without progress.
    pub stall: Duration,
    /// Between the request to end and the kill.
    pub grace: Duration,
}

/// A job for a worker.
pub struct Assignment<'a> {
    /// Inputs, in the order in which the work refers to them.
    pub inputs: Vec<Input>,
    /// Empty folder for its files.
    pub scratch: &'a Path,
    /// Threads for codecs; 0: as many as there are processors.
    pub threads: u32,
    /// Work of the job.
    pub work: Work,
    /// Time limits.
    pub limits: Limits,
    /// Peak memory of the worker in bytes, written while the job runs.
    pub peak_memory: Arc<AtomicU64>,
}

/// Message of a job before its end.
#[derive(Clone, Debug, PartialEq)]
pub enum JobMessage {
    /// Progress of the job.
    Progress(Progress),
    /// Something for the execution's log.
    Warning {
        /// Stable code.
        code: Code,
        /// One sentence.
        message: String,
    },
}

/// Does one job with one worker of `pool`. `words` hears of progress and warnings; `stop` ends it early.
///
/// # Errors
/// The worker's own failure, or what happened to it, with the end of its standard error in the chain.
pub async fn run(
    pool: &Pool,
    assignment: Assignment<'_>,
    words: mpsc::Sender<JobMessage>,
    stop: &CancellationToken,
) -> Result<Report, Failure> {
    let (limits, peak) = (assignment.limits, Arc::clone(&assignment.peak_memory));
    let source_error = RangeErrors::default();
    let mut worker = pool.take().await.map_err(|error| Failure::from(&error))?;
    let outcome = match give(&mut worker, assignment, &source_error).await {
        Ok(()) => listen(&mut worker, limits, &words, stop, &peak).await,
        Err(source) => Err(JobEnd::Worker(WorkerError::Handover(source))),
    };
    let storage_owes = source_error.is_reading();
    let outcome = match outcome {
        Err(JobEnd::Worker(WorkerError::Crashed { .. })) => {
            let ended = tokio::time::timeout(limits.grace, worker.end()).await;
            let status = ended.unwrap_or_else(|_| "it closed its output and did not end".to_owned());
            Err(JobEnd::Worker(WorkerError::Crashed { status }))
        }
        other => other,
    };
    worker.stop(limits.grace).await;
    let end = match outcome {
        Ok(report) => return Ok(report),
        Err(end) => end,
    };
    Err(match (end, source_error.get()) {
        (JobEnd::Worker(error @ WorkerError::Stopped), _) => Failure::from(&error),
        (_, Some(read)) => read.of_job(),
        (JobEnd::Worker(WorkerError::Stalled { limit_s }), None) if storage_owes => {
            let late = format!("no response from storage within {limit_s} s");
            Failure::infrastructure("WORKER0010", late)
        }
        (JobEnd::Failed(failure), None) => failure,
        (JobEnd::Worker(error), None) => {
            let mut failure = Failure::from(&error);
            failure.chain.extend(worker.last_words().await);
            failure
        }
    })
}

/// Warnings of one attempt that are kept.
const MAX_WARNINGS: u32 = 100;
/// Causes of a worker's failure that are kept.
const MAX_CAUSES: usize = 50;
/// Longest text of a worker's that is kept, in bytes: it goes into the log, and a worker is not trusted.
const MAX_TEXT_BYTES: usize = 2048;

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

enum JobEnd {
    Failed(Failure),
    Worker(WorkerError),
}

impl From<WorkerError> for JobEnd {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

async fn give(worker: &mut WorkerProcess, assignment: Assignment<'_>, errors: &RangeErrors) -> std::io::Result<()> {
    let handed: Vec<_> =
        assignment.inputs.into_iter().map(|input| hand_over(input, errors)).collect::<std::io::Result<_>>()?;
    let (inputs, descriptors): (Vec<_>, Vec<_>) = handed.into_iter().unzip();
    let job = Job {
        protocol: VERSION,
        inputs,
        scratch: assignment.scratch.to_owned(),
        threads: assignment.threads,
        work: assignment.work,
    };
    worker.give(&job, &descriptors).await
}

async fn listen(
    worker: &mut WorkerProcess,
    limits: Limits,
    words: &mpsc::Sender<JobMessage>,
    stop: &CancellationToken,
    peak: &AtomicU64,
) -> Result<Report, JobEnd> {
    let deadline = Instant::now() + limits.timeout;
    let mut stalled = Instant::now() + limits.stall;
    let mut last = Progress::default();
    let mut warnings = 0;
    loop {
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(WorkerError::Stopped.into()),
            message = worker.next() => message?,
            () = tokio::time::sleep_until(deadline) => {
                return Err(WorkerError::TimedOut { limit_s: limits.timeout.as_secs() }.into());
            }
            () = tokio::time::sleep_until(stalled) => {
                return Err(WorkerError::Stalled { limit_s: limits.stall.as_secs() }.into());
            }
        };
        match message {
            Some(Message::Progress { fraction, speed, position_ms }) => {
                // Progress messages without a change do not count as progress.
                if (fraction, position_ms) != (last.fraction, last.position_ms) {
                    stalled = Instant::now() + limits.stall;
                }
                last = Progress { fraction, speed, position_ms };
                peak.fetch_max(worker.peak_memory().unwrap_or(0), Ordering::Relaxed);
                // A slow listener misses marks of progress; it never slows the job down.
                let _ = words.try_send(JobMessage::Progress(last));
            }
            // Warnings do not count as progress, so a worker that sends only warnings is stopped after a time.
            Some(Message::Warning { code, message }) => {
                warnings += 1;
                if warnings <= MAX_WARNINGS {
                    let _ = words.send(JobMessage::Warning { code, message: shortened(message) }).await;
                }
            }
            Some(Message::Done { report }) => return Ok(report),
            Some(Message::Failed { failure }) => {
                let message = shortened(failure.message);
                let chain = failure.chain.into_iter().take(MAX_CAUSES).map(shortened).collect();
                return Err(JobEnd::Failed(Failure { message, chain, ..failure }));
            }
            Some(Message::Hello { .. }) => return Err(WorkerError::Protocol("a second hello".to_owned()).into()),
            None => return Err(WorkerError::Crashed { status: String::new() }.into()),
        }
    }
}

/// Folds the outcomes of a report's outputs into one: everything, or the first failure.
pub fn all_or_nothing(report: Report) -> Result<work::Report, Failure> {
    if let Report::Outputs(outputs) = &report
        && let Some(failure) = outputs.iter().find_map(|output| output.as_ref().err())
    {
        return Err(failure.clone());
    }
    Ok(report)
}
