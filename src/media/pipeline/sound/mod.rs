//! Sound of an output: brought into the encoder's format and onto the output's clock, mixed, levelled, encoded.
//!
//! ```text
//! frames ─▶ conform (format, clock, gaps) ─▶ desk (mix, level) ─▶ encoder
//! ```
//! **Invariant**: output time zero is sample zero, and no sample is made or lost but where the source's times ask for it.

mod bed;
mod branch;
mod conform;
mod desk;
mod level;
mod matrix;
mod measure;
mod measurements;
mod plan;
mod silence;

use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Rational, Rescale};
use reelmill::model::work::AudioEncode;

pub use self::branch::AudioBranch;
pub use self::conform::Conform;
pub use self::measurements::Measurements;
pub use self::plan::{Sound, streams, window_of};
pub use self::silence::silence;
use super::flow::Stop;
use super::graph::AudioFormat;
use super::window::{Placed, Window};
use crate::codec as codecs;
use crate::error::MediaError;
use crate::raw;

/// Takes frames that are ready.
pub type Out<'a> = dyn FnMut(Frame) -> Result<(), Stop> + 'a;

/// The format in which `encode` encodes a source of frames like `frame`.
pub fn target(encode: &AudioEncode, frame: &Frame) -> Result<AudioFormat, MediaError> {
    let limits = encode.codec.info().limits_of(encode.profile.as_deref());
    let found = codecs::audio(encode)?;
    let (fewest, most) = limits.channels;
    let channels = encode.channels.unwrap_or_else(|| raw::channels(frame)).clamp(fewest, most);
    Ok(AudioFormat {
        rate: limits.sample_rate(encode.sample_rate.unwrap_or(frame.rate())),
        samples: sample_format(&found.sample_formats(), depth(encode).unwrap_or(frame.format())),
        layout: raw::default_layout(channels),
    })
}

/// Moves a frame to its output time and says where it lies. What reaches into the window counts as in it: it is cut to
/// the sample further on.
pub fn place(frame: &mut Frame, window: Window, base: Rational) -> Placed {
    let time = frame.pts().unwrap_or(0);
    let (samples, rate) = raw::samples_and_rate(frame);
    let end = time.saturating_add(samples.rescale(Rational(1, rate.max(1)), base));
    raw::assume_layout(frame);
    match window.place(time, base) {
        Placed::Before if window.moved(end, base) <= 0 => Placed::Before,
        Placed::After => Placed::After,
        _ => {
            let moved = window.moved(time, base);
            frame.set_pts(Some(moved));
            Placed::At(moved)
        }
    }
}

/// Numbers that hold the bits that are asked for.
fn depth(encode: &AudioEncode) -> Option<ffmpeg_next::format::Sample> {
    let name = if encode.bit_depth? > 16 { "s32" } else { "s16" };
    Some(ffmpeg_next::format::Sample::from(name))
}

/// The encoder's sample format that is nearest to the source's: the same numbers, or floating point, or its first.
fn sample_format(formats: &[&'static str], source: ffmpeg_next::format::Sample) -> &'static str {
    let numbers = |name: &str| name.trim_end_matches('p').to_owned();
    let find = |wanted: &str| formats.iter().copied().find(|&name: &&'static str| numbers(name) == wanted);
    find(&numbers(source.name())).or_else(|| find("flt")).or(formats.first().copied()).unwrap_or("fltp")
}
