//! One source, decoded once, many outputs.
//!
//! ```text
//! demuxer ─▶ decoder of a stream ─▶ filters and encoder of an output ─▶ muxer of the output
//!        ├─▶ (packets taken as they are) ──────────────────────────────▶
//!        └─▶ converter of a subtitle stream ──────────────────────────▶
//! ```
//! Each box is a thread; each arrow a bounded channel ([`flow`]). **Invariant**: an output that fails leaves the others
//! alone; every thread is joined before this ends; what is reported as made was opened again and checked.

mod cadence;
mod colors;
pub mod container;
mod copy;
pub mod decode;
mod demux;
mod detect;
pub mod encode;
mod file;
mod finish;
pub mod flow;
pub mod graph;
mod hdr;
pub mod headers;
mod hold;
mod mux;
pub mod outcome;
mod overlay;
pub mod passes;
mod picture;
mod plan;
pub mod progress;
mod replaced;
mod results;
mod run;
pub mod sink;
mod snapshot;
mod sound;
mod splice;
pub mod stage;
mod still;
pub mod streams;
pub mod subtitles;
#[cfg(test)]
mod tests;
mod video;
mod watch;
mod window;
pub mod wiring;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reelmill::model::Failure;
use reelmill::model::work::{Finding, IfIncomplete, Output, Pipeline, Produced};

pub use self::results::Done;
use self::streams::Inventory;
use crate::analysis;
use crate::error::MediaError;
use crate::probe::{self, Examined};
use crate::source::Source;
use crate::talk::Talk;

/// Settings and channels of a task, besides its work.
#[derive(Clone, Copy)]
pub struct JobContext<'a> {
    /// Folder to write to.
    pub scratch: &'a Path,
    /// Threads for codecs; 0: one for each processor.
    pub threads: u32,
    /// For progress and warnings.
    pub talk: &'a Talk,
    /// What happens where an input is incomplete.
    pub if_incomplete: IfIncomplete,
}

/// A task: the outputs of one job.
pub struct Task<'a> {
    /// Its number.
    pub number: usize,
    /// Outputs.
    pub work: &'a Pipeline,
    /// Inputs; the first is the same in all tasks of a run.
    pub inputs: &'a [Source],
    /// Settings and channels.
    pub context: JobContext<'a>,
    /// Set once nobody wants its outputs any more.
    pub stop: Arc<AtomicBool>,
}

/// Makes every output of `tasks` from their common first input, decoded once. `done` gets the results of each task's
/// outputs, in order, as soon as its last one has ended, on whatever thread; `talk` speaks of all of them.
pub fn run(tasks: Vec<Task<'_>>, talk: &Talk, done: &Done<'_>) {
    let fail = |tasks: &[Task<'_>], error: MediaError| {
        let failure = Failure::from(error);
        for task in tasks {
            done(task.number, Err(failure.clone()));
        }
    };
    let source = tasks.first().and_then(|task| task.inputs.first());
    let (examined, unusable) = match source.map_or_else(|| Err(MediaError::Job("it has no input".into())), examine) {
        Ok(examined) => examined,
        Err(error) => return fail(&tasks, error),
    };
    let mut accepted = Vec::with_capacity(tasks.len());
    for task in tasks {
        if let Some(failure) = unusable.as_ref().filter(|_| task.work.outputs.iter().any(is_analysis)) {
            done(task.number, Err(failure.clone()));
            continue;
        }
        match examined.remarks("the source", task.work.if_incomplete) {
            Ok(remarks) => {
                for (code, message) in remarks {
                    task.context.talk.warn(code, message);
                }
            }
            Err(error) => {
                fail(&[task], error);
                continue;
            }
        }
        if task.work.outputs.iter().all(reads_headers) {
            let produced =
                || Produced { files: Vec::new(), finding: Some(Finding::Media(examined.info.clone().into())) };
            done(task.number, Ok(task.work.outputs.iter().map(|_| Ok(produced())).collect()));
        } else {
            accepted.push(task);
        }
    }
    if let Err(error) = run_accepted(&accepted, examined, talk, done) {
        fail(&accepted, error);
    }
}

const fn is_analysis(output: &Output) -> bool {
    matches!(output, Output::Analysis(_))
}

fn reads_headers(output: &Output) -> bool {
    matches!(output, Output::Analysis(analysis) if analysis.reads_headers())
}

/// Content of a source, and the failure of an analysis of it if no stream is usable.
fn examine(source: &Source) -> Result<(Examined, Option<Failure>), MediaError> {
    let mut opened = source.open()?;
    let examined = probe::examine(&mut opened)?;
    if examined.encrypted {
        return Err(MediaError::Encrypted);
    }
    let unusable = analysis::judge(&opened, &examined).err().map(Failure::from);
    Ok((examined, unusable))
}

/// Runs tasks that take their source as it is. An error answers none of them.
fn run_accepted(tasks: &[Task<'_>], examined: Examined, talk: &Talk, done: &Done<'_>) -> Result<(), MediaError> {
    let Some(source) = tasks.first().and_then(|task| task.inputs.first()) else { return Ok(()) };
    let opened = source.open()?;
    let mut inventory = Inventory::examined(&opened, examined);
    let outputs = tasks.iter().flat_map(|task| &task.work.outputs);
    let latest_s = outputs.filter_map(|output| match output {
        Output::Snapshot(snapshot) => Some(snapshot::latest_s(snapshot)),
        Output::Media(media) => media.clip.map(|clip| clip.start_s).filter(|&start_s| start_s > 0.0),
        Output::Analysis(_) => None,
    });
    if let Some(latest_s) = latest_s.reduce(f64::max) {
        inventory.measure(&mut source.open()?, latest_s)?;
    }
    run::run(tasks, &inventory, opened, talk, done);
    Ok(())
}
