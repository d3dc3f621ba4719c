//! Whether a file has less than its container declares: an upload that was cut short.
//!
//! What counts, in this order: samples that an index names and that lie beyond the end of the file; a container that
//! should go on where the file ends; and, where a container says nothing of its size, a declared duration that the
//! packets do not reach by far. **Invariant**: pure but for looking into the index that libav has read. A wrong header of
//! a file that is all there is no sign of anything.

use std::fmt;

use ffmpeg_next::format::context::Input as Demuxer;

use super::extent::{Extent, State};
use super::scan::Scan;
use super::seconds;
use crate::error::{MediaError, warning};
use crate::libav;
use reelmill::model::Code;
use reelmill::model::work::IfIncomplete;

/// Less than this is rounding, priming or a last frame, in seconds.
const LEAST_S: f64 = 0.1;

/// Less than this is rounding where frames are counted, in seconds.
const ROUNDING_S: f64 = 0.001;

/// By how much packets stay below a declared duration that nothing else bears out, in seconds, before it counts.
const DOUBT_S: f64 = 1.0;

/// The same as a share of the duration.
const DOUBT_SHARE: f64 = 0.02;

/// Demuxers of containers that count samples, frames or bytes exactly: any difference but rounding counts.
const EXACT: [&str; 6] = ["flac", "mp3", "mxf", "asf", "wv", "tta"];

/// A file, or a stream of it, that has less than is declared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incomplete {
    /// Duration that the container declares, in seconds.
    pub declared_s: Option<f64>,
    /// Duration that is there, in seconds.
    pub found_s: Option<f64>,
}

impl Incomplete {
    /// Whether a scanned file is incomplete; `measured_s` is how long its packets are, where they were read to the end.
    pub fn find(demuxer: &Demuxer, extent: Extent, scan: &Scan, measured_s: Option<f64>, size: u64) -> Option<Self> {
        if let Some(missing) = of_index(demuxer, scan).filter(|_| !extent.fragmented) {
            return Some(missing);
        }
        let state = if scan.tracks.iter().any(|track| track.missing.is_some()) { State::Cut } else { extent.state };
        let header_s = libav::known(demuxer.duration()).map(|us| seconds(us, ffmpeg_next::rescale::TIME_BASE));
        // That of Ogg is the time of the last page that is there.
        let name = libav::demuxer_name(demuxer);
        let stated = libav::is_duration_stated(demuxer) && name != "ogg" && !extent.open;
        // What is estimated is estimated of the bytes that are there.
        let there_s = measured_s.or(header_s.filter(|_| !stated));
        let header_s = header_s.filter(|_| stated);
        // A header in front of fragments may tell of the first one alone.
        let of_all = extent.duration_s.filter(|said| measured_s.is_none_or(|measured| *said > measured));
        let declared_s = if extent.fragmented { of_all } else { extent.duration_s.or(header_s) };
        let declared_s = declared_s.filter(|s| s.is_finite() && *s > 0.0);
        let short_s = declared_s.zip(measured_s).map(|(declared, measured)| declared - measured);
        let incomplete = match (state, short_s) {
            (State::Whole, _) | (State::Unknown, None) => false,
            // What is left of the last frame counts as the whole of it.
            (State::Cut, short) if name == "flac" => short.is_none_or(|short| short > ROUNDING_S),
            (State::Cut, short) => short.is_none_or(|short| short > LEAST_S),
            (State::Unknown, Some(short)) if EXACT.contains(&name.as_str()) => short > LEAST_S,
            (State::Unknown, Some(short)) => short > DOUBT_S.max(DOUBT_SHARE * declared_s.unwrap_or_default()),
        };
        // Of most files bytes are about as time.
        let there = extent.size_bytes.map(|bytes| share(size, bytes)).filter(|share| *share > 0.0);
        incomplete.then(|| Self {
            declared_s: declared_s.or_else(|| Some(there_s? / there?)),
            found_s: there_s.or_else(|| Some(declared_s? * there?)),
        })
    }

    /// Reports it as `choice` wants: as a warning or a failure.
    pub fn judge(self, what: &str, choice: IfIncomplete) -> Result<(Code, String), MediaError> {
        let text = format!("{what} is incomplete: {self}");
        match choice {
            IfIncomplete::Warn => Ok((warning::INCOMPLETE, text)),
            IfIncomplete::Fail => Err(MediaError::Incomplete(text)),
        }
    }

    fn missing_s(self) -> f64 {
        self.declared_s.zip(self.found_s).map_or(0.0, |(declared, found)| declared - found)
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.declared_s, self.found_s) {
            (Some(declared), Some(found)) => {
                write!(f, "its container declares {declared:.2} s, but the file has only {found:.2} s")
            }
            (Some(declared), None) => write!(f, "its container declares {declared:.2} s, but the file has less"),
            (None, Some(found)) => write!(f, "the file is truncated after {found:.2} s"),
            (None, None) => write!(f, "the file is truncated"),
        }
    }
}

/// What lacks most of the streams whose samples an index names one by one.
fn of_index(demuxer: &Demuxer, scan: &Scan) -> Option<Incomplete> {
    let streams = scan.tracks.iter().zip(demuxer.streams()).filter_map(|(track, stream)| {
        let missing = track.missing?;
        let base = stream.time_base();
        let start = libav::known(stream.start_time()).unwrap_or(0);
        let declared_s = libav::known(stream.duration()).map(|ticks| seconds(ticks, base)).filter(|s| *s > 0.0);
        let found_s = seconds(missing.saturating_sub(start), base).max(0.0);
        Some(Incomplete { declared_s, found_s: Some(found_s) })
    });
    let lacking = streams.filter(|stream| stream.declared_s.is_none() || stream.missing_s() > LEAST_S);
    lacking.max_by(|one, other| one.missing_s().total_cmp(&other.missing_s()))
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52 bytes")]
fn share(size: u64, whole: u64) -> f64 {
    (size as f64 / whole.max(1) as f64).min(1.0)
}
