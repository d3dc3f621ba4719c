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
mod finish;
mod flow;
pub mod graph;
mod hdr;
pub mod headers;
mod hold;
mod mux;
mod outcome;
mod overlay;
mod passes;
mod picture;
mod plan;
mod progress;
mod replaced;
mod results;
mod run;
mod snapshot;
mod sound;
mod splice;
mod still;
pub mod streams;
pub mod subtitles;
#[cfg(test)]
mod tests;
mod video;
mod watch;
mod window;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use reelmill::model::Failure;
use reelmill::model::work::{IfIncomplete, Output, Pipeline};

pub use self::results::Done;
use self::streams::Inventory;
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
    let examined = match source.map_or_else(|| Err(MediaError::Job("it has no input".into())), examine) {
        Ok(examined) => examined,
        Err(error) => return fail(&tasks, error),
    };
    let mut accepted = Vec::with_capacity(tasks.len());
    for task in tasks {
        match examined.remarks("the source", task.work.if_incomplete) {
            Ok(remarks) => {
                for (code, message) in remarks {
                    task.context.talk.warn(code, message);
                }
                accepted.push(task);
            }
            Err(error) => fail(&[task], error),
        }
    }
    if let Err(error) = run_accepted(&accepted, examined, talk, done) {
        fail(&accepted, error);
    }
}

fn examine(source: &Source) -> Result<Examined, MediaError> {
    let examined = probe::examine(&mut source.open()?)?;
    if examined.encrypted { Err(MediaError::Encrypted) } else { Ok(examined) }
}

/// Runs tasks that take their source as it is. An error answers none of them.
fn run_accepted(tasks: &[Task<'_>], examined: Examined, talk: &Talk, done: &Done<'_>) -> Result<(), MediaError> {
    let Some(source) = tasks.first().and_then(|task| task.inputs.first()) else { return Ok(()) };
    let opened = source.open()?;
    let mut inventory = Inventory::examined(&opened, examined);
    let outputs = tasks.iter().flat_map(|task| &task.work.outputs);
    let latest_s = outputs.filter_map(|output| match output {
        Output::Snapshot(snapshot) => Some(plan::latest_s(snapshot)),
        Output::Media(media) => media.clip.map(|clip| clip.start_s).filter(|&start_s| start_s > 0.0),
    });
    if let Some(latest_s) = latest_s.reduce(f64::max) {
        inventory.measure(&mut source.open()?, latest_s)?;
    }
    run::run(tasks, &inventory, opened, talk, done);
    Ok(())
}
