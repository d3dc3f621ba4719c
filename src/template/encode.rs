//! Parameters of encoding as media work.

use super::beside::Beside;
use super::registry::Facts;
use super::{merge, sound, subtitles, treatment};
use crate::model::codec::Rates;
use crate::model::plan::ActivityKind;
use crate::model::units;
use crate::model::work::{
    Audio, AudioCodec, AudioEncode, Clip, Container, Fit, FrameRate, Gop, Hardware, MediaOutput, Overlay, RateControl,
    Size, Tracks, Video, VideoCodec, VideoEncode,
};
use crate::yaml::Node;

/// By how much constant quality is better for watermarks, whose source is often a finished rendition. Their sound gets half
/// as much again.
const CRF_WATERMARK: f32 = 3.0;

/// A media file as the parameters ask for it.
pub(super) fn read(
    kind: ActivityKind,
    spec: &Node,
    file: &str,
    overlays: Vec<Overlay>,
    beside: &mut Beside,
) -> MediaOutput {
    let container = container(spec);
    let parts = merge::parts(spec, beside);
    let keeps = |key| spec.get(key).and_then(Node::as_str) != Some("drop");
    MediaOutput {
        file: file.to_owned(),
        container,
        video: video(kind, spec, container),
        audio: audio(kind, spec, container, beside),
        subtitles: subtitles::kept(kind, spec),
        subtitle_files: subtitles::files(spec, beside),
        burn: subtitles::burn(spec, beside),
        // Of several parts, each has its own.
        clip: spec.get("clip").filter(|_| parts.is_empty()).map(clip_of),
        parts,
        overlays,
        metadata: keeps("metadata"),
        chapters: keeps("chapters"),
    }
}

/// The container that is asked for: by `container`, by the extension of `name`, or MP4.
pub(super) fn container(spec: &Node) -> Container {
    let node = spec.get("container");
    let word = node.and_then(|n| n.get("format").or(Some(n))).and_then(Node::as_str);
    let by_name = || spec.get("name").and_then(Node::as_str).and_then(|n| n.rsplit_once('.')).map(|(_, ext)| ext);
    word.and_then(Container::named).or_else(|| by_name().and_then(Container::named)).unwrap_or(Container::Mp4)
}

/// The extension of a container.
pub(super) fn extension(container: Container) -> &'static str {
    container.info().name
}

/// Returns whether a container holds one stream of subtitles and nothing else.
pub(super) const fn is_subtitles(container: Container) -> bool {
    matches!(container, Container::Srt | Container::Vtt | Container::Ass | Container::Ttml)
}

/// Returns whether a container holds audio only.
pub(super) fn is_audio_only(container: Container) -> bool {
    container.info().video.is_none() && container.info().audio.is_some()
}

/// The video codec that is asked for, or that the container is made for.
pub(super) fn video_codec(spec: &Node) -> VideoCodec {
    let word = spec.get("video").and_then(|v| v.get("codec")).and_then(Node::as_str);
    word.and_then(VideoCodec::named).or(container(spec).info().video).unwrap_or(VideoCodec::ALL[0])
}

/// The audio codec that is asked for, or that the container is made for.
pub(super) fn audio_codec(spec: &Node) -> AudioCodec {
    let word = spec.get("audio").and_then(|a| a.get("codec")).and_then(Node::as_str);
    word.and_then(AudioCodec::named).or(container(spec).info().audio).unwrap_or(AudioCodec::ALL[0])
}

/// The device that is asked for.
pub(super) fn hardware(video: &Node) -> Option<Hardware> {
    video.get("encoder").and_then(Node::as_str).and_then(Hardware::named)
}

fn video(kind: ActivityKind, spec: &Node, container: Container) -> Option<Video> {
    let Some(node) = spec.get("video") else {
        return match kind {
            _ if is_subtitles(container) => None,
            // Nothing is lost unsaid: where there is video, a container that holds none refuses it.
            ActivityKind::Remux => Some(Video::Copy),
            _ if is_audio_only(container) => None,
            _ => Some(Video::Encode(video_encode(kind, &Node::empty_map(spec.span), spec))),
        };
    };
    match (node.as_str(), node.get("codec").and_then(Node::as_str)) {
        (Some("none"), _) => None,
        (Some(_), _) | (_, Some("copy")) => Some(Video::Copy),
        _ => Some(Video::Encode(video_encode(kind, node, spec))),
    }
}

fn video_encode(kind: ActivityKind, node: &Node, spec: &Node) -> VideoEncode {
    let word = |key| node.get(key).and_then(Node::scalar_text);
    let if_lower = spec.get("if_source_lower").and_then(|n| n.get("resolution")).and_then(Node::as_str);
    let codec = video_codec(spec);
    VideoEncode {
        codec,
        encoder: hardware(node),
        profile: word("profile"),
        level: word("level"),
        preset: word("preset"),
        tune: word("tune"),
        rate_control: rate_control(kind, codec, node),
        quality: small(node, "quality"),
        two_passes: word("passes").as_deref() == Some("2"),
        gop: node.get("gop").and_then(gop),
        b_frames: small(node, "b_frames"),
        refs: small(node, "refs"),
        size: size(node),
        fit: fit(node),
        upscale: node.get("upscale").and_then(Node::as_bool).unwrap_or(if_lower == Some("ignore")),
        frame_rate: frame_rate(node),
        treatment: treatment::read(node),
        pixel_format: word("pix_fmt"),
    }
}

/// Bits of a rate or a buffer.
pub(super) fn bits(node: &Node, key: &str) -> Option<u64> {
    node.get(key).and_then(Node::scalar_text).and_then(|t| units::parse_bitrate(&t).ok())
}

/// Seconds of a duration.
pub(super) fn seconds(node: &Node) -> Option<f64> {
    node.scalar_text().and_then(|t| units::parse_duration(&t).ok()).map(|d| d.as_secs_f64())
}

/// A count that the shape has held to what `u32` takes.
pub(super) fn count(node: &Node, key: &str) -> Option<u32> {
    node.get(key).and_then(Node::as_int).and_then(|n| u32::try_from(n).ok())
}

/// A count that the shape has held to what `u8` takes.
fn small(node: &Node, key: &str) -> Option<u8> {
    count(node, key).and_then(|n| u8::try_from(n).ok())
}

#[expect(clippy::cast_possible_truncation, reason = "a quality from 0 to 63")]
fn rate_control(kind: ActivityKind, codec: VideoCodec, node: &Node) -> RateControl {
    let default_crf = match codec.info().rates {
        // They know no such quality, and take no notice.
        Rates::Profile | Rates::Quality(_) => 0.0,
        Rates::Crf { default, .. } if kind == ActivityKind::Watermark => default - CRF_WATERMARK,
        Rates::Crf { default, .. } => default,
    };
    let (maxrate_bps, bufsize_bits) = (bits(node, "maxrate"), bits(node, "bufsize"));
    match (node.get("rate_control").and_then(Node::as_str), bits(node, "bitrate")) {
        (Some("cbr"), Some(bitrate_bps)) => RateControl::Cbr { bitrate_bps, bufsize_bits },
        (_, Some(bitrate_bps)) => RateControl::Abr { bitrate_bps, maxrate_bps, bufsize_bits },
        (_, None) => {
            let crf = node.get("crf").and_then(Node::as_f64).map_or(default_crf, |n| n as f32);
            RateControl::Crf { crf, maxrate_bps, bufsize_bits }
        }
    }
}

fn gop(node: &Node) -> Option<Gop> {
    count(node, "frames").map(Gop::Frames).or_else(|| seconds(node).map(Gop::Seconds))
}

/// The size that a mapping with `width`, `height`, `short_side` or `long_side` asks for.
pub(super) fn size(node: &Node) -> Size {
    let side = |key| count(node, key);
    match (side("short_side"), side("long_side"), side("width"), side("height")) {
        (Some(side), ..) => Size::ShortSide(side),
        (_, Some(side), ..) => Size::LongSide(side),
        (_, _, None, None) => Size::Source,
        (_, _, width, height) => Size::Box { width, height },
    }
}

fn fit(node: &Node) -> Fit {
    match node.get("fit").and_then(Node::as_str) {
        Some("crop") => Fit::Crop,
        Some("pad") => Fit::Pad,
        Some("none") => Fit::None,
        _ => Fit::Rescale,
    }
}

fn frame_rate(node: &Node) -> FrameRate {
    let rate = |key| node.get(key).and_then(Node::scalar_text).and_then(|t| units::parse_frame_rate(&t).ok());
    match (rate("fps"), rate("max_fps")) {
        (Some(rate), _) => FrameRate::Fixed(rate),
        (None, Some(rate)) => FrameRate::Max(rate),
        (None, None) => FrameRate::Source,
    }
}

fn audio(kind: ActivityKind, spec: &Node, container: Container, beside: &mut Beside) -> Option<Audio> {
    let keeps = kind == ActivityKind::Remux;
    let Some(node) = spec.get("audio") else {
        let own = container.info().audio?;
        return Some(if keeps {
            Audio::Copy { tracks: Tracks::All }
        } else {
            Audio::Encode(audio_encode(kind, &Node::empty_map(spec.span), own, beside))
        });
    };
    match (node.as_str(), node.get("codec").and_then(Node::as_str)) {
        (Some("none"), _) => None,
        (Some(_), _) => Some(Audio::Copy { tracks: if keeps { Tracks::All } else { Tracks::Main } }),
        (_, Some("copy")) => Some(Audio::Copy { tracks: tracks(node) }),
        (_, None) if keeps => Some(Audio::Copy { tracks: tracks(node) }),
        _ => Some(Audio::Encode(audio_encode(kind, node, audio_codec(spec), beside))),
    }
}

fn audio_encode(kind: ActivityKind, node: &Node, codec: AudioCodec, beside: &mut Beside) -> AudioEncode {
    let profile = node.get("profile").and_then(Node::scalar_text);
    let bitrate = codec.info().limits_of(profile.as_deref()).bitrate;
    let default_bps = bitrate.filter(|(_, usual, _)| *usual > 0).map(|(_, usual, most)| {
        let better = if kind == ActivityKind::Watermark { usual / 2 } else { 0 };
        (usual + better).min(most)
    });
    AudioEncode {
        codec,
        profile,
        bitrate_bps: bits(node, "bitrate").or(default_bps),
        sample_rate: count(node, "sample_rate"),
        bit_depth: small(node, "bit_depth"),
        channels: node.get("channels").and_then(Node::as_int).and_then(|n| u16::try_from(n).ok()),
        tracks: tracks(node),
        level: sound::level(node),
        mix: sound::mix(node, beside),
    }
}

fn tracks(node: &Node) -> Tracks {
    node.get("tracks").map_or(Tracks::Main, tracks_of)
}

/// Streams that a number, a language or a word selects.
pub(super) fn tracks_of(tracks: &Node) -> Tracks {
    if let Some(language) = tracks.get("language").and_then(Node::scalar_text) {
        return Tracks::Language(language);
    }
    match (tracks.as_int().and_then(|n| u32::try_from(n).ok()), tracks.as_str()) {
        (Some(index), _) => Tracks::Index(index),
        (_, Some("all")) => Tracks::All,
        _ => Tracks::Main,
    }
}

/// The part that `start`, `duration` and `end` mean.
pub(super) fn clip_of(clip: &Node) -> Clip {
    let at = |key| clip.get(key).and_then(seconds);
    let start_s = at("start").unwrap_or(0.0);
    Clip { start_s, duration_s: at("duration").or_else(|| at("end").map(|end| end - start_s)) }
}

/// Facts about a template with these parameters, for expressions.
pub(super) fn facts(parameters: &Node) -> Facts {
    let mut beside = Beside { first: 1, references: Vec::new() };
    let output = read(ActivityKind::Transcode, parameters, "", Vec::new(), &mut beside);
    let mut facts = Facts { container: output.container.info().name.to_owned(), ..Facts::default() };
    match output.video {
        None => {}
        Some(Video::Copy) => "copy".clone_into(&mut facts.video_codec),
        Some(Video::Encode(video)) => {
            video.codec.info().name.clone_into(&mut facts.video_codec);
            facts.bitrate = match video.rate_control {
                RateControl::Crf { maxrate_bps, .. } => maxrate_bps.unwrap_or(0),
                RateControl::Abr { bitrate_bps, .. } | RateControl::Cbr { bitrate_bps, .. } => bitrate_bps,
            };
            (facts.width, facts.height) = treatment::shown_size(shown_size(video.size), &video.treatment);
            facts.short_side = facts.width.min(facts.height);
            facts.long_side = facts.width.max(facts.height);
        }
    }
    match output.audio {
        None => {}
        Some(Audio::Copy { .. }) => "copy".clone_into(&mut facts.audio_codec),
        Some(Audio::Encode(audio)) => {
            audio.codec.info().name.clone_into(&mut facts.audio_codec);
            facts.audio_bitrate = audio.bitrate_bps.unwrap_or(0);
        }
    }
    facts
}

/// Width and height that a 16:9 source gets.
const fn shown_size(size: Size) -> (u32, u32) {
    const fn wide(height: u32) -> u32 {
        (height * 16 / 9).next_multiple_of(2)
    }
    const fn high(width: u32) -> u32 {
        (width * 9 / 16).next_multiple_of(2)
    }
    match size {
        Size::Source | Size::Box { width: None, height: None } => (0, 0),
        Size::ShortSide(low) | Size::Box { width: None, height: Some(low) } => (wide(low), low),
        Size::LongSide(long) | Size::Box { width: Some(long), height: None } => (long, high(long)),
        Size::Box { width: Some(width), height: Some(height) } => (width, height),
    }
}
