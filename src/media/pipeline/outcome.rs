//! What comes of an output, and who knows why when nothing does.

use std::collections::BTreeMap;
use std::thread::ScopedJoinHandle;

use reelmill::model::Failure;
use reelmill::model::work::Produced;

use super::demux::Copied;
use super::flow::Stop;
use super::mux::Totals;
use super::streams::Track;
use crate::error::MediaError;

/// The threads of one output.
pub struct Running<'scope> {
    /// Filters and encoders.
    pub branches: Vec<ScopedJoinHandle<'scope, Result<(), Stop>>>,
    /// The one that finishes it.
    pub last: Last<'scope>,
}

/// The thread that finishes an output.
pub enum Last<'scope> {
    /// Of a media file.
    Muxer(ScopedJoinHandle<'scope, Result<Vec<Totals>, Stop>>),
    /// Of pictures and measurements.
    Producing(ScopedJoinHandle<'scope, Result<Produced, Stop>>),
    /// Of a first pass.
    Looking(ScopedJoinHandle<'scope, Result<(), Stop>>),
}

/// What the threads of one output made.
pub enum Made {
    /// A media file: what each stream got.
    Media(Vec<Totals>),
    /// Pictures and measurements.
    Produced(Produced),
    /// A first pass: what it saw, and nothing else.
    Looked,
}

impl Running<'_> {
    /// Waits for its threads; the first that says why it failed is heard.
    pub fn finish(self) -> Result<Made, Stop> {
        let branches: Vec<Result<(), Stop>> = self.branches.into_iter().map(joined).collect();
        let last = match self.last {
            Last::Muxer(thread) => joined(thread).map(Made::Media),
            Last::Producing(thread) => joined(thread).map(Made::Produced),
            Last::Looking(thread) => joined(thread).map(|()| Made::Looked),
        };
        match (Stop::first(branches.into_iter().filter_map(Result::err)), last) {
            (None, last) | (Some(Stop::Upstream), last @ Err(_)) => last,
            (Some(stop), _) => Err(stop),
        }
    }
}

/// Waits for a thread; a panic is a failure like others.
pub fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, Stop>>) -> Result<T, Stop> {
    thread.join().unwrap_or_else(|panic| Err(MediaError::panicked(panic.as_ref()).into()))
}

/// What went wrong before the outputs' own threads.
pub struct Faults {
    reading: Option<Failure>,
    copying: BTreeMap<usize, Failure>,
    /// What streams that were taken as they are change under way, by output.
    changes: BTreeMap<usize, String>,
    decoding: BTreeMap<usize, Failure>,
}

impl Faults {
    /// Of reading the source and of decoding its streams.
    #[must_use]
    pub fn new(read: Result<Copied, MediaError>, decoded: BTreeMap<usize, Result<(), Stop>>) -> Self {
        let (copies, reading) = match read {
            Ok(copies) => (copies, None),
            Err(error) => (Copied::default(), Some(error.into())),
        };
        let failed = |result: Result<(), Stop>| match result {
            Err(Stop::Failed(error)) => Some(Failure::from(error)),
            _ => None,
        };
        Self {
            reading,
            copying: copies.failed.into_iter().map(|(output, error)| (output, error.into())).collect(),
            changes: copies.changed.into_iter().collect(),
            decoding: decoded.into_iter().filter_map(|(index, result)| Some((index, failed(result)?))).collect(),
        }
    }

    /// What the streams of an output that were taken as they are change under way.
    #[must_use]
    pub fn change(&self, output: usize) -> Option<String> {
        self.changes.get(&output).cloned()
    }

    /// Why an output that uses the frames of `tracks` stopped; `shared` is why the one ended whose sound it takes.
    #[must_use]
    pub fn of(&self, output: usize, tracks: &[&Track], stop: Stop, shared: Option<&Failure>) -> Failure {
        match stop {
            Stop::Failed(error) => return error.because_of(self.change(output)).into(),
            Stop::Unwanted => return MediaError::Unwanted.into(),
            Stop::Upstream => {}
        }
        let decoding = || tracks.iter().find_map(|track| self.decoding.get(&track.index));
        let why = self.reading.as_ref().or_else(|| self.copying.get(&output)).or_else(decoding).or(shared);
        why.cloned().unwrap_or_else(|| MediaError::Panic("an output ended without an error".into()).into())
    }
}
