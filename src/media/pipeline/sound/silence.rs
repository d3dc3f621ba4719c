//! Silence, where an output has a track of sound and its source has none.

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Audio as Frame;

use crate::error::MediaError;
use crate::pipeline::flow::Stop;
use crate::raw;

/// Samples per second.
const RATE: u32 = 48_000;

/// Samples in a frame.
const SAMPLES: i64 = 4_800;

/// Unit of its times.
pub const SILENCE_BASE: Rational = Rational(1, 48_000);

/// Hands on silence in stereo from `start` up to `end`, in its own unit, until `take` wants no more.
pub fn silence(start: i64, end: i64, take: &mut dyn FnMut(Frame) -> Result<bool, Stop>) -> Result<(), Stop> {
    let mut time = start;
    while time < end {
        let samples = SAMPLES.min(end - time);
        let mut frame = raw::silent_frame(usize::try_from(samples).unwrap_or(0), RATE, "fltp", "stereo")
            .map_err(|source| MediaError::Libav { doing: "make a frame", source })?;
        frame.set_pts(Some(time));
        if !take(frame)? {
            break;
        }
        time += samples;
    }
    Ok(())
}
