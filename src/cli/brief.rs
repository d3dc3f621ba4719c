//! Work in a few words, for people who read a plan.

use crate::model::media::{MediaInfo, VideoStream};
use crate::model::work::{
    Audio, AudioEncode, Fit, MediaOutput, Output, Package, RateControl, Size, Snapshot, Treatment, Video, VideoEncode,
    Work,
};

/// A summary of `work` on a source with the properties `source`: `h264 1280×720 crf 23, aac 128 kbit/s`.
pub(super) fn words(work: &Work, source: Option<&MediaInfo>) -> String {
    match work {
        Work::Pipeline(pipeline) => {
            let outputs: Vec<String> = pipeline.outputs.iter().map(|output| output_words(output, source)).collect();
            outputs.join("; ")
        }
        Work::Package(package) => package_words(package),
    }
}

fn output_words(output: &Output, source: Option<&MediaInfo>) -> String {
    match output {
        Output::Media(media) => media_words(media, source),
        Output::Snapshot(snapshot) => snapshot_words(snapshot, source),
        Output::Analysis(_) => String::new(),
    }
}

fn media_words(media: &MediaOutput, source: Option<&MediaInfo>) -> String {
    // If the source is unknown, all requested streams are assumed to exist.
    let has = |streams: fn(&MediaInfo) -> bool| source.is_none_or(streams);
    let video = media.video.as_ref().filter(|_| has(|info| !info.video.is_empty()));
    let audio = media.audio.as_ref().filter(|_| has(|info| !info.audio.is_empty()));
    let alone = media.parts.is_empty() && media.burn.is_none();
    let stream = source.and_then(|info| info.video.first()).filter(|_| alone);
    let video = video.map(|video| match video {
        Video::Copy => "video as it is".to_owned(),
        Video::Encode(encode) => video_words(encode, stream),
    });
    let audio = audio.map(|audio| match audio {
        Audio::Copy { .. } => "audio as it is".to_owned(),
        Audio::Encode(encode) => audio_words(encode),
    });
    [video, audio].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn video_words(video: &VideoEncode, stream: Option<&VideoStream>) -> String {
    let name = video.codec.info().name;
    // After a crop, a turn or padding, the size is not computed from the source's.
    let plain = Treatment {
        deinterlace: video.treatment.deinterlace,
        denoise: video.treatment.denoise,
        hdr: video.treatment.hdr,
        ..Treatment::default()
    };
    let stream = stream.filter(|_| video.treatment == plain);
    let size = size_words(video.size, video.fit, video.upscale, stream);
    let rate = match video.rate_control {
        RateControl::Crf { crf, .. } => format!("crf {crf}"),
        RateControl::Abr { bitrate_bps, .. } | RateControl::Cbr { bitrate_bps, .. } => rate(bitrate_bps),
    };
    [name.to_owned(), size, rate].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn audio_words(audio: &AudioEncode) -> String {
    let name = audio.codec.info().name;
    audio.bitrate_bps.map_or_else(|| name.to_owned(), |bps| format!("{name} {}", rate(bps)))
}

fn snapshot_words(snapshot: &Snapshot, source: Option<&MediaInfo>) -> String {
    let stream = source.and_then(|info| info.video.first());
    let size = size_words(snapshot.size, Fit::Rescale, false, stream);
    match &snapshot.sprite {
        Some(sprite) => format!("sheets of {}×{} pictures {size}", sprite.columns, sprite.rows).trim_end().to_owned(),
        None => size,
    }
}

fn package_words(package: &Package) -> String {
    let hls = package.master.as_ref().map(|_| "HLS");
    let dash = package.mpd.as_ref().map(|_| "DASH");
    let manifests = [hls, dash].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    format!("{manifests}, segments of {} s", package.segment_s)
}

fn rate(bits_per_second: u64) -> String {
    format!("{} kbit/s", bits_per_second / 1_000)
}

/// The size of the output if it can be computed from `stream`, else the requested size.
fn size_words(size: Size, fit: Fit, upscale: bool, stream: Option<&VideoStream>) -> String {
    let square = |stream: &&VideoStream| stream.sample_aspect_ratio.is_none_or(|ratio| ratio.num == ratio.den);
    if let Some(stream) = stream.filter(square)
        && let Some((width, height)) = scaled(size, fit, upscale, (stream.width, stream.height))
    {
        return format!("{width}×{height}");
    }
    match size {
        Size::ShortSide(side) => format!("{side} on the short side"),
        Size::LongSide(side) => format!("{side} on the long side"),
        Size::Box { width: Some(width), height: Some(height) } => format!("{width}×{height}"),
        Size::Box { width: Some(width), .. } => format!("{width} wide"),
        Size::Box { height: Some(height), .. } => format!("{height} high"),
        Size::Source | Size::Box { .. } => String::new(),
    }
}

/// Output size of a source with square pixels, if its aspect ratio is kept.
fn scaled(size: Size, fit: Fit, upscale: bool, (width, height): (u32, u32)) -> Option<(u32, u32)> {
    let part = |asked: u32, side: u32| f64::from(asked) / f64::from(side.max(1));
    let factor = match size {
        Size::Source => 1.0,
        Size::ShortSide(side) => part(side, width.min(height)),
        Size::LongSide(side) => part(side, width.max(height)),
        Size::Box { width: Some(w), height: None } => part(w, width),
        Size::Box { width: None, height: Some(h) } => part(h, height),
        Size::Box { width: Some(w), height: Some(h) } if fit == Fit::Rescale => part(w, width).min(part(h, height)),
        Size::Box { .. } => return None,
    };
    let factor = if upscale { factor } else { factor.min(1.0) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size in pixels")]
    let even = |side: u32| ((f64::from(side) * factor / 2.0).round() as u32 * 2).max(2);
    Some((even(width), even(height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomer_a_plan_says_the_size_that_comes_out() {
        let of = |size, upscale| scaled(size, Fit::Rescale, upscale, (1920, 1080));
        assert_eq!(of(Size::ShortSide(720), false), Some((1280, 720)));
        assert_eq!(of(Size::ShortSide(2160), false), Some((1920, 1080)), "nothing is enlarged unless asked for");
        assert_eq!(of(Size::ShortSide(2160), true), Some((3840, 2160)));
        assert_eq!(of(Size::Box { width: Some(640), height: Some(640) }, false), Some((640, 360)));
        assert_eq!(of(Size::Box { width: None, height: Some(301) }, false), Some((536, 302)));
        assert_eq!(scaled(Size::LongSide(100), Fit::Rescale, false, (720, 1280)), Some((56, 100)));
        let cropped = Size::Box { width: Some(640), height: Some(640) };
        assert_eq!(scaled(cropped, Fit::Crop, false, (1920, 1080)), None);
    }
}
