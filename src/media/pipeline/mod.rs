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

use reelmill::model::Failure;
use reelmill::model::work::{IfIncomplete, Output, Pipeline, Produced};

use self::streams::Inventory;
use crate::error::MediaError;
use crate::probe;
use crate::source::Source;
use crate::talk::Talk;

/// Settings and channels of a job, besides its work.
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

/// Makes every output of `work` from the first of `inputs`; one result for each, in order.
pub fn run(
    work: &Pipeline,
    inputs: &[Source],
    context: JobContext<'_>,
) -> Result<Vec<Result<Produced, Failure>>, MediaError> {
    let source = inputs.first().ok_or_else(|| MediaError::Job("it has no input".into()))?;
    let examined = probe::examine(&mut source.open()?)?;
    if examined.encrypted {
        return Err(MediaError::Encrypted);
    }
    for (code, message) in examined.remarks("the source", work.if_incomplete)? {
        context.talk.warn(code, message);
    }
    let opened = source.open()?;
    let mut inventory = Inventory::examined(&opened, examined);
    let latest_s = work.outputs.iter().filter_map(|output| match output {
        Output::Snapshot(snapshot) => Some(plan::latest_s(snapshot)),
        Output::Media(media) => media.clip.map(|clip| clip.start_s).filter(|&start_s| start_s > 0.0),
    });
    if let Some(latest_s) = latest_s.reduce(f64::max) {
        inventory.measure(&mut source.open()?, latest_s)?;
    }
    Ok(run::run(work, &inventory, opened, inputs, context))
}
