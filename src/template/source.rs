//! Work adjusted to a source whose properties are known: `if_source_lower`.

use crate::model::Failure;
use crate::model::media::MediaInfo;
use crate::model::work::{Audio, Output, Pipeline, RateControl, Size, Video, VideoEncode, Work};
use crate::yaml::Node;

/// Treatment of a source that has less than the parameters ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfLower {
    KeepSource,
    Fail,
    Ignore,
}

/// Applies `if_source_lower` of `spec` to its work. Sizes are checked here only if they are to fail: without `upscale`,
/// an output is never larger than its source.
pub fn fit(work: &mut Work, spec: &Node, source: &MediaInfo) -> Result<(), Failure> {
    let Work::Pipeline(Pipeline { outputs, .. }) = work else { return Ok(()) };
    let choice = |key| match spec.get("if_source_lower").and_then(|n| n.get(key)).and_then(Node::as_str) {
        Some("fail") => IfLower::Fail,
        Some("keep_source") => IfLower::KeepSource,
        _ => IfLower::Ignore,
    };
    for output in outputs {
        let Output::Media(output) = output else { continue };
        if let (Some(Video::Encode(video)), Some(stream)) = (&mut output.video, source.video.first()) {
            if choice("resolution") == IfLower::Fail && is_smaller(video, stream.width, stream.height) {
                return Err(too_low(&format!("the source has {}×{} pixels", stream.width, stream.height)));
            }
            lower_video(&mut video.rate_control, video_rate(source), choice("video_bitrate"))?;
        }
        if let Some(Audio::Encode(audio)) = &mut output.audio
            && let Some(wanted) = audio.bitrate_bps
        {
            audio.bitrate_bps = Some(lower(wanted, audio_rate(source), choice("audio_bitrate"), "audio")?);
        }
    }
    Ok(())
}

/// Bit rate of the main video stream in bit/s. Containers that keep none for each stream tell that of the whole, which it
/// is not above.
pub(super) fn video_rate(source: &MediaInfo) -> Option<u64> {
    let stream = source.video.first()?;
    let sound: u64 = source.audio.iter().filter_map(|audio| audio.bit_rate).sum();
    stream.bit_rate.or_else(|| source.format.bit_rate.map(|all| all.saturating_sub(sound))).filter(|rate| *rate > 0)
}

/// Bit rate of the main audio stream in bit/s; that of the whole where there is nothing else in it.
pub(super) fn audio_rate(source: &MediaInfo) -> Option<u64> {
    let whole = || source.format.bit_rate.filter(|_| source.video.is_empty() && source.audio.len() == 1);
    source.audio.first()?.bit_rate.or_else(whole).filter(|rate| *rate > 0)
}

/// Returns whether a source of that size has fewer pixels than are asked for.
pub(super) fn is_smaller(video: &VideoEncode, width: u32, height: u32) -> bool {
    let sideways = video.treatment.rotate.is_sideways();
    let (width, height) = if sideways { (height, width) } else { (width, height) };
    match video.size {
        Size::Source => false,
        Size::ShortSide(side) => width.min(height) < side,
        Size::LongSide(side) => width.max(height) < side,
        Size::Box { width: w, height: h } => w.is_some_and(|w| width < w) || h.is_some_and(|h| height < h),
    }
}

/// The box that an output asks for, in words, where `source` is smaller than it and is not enlarged.
#[must_use]
pub fn missed_box(output: &Output, source: &MediaInfo) -> Option<String> {
    let Output::Media(output) = output else { return None };
    let (Some(Video::Encode(video)), Some(stream)) = (&output.video, source.video.first()) else { return None };
    if video.upscale || video.treatment.pad.is_some() || !output.parts.is_empty() {
        return None;
    }
    let sideways = video.treatment.rotate.is_sideways();
    let (width, height) = if sideways { (stream.height, stream.width) } else { (stream.width, stream.height) };
    video.size.missed(video.fit, (width, height))
}

/// Limits rate control to the bit rate of the source. A constant quality has no bit rate; its cap counts as one.
fn lower_video(rate: &mut RateControl, source_bps: Option<u64>, choice: IfLower) -> Result<(), Failure> {
    let (wanted_bps, maxrate_bps, bufsize_bits) = match rate {
        RateControl::Crf { maxrate_bps: None, .. } => return Ok(()),
        RateControl::Crf { maxrate_bps: Some(cap), bufsize_bits, .. } => (cap, None, bufsize_bits),
        RateControl::Abr { bitrate_bps, maxrate_bps, bufsize_bits } => {
            (bitrate_bps, maxrate_bps.as_mut(), bufsize_bits)
        }
        RateControl::Cbr { bitrate_bps, bufsize_bits } => (bitrate_bps, None, bufsize_bits),
    };
    let before = *wanted_bps;
    *wanted_bps = lower(before, source_bps, choice, "video")?;
    // What bounds the rate goes with it, or it would bound nothing.
    for bound in maxrate_bps.into_iter().chain(bufsize_bits.as_mut()) {
        *bound = scaled(*bound, *wanted_bps, before);
    }
    Ok(())
}

/// `value` × `to` / `from`.
fn scaled(value: u64, to: u64, from: u64) -> u64 {
    let whole = u128::from(value) * u128::from(to) / u128::from(from.max(1));
    u64::try_from(whole).unwrap_or(value)
}

/// The bit rate to use for `wanted_bps` from a source of `source_bps`.
fn lower(wanted_bps: u64, source_bps: Option<u64>, choice: IfLower, what: &str) -> Result<u64, Failure> {
    match (source_bps.filter(|&s| s > 0 && s < wanted_bps), choice) {
        (Some(source), IfLower::KeepSource) => Ok(source),
        (Some(source), IfLower::Fail) => Err(too_low(&format!("the source has {} kbit/s of {what}", source / 1_000))),
        _ => Ok(wanted_bps),
    }
}

fn too_low(what: &str) -> Failure {
    Failure::input("TPL0301", format!("{what}, less than required, and `if_source_lower` is `fail`"))
}

#[cfg(test)]
mod tests;
