//! Options of encoders, and the parts that most of them share.

use super::hdr::HdrMetadata;
use crate::model::work::{AudioEncode, Gop, RateControl, VideoEncode};

/// Options of an encoder, by libav's names.
pub type Options = Vec<(&'static str, String)>;

/// Distance of keyframes where none is asked for, in seconds.
const DEFAULT_GOP_S: f64 = 10.0;

/// Longest distance of keyframes that an encoder is told, in frames.
const MAX_GOP: f64 = 10_000.0;

/// Everything that the options of an encoder depend on.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Parameters of the encode.
    pub encode: &'a VideoEncode,
    /// Frames per second, on average where they vary.
    pub frame_rate: f64,
    /// True if frames come exactly at that rate.
    pub constant_rate: bool,
    /// Threads; 0: one for each processor.
    pub threads: u32,
    /// The pass of two-pass encoding; `None` for a single pass.
    pub pass: Option<Pass<'a>>,
    /// Metadata of high dynamic range, where it is kept.
    pub hdr: Option<HdrMetadata>,
}

/// One of two passes over the frames.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// True for the first pass, which only gathers statistics.
    pub first: bool,
    /// Path of the file in which an encoder that keeps one leaves what it saw.
    pub stats: &'a str,
}

/// Bit rates of a [`RateControl`]: average, maximum, buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    /// Bits per second to reach.
    pub average: Option<u64>,
    /// Most bits per second over the buffer.
    pub max: Option<u64>,
    /// The buffer, in bits.
    pub buffer: Option<u64>,
}

impl Bits {
    /// Bits of a rate control. Encoders ignore a cap without a buffer, so its default is twice the cap.
    pub(super) fn of(control: RateControl) -> Self {
        let (average, max, buffer) = match control {
            RateControl::Crf { maxrate_bps, bufsize_bits, .. } => (None, maxrate_bps, bufsize_bits),
            RateControl::Abr { bitrate_bps, maxrate_bps, bufsize_bits } => {
                (Some(bitrate_bps), maxrate_bps, bufsize_bits)
            }
            RateControl::Cbr { bitrate_bps, bufsize_bits } => (Some(bitrate_bps), Some(bitrate_bps), bufsize_bits),
        };
        Self { average, max, buffer: max.map(|max| buffer.unwrap_or(max.saturating_mul(2))) }
    }

    /// As options that libav gives every encoder.
    pub(super) fn options(self) -> Options {
        let named = [("b", self.average), ("maxrate", self.max), ("bufsize", self.buffer)];
        named.into_iter().filter_map(|(name, bits)| Some((name, bits?.to_string()))).collect()
    }
}

impl Setting<'_> {
    /// Longest distance of keyframes in frames. Where frames are asked to be keyframes it only has to be no shorter
    /// than that; where encoders do not listen (`forced` is false) it alone decides.
    pub(super) fn gop(&self, forced: bool) -> u32 {
        match self.encode.gop {
            Some(Gop::Frames(frames)) => frames.max(1),
            Some(Gop::Seconds(seconds)) if !forced => whole(seconds * self.frame_rate),
            Some(Gop::Seconds(seconds)) if self.constant_rate => whole((seconds * self.frame_rate).ceil()),
            // Frames that come as they may can be more than the average.
            Some(Gop::Seconds(_)) => u32::from(u16::MAX),
            None => whole(DEFAULT_GOP_S * self.frame_rate),
        }
    }
}

/// Options by which an encoder is told words of its own.
pub(super) fn words(names: &[(&'static str, Option<&String>)]) -> Options {
    names.iter().filter_map(|(name, word)| Some((*name, (*word)?.clone()))).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn whole(frames: f64) -> u32 {
    frames.round().clamp(1.0, MAX_GOP) as u32
}

/// Text that stands as one value in a list of `key=value:key=value`.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | ':' | '\'' | '=') || c.is_whitespace() {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The bit rate, for an audio encoder that is told nothing else.
pub(super) fn bitrate(encode: &AudioEncode, _channels: u16) -> Options {
    encode.bitrate_bps.map(|rate| ("b", rate.to_string())).into_iter().collect()
}
