//! Rules of codecs: what parameters each takes, and which container holds it. All read from [`crate::model::codec`].
//!
//! Each rule looks only at what is known: a parameter with `${…}` is judged when it has been rendered.

use super::encode::{self, bits};
use crate::model::codec::{AudioCodec, Hardware, Rates, VideoCodec, VideoInfo};
use crate::model::work::Container;
use crate::yaml::{Node, Sink, is_deferred, nearest};

/// Words that any codec has for a profile.
pub(super) fn profiles() -> Vec<&'static str> {
    words(|info| info.profiles.iter().map(|(name, _)| *name).collect())
}

/// Words that any codec has for a level.
pub(super) fn levels() -> Vec<&'static str> {
    words(|info| info.levels.to_vec())
}

/// Words that any codec has for a preset.
pub(super) fn presets() -> Vec<&'static str> {
    words(|info| info.presets.to_vec())
}

/// Words that any codec has for a tuning.
pub(super) fn tunes() -> Vec<&'static str> {
    words(|info| info.tunes.to_vec())
}

/// Pixel formats that any codec has.
pub(super) fn pixel_formats() -> Vec<&'static str> {
    words(|info| info.pixel_formats.to_vec())
}

fn words(of: impl Fn(&VideoInfo) -> Vec<&'static str>) -> Vec<&'static str> {
    let mut known = Vec::new();
    for word in VideoCodec::ALL.iter().flat_map(|codec| of(codec.info())) {
        if !known.contains(&word) {
            known.push(word);
        }
    }
    known
}

/// Holds the parameters of video that is encoded against its codec.
pub(super) fn video_rules(codec: VideoCodec, video: &Node, sink: &mut Sink<'_>) {
    let info = codec.info();
    let profiles: Vec<_> = info.profiles.iter().map(|(name, _)| *name).collect();
    word(info, video, "profile", &profiles, sink);
    word(info, video, "level", info.levels, sink);
    word(info, video, "pix_fmt", info.pixel_formats, sink);
    let hardware = encode::hardware(video);
    match hardware {
        None => {
            word(info, video, "preset", info.presets, sink);
            word(info, video, "tune", info.tunes, sink);
        }
        Some(hardware) => hardware_rules(info, hardware, video, sink),
    }
    rate_rules(info, video, sink);
    count(info, video, "b_frames", info.b_frames, sink);
    count(info, video, "refs", info.refs, sink);
    if let Some(gop) = video.entry("gop").filter(|_| !info.groups) {
        let message = format!("`gop` does not apply: every frame of {} is a keyframe", info.title);
        sink.error("TPL0202", gop.key_span, message);
    }
    for key in ["fps", "max_fps"] {
        if let (Some(most), Some(rate)) = (info.max_fps, video.get(key)) {
            let above = rate.scalar_text().and_then(|text| crate::model::units::parse_frame_rate(&text).ok());
            if above.is_some_and(|rate| rate.value() > f64::from(most)) {
                let message = format!("{} supports at most {most} frames per second", info.title);
                sink.error("TPL0206", rate.span, message);
            }
        }
    }
    profile_rules(info, video, sink);
}

/// A profile and a pixel format, a tuning or B frames that it does not have.
fn profile_rules(info: &VideoInfo, video: &Node, sink: &mut Sink<'_>) {
    let Some(node) = video.get("profile") else { return };
    let profile = node.scalar_text().unwrap_or_default();
    let formats = info.profiles.iter().find(|(name, _)| *name == profile).map_or(&[][..], |(_, formats)| formats);
    let format = video.get("pix_fmt").and_then(Node::as_str).filter(|format| info.pixel_formats.contains(format));
    if let (Some(format), Some(place)) = (format, video.get("pix_fmt"))
        && !formats.is_empty()
        && !formats.contains(&format)
    {
        let fitting = info.profiles.iter().find(|(_, formats)| formats.contains(&format));
        let error = sink.error("TPL0204", place.span, format!("profile {profile} does not support {format}"));
        error.also(node.span, "the profile");
        if let Some((name, _)) = fitting {
            error.hint(format!("supported by `profile: {name}`"));
        }
    }
    if profile == "baseline" {
        if let Some(tune) = video.get("tune").filter(|t| t.as_str() == Some("animation")) {
            let message = "tune `animation` needs B frames, which profile baseline does not support";
            sink.error("TPL0204", tune.span, message);
        }
        if let Some(frames) = video.get("b_frames").filter(|n| n.as_int().is_some_and(|n| n > 0)) {
            sink.error("TPL0204", frames.span, "profile baseline does not support B frames");
        }
    }
}

fn hardware_rules(info: &VideoInfo, hardware: Hardware, video: &Node, sink: &mut Sink<'_>) {
    let place = video.get("encoder").map_or(video.span, |node| node.span);
    let families: Vec<_> = info.hardware.iter().map(|(family, _)| family.name()).collect();
    if !families.contains(&hardware.name()) {
        let known = if families.is_empty() { "software".to_owned() } else { families.join(", ") };
        sink.error("TPL0214", place, format!("{} cannot encode {}", hardware.name(), info.title))
            .hint(format!("{} can be encoded by {known}", info.title));
    }
    for key in ["preset", "tune", "level", "refs"] {
        if let Some(entry) = video.entry(key) {
            let message = format!("`{key}` is supported by the software encoder only, not by {}", hardware.name());
            sink.error("TPL0214", entry.key_span, message).also(place, "the device");
        }
    }
    if two_passes(video) {
        let place = video.get("passes").map_or(place, |node| node.span);
        sink.error("TPL0214", place, format!("{} does not support two-pass encoding", hardware.name()))
            .hint("write `passes: 1`");
    }
    let subsampled = video.get("pix_fmt").filter(|f| f.as_str().is_some_and(|f| !f.starts_with("yuv420p")));
    if let Some(format) = subsampled {
        sink.error("TPL0214", format.span, format!("{} supports only yuv420p and yuv420p10le", hardware.name()));
    }
}

/// A key whose word must be one of the codec's.
fn word(info: &VideoInfo, video: &Node, key: &str, known: &[&str], sink: &mut Sink<'_>) {
    let Some(entry) = video.entry(key) else { return };
    let Some(text) = entry.value.scalar_text().filter(|text| !is_deferred(text)) else { return };
    if known.is_empty() {
        sink.error("TPL0204", entry.key_span, format!("{} does not support `{key}`", info.title)).hint("remove it");
    } else if !known.contains(&text.as_str()) {
        let hint = nearest(&text, known.iter().copied())
            .map_or_else(|| format!("supported are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        sink.error("TPL0204", entry.value.span, format!("{} has no `{key}: {text}`", info.title)).hint(hint);
    }
}

/// A key with a count up to the codec's most.
fn count(info: &VideoInfo, video: &Node, key: &str, most: Option<u8>, sink: &mut Sink<'_>) {
    let Some(entry) = video.entry(key) else { return };
    match most {
        None => {
            sink.error("TPL0204", entry.key_span, format!("{} does not support `{key}`", info.title)).hint("remove it");
        }
        Some(most) if entry.value.as_int().is_some_and(|n| n > i64::from(most)) => {
            sink.error("TPL0204", entry.value.span, format!("{} supports at most {most} {key}", info.title));
        }
        Some(_) => {}
    }
}

fn two_passes(video: &Node) -> bool {
    video.get("passes").and_then(Node::scalar_text).as_deref() == Some("2")
}

/// Ways to spend bits that the codec does not have.
fn rate_rules(info: &VideoInfo, video: &Node, sink: &mut Sink<'_>) {
    const RATES: [&str; 6] = ["rate_control", "crf", "bitrate", "maxrate", "bufsize", "passes"];
    let Rates::Crf { max, modes, capped, two_passes: looks_twice, .. } = info.rates else {
        let hint = match info.rates {
            Rates::Quality(usual) => format!("use `quality` from 1 to 100; {usual} is the default"),
            _ if info.profiles.is_empty() => "remove it".to_owned(),
            _ => "its `profile` determines the bit rate".to_owned(),
        };
        let one_pass = |key: &str| key == "passes" && !two_passes(video);
        for entry in RATES.iter().filter(|key| !one_pass(key)).filter_map(|key| video.entry(key)) {
            let message = format!("`{}` does not apply: {} has no bit rate to choose", info.title, entry.key);
            sink.error("TPL0202", entry.key_span, message).hint(hint.clone());
        }
        if let Some(quality) = video.entry("quality").filter(|_| info.rates == Rates::Profile) {
            sink.error("TPL0202", quality.key_span, format!("{} does not support `quality`", info.title)).hint(hint);
        }
        return;
    };
    if let Some(quality) = video.entry("quality") {
        sink.error("TPL0202", quality.key_span, format!("{} does not support `quality`", info.title))
            .hint(format!("use `crf` from 0 to {max} for constant quality"));
    }
    if let Some(crf) = video.get("crf").filter(|crf| crf.as_f64().is_some_and(|crf| crf > f64::from(max))) {
        sink.error("TPL0104", crf.span, format!("`crf` of {} is out of range: from 0 to {max}", info.title));
    }
    let control = video.get("rate_control").and_then(Node::as_str);
    let mode = control.unwrap_or(if video.get("bitrate").is_some() { "abr" } else { "crf" });
    if let Some(node) = video.get("rate_control").filter(|_| !modes.contains(&mode)) {
        sink.error("TPL0202", node.span, format!("{} does not support `rate_control: {mode}`", info.title))
            .hint(format!("supported are {}", modes.join(", ")));
    }
    if let Some(maxrate) = video.entry("maxrate").filter(|_| mode != "cbr" && !capped.contains(&mode)) {
        let message = format!("the encoder of {} does not support `maxrate` with `rate_control: {mode}`", info.title);
        sink.error("TPL0202", maxrate.key_span, message)
            .hint(format!("use `rate_control: cbr`, or {} with `maxrate`", capped.join(" or ")));
    }
    if let Some(passes) = video.get("passes").filter(|_| two_passes(video)) {
        if !looks_twice {
            sink.error(
                "TPL0202",
                passes.span,
                format!("the encoder of {} does not support two-pass encoding", info.title),
            )
            .hint("write `passes: 1`");
        } else if mode == "crf" || mode == "cbr" {
            let message = format!("two-pass encoding has no effect with `rate_control: {mode}`");
            sink.error("TPL0202", passes.span, message).hint("use `rate_control: abr` or `vbr` with a `bitrate`");
        }
    }
}

/// Holds the parameters of audio that is encoded against its codec and profile.
pub(super) fn audio_rules(codec: AudioCodec, audio: &Node, sink: &mut Sink<'_>) {
    let info = codec.info();
    let profile = audio.get("profile").and_then(Node::scalar_text).filter(|profile| !is_deferred(profile));
    let limits = info.limits_of(profile.as_deref());
    let name = profile.as_deref().filter(|_| !info.profiles.is_empty()).unwrap_or(info.name);
    profile_of_audio(codec, audio, sink);
    if let Some(bitrate) = audio.get("bitrate") {
        match limits.bitrate {
            None => drop(sink.error("TPL0210", bitrate.span, format!("`bitrate` does not apply: {name} is lossless"))),
            Some((least, _, most)) => {
                if let Some(rate) = bits(audio, "bitrate").filter(|rate| !(least..=most).contains(rate)) {
                    let message = if rate > most {
                        format!("{name} supports at most {} kbit/s", most / 1_000)
                    } else {
                        format!("{name} needs at least {} kbit/s", least / 1_000)
                    };
                    sink.error("TPL0210", bitrate.span, message);
                }
            }
        }
    }
    let (fewest, most) = limits.channels;
    let range = i64::from(fewest)..=i64::from(most);
    if let Some(channels) = audio.get("channels").filter(|c| c.as_int().is_some_and(|n| !range.contains(&n))) {
        let message = match (fewest, most) {
            (2, 2) => format!("{name} needs two channels"),
            (_, 2) => format!("{name} supports one or two channels"),
            (_, most) => format!("{name} supports at most {most} channels"),
        };
        sink.error("TPL0210", channels.span, message);
    }
    if let Some(rate) = audio.get("sample_rate") {
        let has = |n: i64| limits.sample_rates.iter().any(|&rate| i64::from(rate) == n);
        if !limits.sample_rates.is_empty() && rate.as_int().is_some_and(|n| !has(n)) {
            let rates: Vec<_> = limits.sample_rates.iter().map(ToString::to_string).collect();
            sink.error("TPL0210", rate.span, format!("{name} does not support this sample rate"))
                .hint(format!("supported are {}", rates.join(", ")));
        }
    }
    if let Some(depth) = audio.get("bit_depth") {
        let has = |n: i64| info.bit_depths.iter().any(|&bits| i64::from(bits) == n);
        if info.bit_depths.is_empty() {
            sink.error("TPL0210", depth.span, format!("{name} does not support `bit_depth`"))
                .hint("flac and pcm support it");
        } else if depth.as_int().is_some_and(|n| !has(n)) {
            let depths: Vec<_> = info.bit_depths.iter().map(ToString::to_string).collect();
            sink.error("TPL0210", depth.span, format!("{name} does not support this `bit_depth`"))
                .hint(format!("supported are {}", depths.join(", ")));
        }
    }
}

/// A profile that the codec does not have.
fn profile_of_audio(codec: AudioCodec, audio: &Node, sink: &mut Sink<'_>) {
    let Some(profile) = audio.get("profile") else { return };
    let (info, word) = (codec.info(), profile.scalar_text().unwrap_or_default());
    if info.profiles.is_empty() {
        sink.error("TPL0210", profile.span, format!("`profile` is for AAC only; {} has none", info.name));
    } else if !is_deferred(&word) && info.profiles.iter().all(|(name, _)| *name != word) {
        let known: Vec<_> = info.profiles.iter().map(|(name, _)| *name).collect();
        sink.error("TPL0210", profile.span, format!("{} has no profile `{word}`", info.name))
            .hint(format!("supported are {}", known.join(", ")));
    }
}

/// Containers and codecs that match, for a hint.
pub(super) fn goes_with(container: Container, held: &[&str], kind: &str) -> String {
    let name = container.info().name;
    if held.is_empty() {
        format!("{name} files cannot contain {kind}")
    } else {
        format!("a {name} file can contain {}", held.join(", "))
    }
}
