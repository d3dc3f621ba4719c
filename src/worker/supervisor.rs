//! Following one worker through its tasks: hand them over, listen, and stop each that takes too long, stands still or is
//! not wanted.
//!
//! One loop owns the worker, over one kind of [`Event`]. **Invariant**: every task is answered once; what happens to the
//! worker happens to all tasks that have not ended, and what happens to a task leaves the others alone.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::select_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::WorkerError;
use super::admission::Need;
use super::input::{Input, RangeErrors, hand_over};
use super::pool::Pool;
use super::process::WorkerProcess;
use super::protocol::{Job, Line, Message, Order, Task, VERSION};
use crate::model::work::{Produced, Report, Work};
use crate::model::{Code, Failure};
use crate::store::Progress;

/// Time limits of a task.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall clock.
    pub timeout: Duration,
    /// Without progress of any task of the worker.
    pub stall: Duration,
    /// Between the request to end and the kill.
    pub grace: Duration,
}

/// A task for a worker.
pub struct Assignment {
    /// Inputs, in the order in which the work refers to them.
    pub inputs: Vec<Input>,
    /// Empty folder for its files.
    pub scratch: PathBuf,
    /// Work of the task.
    pub work: Work,
    /// Time limits.
    pub limits: Limits,
    /// Receives progress and warnings.
    pub words: mpsc::Sender<JobMessage>,
    /// Ends it early.
    pub stop: CancellationToken,
}

/// Channel of a task's result: its report, the worker's own failure, or what happened to the worker, with the end of its
/// standard error in the chain.
pub type Answer = oneshot::Sender<Result<Report, Failure>>;

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

/// Does `tasks` with one worker of `pool`, with so many threads for its codecs (0: as many as there are processors).
/// Several tasks are pipelines whose first input is the same; that of the first task is read. Returns what they used:
/// the worker's peak memory, and scratch space if every task succeeded (0 else, which says nothing).
pub async fn run(pool: &Pool, threads: u32, tasks: Vec<(Assignment, Answer)>) -> Need {
    let Some(limits) = tasks.first().map(|(assignment, _)| assignment.limits) else { return Need::default() };
    let errors = RangeErrors::default();
    let (job, mut members) = split(tasks, threads);
    let mut worker = match pool.take().await {
        Ok(worker) => worker,
        Err(error) => {
            for member in &mut members {
                member.answer(Err(Failure::from(&error)));
            }
            return Need::default();
        }
    };
    let mut memory = 0;
    let end = match give(&mut worker, job, &errors).await {
        Ok(()) => follow(&mut worker, &mut members, limits, &errors, &mut memory).await,
        Err(source) => Err(WorkerError::Handover(source)),
    };
    let storage_owes = errors.is_reading();
    let end = match end {
        Err(WorkerError::Crashed { .. }) => {
            let ended = tokio::time::timeout(limits.grace, worker.end()).await;
            let status = ended.unwrap_or_else(|_| "it closed its output and did not end".to_owned());
            Err(WorkerError::Crashed { status })
        }
        other => other,
    };
    worker.stop(limits.grace).await;
    if let Err(error) = end {
        let failure = failure_of(&error, &errors, storage_owes, &mut worker).await;
        for member in &mut members {
            member.answer(Err(failure.clone()));
        }
    }
    let made = members.iter().try_fold(0_u64, |sum, member| Some(sum.saturating_add(member.made_bytes?)));
    Need { memory, scratch: made.unwrap_or(0) }
}

/// The failure of all tasks that had not ended when their worker did.
async fn failure_of(
    error: &WorkerError,
    errors: &RangeErrors,
    storage_owes: bool,
    worker: &mut WorkerProcess,
) -> Failure {
    match (error, errors.get()) {
        (_, Some(read)) => read.of_job(),
        (WorkerError::Stalled { limit_s }, None) if storage_owes => {
            let late = format!("no response from storage within {limit_s} s");
            Failure::infrastructure("WORKER0010", late)
        }
        (error, None) => {
            let mut failure = Failure::from(error);
            failure.chain.extend(worker.last_words().await);
            failure
        }
    }
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

/// Does one task with one worker of `pool`.
///
/// # Errors
/// As an [`Answer`] has them.
pub async fn run_one(pool: &Pool, threads: u32, task: Assignment) -> Result<Report, Failure> {
    let (answer, answered) = oneshot::channel();
    run(pool, threads, vec![(task, answer)]).await;
    answered.await.unwrap_or_else(|_| Err(Failure::bug("WORKER0008", "the task has no result")))
}

/// A task under way.
struct Member {
    limits: Limits,
    words: mpsc::Sender<JobMessage>,
    stop: CancellationToken,
    deadline: Instant,
    last: Progress,
    warnings: u32,
    /// Size of its files, once it succeeded.
    made_bytes: Option<u64>,
    /// Until its end.
    answer: Option<Answer>,
}

impl Member {
    fn answer(&mut self, end: Result<Report, Failure>) {
        if let Some(answer) = self.answer.take() {
            // Nobody waits any more where the daemon goes down.
            let _ = answer.send(end);
        }
    }

    const fn is_live(&self) -> bool {
        self.answer.is_some()
    }
}

/// The job for the worker with its inputs, and who waits for its tasks.
fn split(tasks: Vec<(Assignment, Answer)>, threads: u32) -> ((Vec<Input>, Job), Vec<Member>) {
    let (mut inputs, mut members, mut given) = (Vec::new(), Vec::new(), Vec::new());
    for (Assignment { inputs: own, scratch, work, limits, words, stop }, answer) in tasks {
        let mut places = Vec::with_capacity(own.len());
        for (place, input) in own.into_iter().enumerate() {
            // All read the same first input.
            if place == 0 && !inputs.is_empty() {
                places.push(0);
                continue;
            }
            places.push(inputs.len());
            inputs.push(input);
        }
        given.push(Task { scratch, inputs: places, work });
        let (deadline, last) = (Instant::now() + limits.timeout, Progress::default());
        members.push(Member {
            limits,
            words,
            stop,
            deadline,
            last,
            warnings: 0,
            made_bytes: None,
            answer: Some(answer),
        });
    }
    ((inputs, Job { protocol: VERSION, inputs: Vec::new(), threads, tasks: given }), members)
}

async fn give(
    worker: &mut WorkerProcess,
    (inputs, job): (Vec<Input>, Job),
    errors: &RangeErrors,
) -> std::io::Result<()> {
    let handed: Vec<_> = inputs.into_iter().map(|input| hand_over(input, errors)).collect::<std::io::Result<_>>()?;
    let (inputs, descriptors): (Vec<_>, Vec<_>) = handed.into_iter().unzip();
    worker.give(&Job { inputs, ..job }, &descriptors).await
}

/// Something that happens to a worker or to its tasks.
enum Event {
    /// The worker said something; `None`: it closed its output.
    Said(Option<Line>),
    /// Nobody wants this task any more.
    Unwanted(usize),
    /// This task took too long.
    Late(usize),
    /// No task has made progress for too long.
    Stalled,
}

/// Waits for the next event; `stalled` is when the worker counts as stalled.
async fn next(worker: &mut WorkerProcess, members: &[Member], stalled: Instant) -> Result<Event, WorkerError> {
    let live = || members.iter().enumerate().filter(|(_, member)| member.is_live());
    let stops = live().map(|(task, member)| {
        Box::pin(async move {
            member.stop.cancelled().await;
            task
        })
    });
    let late = live().map(|(task, member)| (member.deadline, task)).min();
    let (deadline, late) = late.unwrap_or((stalled, 0));
    Ok(tokio::select! {
        biased;
        (task, ..) = select_all(stops) => Event::Unwanted(task),
        line = worker.next() => Event::Said(line?),
        () = tokio::time::sleep_until(deadline) => Event::Late(late),
        () = tokio::time::sleep_until(stalled) => Event::Stalled,
    })
}

/// Follows the tasks until each has ended. An error is the end of the worker, with whatever tasks are left.
async fn follow(
    worker: &mut WorkerProcess,
    members: &mut [Member],
    limits: Limits,
    errors: &RangeErrors,
    memory: &mut u64,
) -> Result<(), WorkerError> {
    let mut stalled = Instant::now() + limits.stall;
    while members.iter().any(Member::is_live) {
        let (task, error) = match next(worker, members, stalled).await? {
            Event::Said(Some(line)) => {
                *memory = worker.peak_memory().unwrap_or(0).max(*memory);
                if hear(line, members, errors).await? {
                    stalled = Instant::now() + limits.stall;
                }
                continue;
            }
            Event::Said(None) => return Err(WorkerError::Crashed { status: String::new() }),
            Event::Stalled => return Err(WorkerError::Stalled { limit_s: limits.stall.as_secs() }),
            Event::Unwanted(task) => (task, WorkerError::Stopped),
            Event::Late(task) => (task, WorkerError::TimedOut { limit_s: members[task].limits.timeout.as_secs() }),
        };
        if matches!(error, WorkerError::TimedOut { .. })
            && members.iter().filter(|member| member.is_live()).count() == 1
        {
            // With what the worker said last.
            return Err(error);
        }
        members[task].answer(Err(Failure::from(&error)));
        if members.iter().any(Member::is_live) {
            worker.order(&Order::Stop(task)).await.map_err(WorkerError::Handover)?;
        }
    }
    Ok(())
}

/// Passes a message on to those whom it is about; answers whether one of them made progress.
async fn hear(line: Line, members: &mut [Member], errors: &RangeErrors) -> Result<bool, WorkerError> {
    let mut moved = false;
    let all = members.len();
    let about = line.task.map_or(0..all, |task| task..task.saturating_add(1));
    let unknown = || WorkerError::Protocol("a message about a task that it was not given".to_owned());
    let members = members.get_mut(about).ok_or_else(unknown)?;
    for member in members.iter_mut().filter(|member| member.is_live()) {
        match line.message.clone() {
            Message::Progress { fraction, speed, position_ms } => {
                // Standing still and saying so is standing still.
                moved |= (fraction, position_ms) != (member.last.fraction, member.last.position_ms);
                member.last = Progress { fraction, speed, position_ms };
                // A slow listener misses marks of progress; it never slows the job down.
                let _ = member.words.try_send(JobMessage::Progress(member.last));
            }
            // A warning is no progress, and a worker that warns for ever is only heard for so long.
            Message::Warning { code, message } => {
                member.warnings += 1;
                if member.warnings <= MAX_WARNINGS {
                    let _ = member.words.send(JobMessage::Warning { code, message: shortened(message) }).await;
                }
            }
            Message::Done { report } => {
                moved = true;
                member.made_bytes = Some(report.size_bytes());
                member.answer(Ok(report));
            }
            Message::Failed { failure } => {
                moved = true;
                let message = shortened(failure.message);
                let chain = failure.chain.into_iter().take(MAX_CAUSES).map(shortened).collect();
                let own = Failure { message, chain, ..failure };
                member.answer(Err(errors.get().map_or(own, |read| read.of_job())));
            }
            Message::Hello { .. } => return Err(WorkerError::Protocol("a second hello".to_owned())),
        }
    }
    Ok(moved)
}

/// Folds the outcomes of a report's outputs into one: everything, or the first failure.
pub fn all_or_nothing(report: Report) -> Result<Vec<Produced>, Failure> {
    report.outputs.into_iter().collect()
}
