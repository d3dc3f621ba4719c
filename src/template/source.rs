//! Work adjusted to a source whose properties are known: `if_source_lower`.

use crate::model::Failure;
use crate::model::media::MediaInfo;
use crate::model::work::{Audio, Output, Pipeline, RateControl, Size, Video, VideoEncode, Work};
use crate::yaml::Node;

/// What happens where the source has less than is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfLower {
    KeepSource,
    Fail,
    Ignore,
}

/// Applies `if_source_lower` of `spec` to its work. Sizes need nothing here unless they are to fail: what is made is never
/// larger than its source, unless `upscale` says so.
pub fn fit(work: &mut Work, spec: &Node, source: &MediaInfo) -> Result<(), Failure> {
    let Work::Pipeline(Pipeline { outputs }) = work else { return Ok(()) };
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
            lower_video(&mut video.rate_control, stream.bit_rate, choice("video_bitrate"))?;
        }
        if let (Some(Audio::Encode(audio)), Some(stream)) = (&mut output.audio, source.audio.first())
            && let Some(wanted) = audio.bitrate_bps
        {
            audio.bitrate_bps = Some(lower(wanted, stream.bit_rate, choice("audio_bitrate"), "audio")?);
        }
    }
    Ok(())
}

fn is_smaller(video: &VideoEncode, width: u32, height: u32) -> bool {
    let sideways = video.treatment.rotate.is_sideways();
    let (width, height) = if sideways { (height, width) } else { (width, height) };
    match video.size {
        Size::Source => false,
        Size::ShortSide(side) => width.min(height) < side,
        Size::LongSide(side) => width.max(height) < side,
        Size::Box { width: w, height: h } => w.is_some_and(|w| width < w) || h.is_some_and(|h| height < h),
    }
}

fn lower_video(rate: &mut RateControl, source_bps: Option<u64>, choice: IfLower) -> Result<(), Failure> {
    match rate {
        RateControl::Crf { .. } => {}
        RateControl::Abr { bitrate_bps, .. } | RateControl::Cbr { bitrate_bps, .. } => {
            *bitrate_bps = lower(*bitrate_bps, source_bps, choice, "video")?;
        }
    }
    Ok(())
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
    Failure::input("TPL0301", format!("{what}, less than is asked for, and `if_source_lower` says to fail"))
}
