//! Sinks: whoever consumes a source. Media files, pictures and measurements are three kinds.
//!
//! A sink is planned before anything is read; it says what it needs, is fed that from the one decoding, and gives files and a
//! finding. A new kind is a file with an implementation of [`Sink`] and a line in [`of`]. **Invariant**: a sink fails, stops
//! and is slow for itself alone; what it says it made was opened again and checked.

use std::thread::Scope;

use reelmill::model::work::{Output, Produced};

use super::JobContext;
use super::decode::Decoder;
use super::outcome::{Made, Running};
use super::passes::Round;
use super::plan::MediaPlan;
use super::progress::Position;
use super::snapshot::ShotPlan;
use super::streams::{Inventory, Track};
use super::wiring::Wiring;
use crate::analysis::Sweep;
use crate::error::MediaError;
use crate::source::{Opened, Source};

/// The sink that makes `output`: the registry of all kinds.
///
/// # Errors
/// Where the source or the format cannot give what is asked for.
pub fn of<'a>(
    output: &'a Output,
    inventory: &Inventory,
    inputs: &[Source],
    job: JobContext<'_>,
) -> Result<Box<dyn Sink + 'a>, MediaError> {
    Ok(match output {
        Output::Media(media) => Box::new(MediaPlan::new(media, inventory, inputs, job)?),
        Output::Snapshot(snapshot) => Box::new(ShotPlan::new(snapshot, inventory, job)?),
        Output::Analysis(analysis) => Box::new(Sweep::new(analysis, inventory)),
    })
}

/// What a sink needs of the source.
pub struct Needs<'a> {
    /// Streams whose frames it needs.
    pub decoded: Vec<&'a Track>,
    /// Whether it takes packets as they are.
    pub copies: bool,
    /// Whether it goes through the source once before it makes anything.
    pub looks_first: bool,
    /// Moment on the container's clock, in microseconds, before which it needs nothing.
    pub start_us: i64,
    /// Length of what it makes, in seconds, where that is known.
    pub length_s: Option<f64>,
    /// Whether a few sought moments are enough.
    pub seeks: Seeks,
}

/// Whether a sink gets its frames by seeking, of its first decoded stream, instead of being fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeks {
    /// It is fed.
    Never,
    /// It seeks, unless the stream is decoded anyway.
    Rather,
    /// It seeks whatever else is made of the source.
    Always,
}

/// What a sink works with.
#[derive(Clone, Copy)]
pub struct SinkContext<'a> {
    /// Settings and channels of its task.
    pub job: JobContext<'a>,
    /// Inputs of its task.
    pub inputs: &'a [Source],
    /// The source.
    pub inventory: &'a Inventory,
    /// How far it is.
    pub position: &'a Position,
}

/// A consumer of a source.
pub trait Sink: Sync {
    /// What it needs of the source.
    fn needs(&self) -> Needs<'_>;

    /// Starts its threads in `scope`, over what it connects to in `feeds`. `round` is which of two passes it is, for sinks that
    /// look first.
    ///
    /// # Errors
    /// Where they cannot be started; nothing else is affected.
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        feeds: &mut Wiring<'scope>,
        context: SinkContext<'scope>,
        round: Option<Round<'scope>>,
    ) -> Result<Running<'scope>, MediaError>;

    /// Checks what its threads made.
    ///
    /// # Errors
    /// Where it is not what was asked for.
    fn check(&self, made: Made, _context: SinkContext<'_>) -> Result<Produced, MediaError> {
        match made {
            Made::Produced(produced) => Ok(produced),
            Made::Media(_) | Made::Looked => Err(MediaError::Panic("an output became something else".into())),
        }
    }

    /// Makes its output by seeking, for sinks that ask for it.
    ///
    /// # Errors
    /// Where the source cannot be read or decoded, or a file cannot be written.
    fn seek(
        &self,
        _opened: &mut Opened,
        _decoder: &mut Decoder,
        _context: SinkContext<'_>,
    ) -> Result<Produced, MediaError> {
        Err(MediaError::Panic("an output that is fed was sought".into()))
    }
}
