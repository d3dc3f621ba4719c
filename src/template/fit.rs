//! Template analysis: templates that suit a source, best first, each with its reason.
//!
//! **Invariant**: pure; every template except watermarks is in the result once, in `fits` or in `left_out`.
//! Order: video for players, the largest that the source fills first and H.264 before others of a size, because it plays
//! everywhere; then copies; then video for editors and previews; then sound alone. Of a sound recording, sound comes first.
//!
//! Deliberately missing: analysis of the picture. Sizes, bit rates, codecs and dynamic range decide.

use std::cmp::Reverse;

use serde::Serialize;

use super::encode;
use super::{Facts, Files, Template, Templates, outputs, source};
use crate::model::media::{AudioStream, Hdr, MediaInfo, VideoStream};
use crate::model::plan::ActivityKind;
use crate::model::work::{Container, MediaOutput, Output, Pipeline, RateControl, Size, Video, VideoEncode, Work};
use crate::yaml::Node;

/// Video codecs in the order in which players have them.
const PLAYED: &[&str] = &["h264", "h265", "av1", "vp9"];
/// Video codecs of previews.
const PREVIEWS: &[&str] = &["gif", "webp", "mjpeg"];
/// Audio codecs in the order in which players have them.
const HEARD: &[&str] = &["aac", "mp3", "opus", "vorbis", "ac3", "eac3"];
/// Audio codecs that lose nothing.
const LOSSLESS: &[&str] = &["flac", "pcm", "alac", "wavpack", "tta", "ape", "mlp", "truehd"];

/// Result of a template analysis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fits {
    /// Name of the first of `fits`.
    pub best: Option<String>,
    /// Names of `fits`, in order.
    pub templates: Vec<String>,
    /// Templates that suit, best first.
    pub fits: Vec<Fit>,
    /// Templates that do not suit.
    pub left_out: Vec<LeftOut>,
}

/// A template that suits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// Its name.
    pub template: String,
    /// Facts about its output.
    #[serde(flatten)]
    pub facts: Facts,
    /// Reason why it suits, and remarks.
    pub reason: String,
}

/// A template that does not suit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub template: String,
    /// Reason why it does not suit.
    pub reason: String,
}

/// Purpose of a template; the order of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Sound,
    Players,
    Copy,
    Editors,
    Preview,
    SoundOfVideo,
}

/// A template under consideration.
struct Candidate<'a> {
    template: &'a Template,
    facts: Facts,
    purpose: Purpose,
    /// Shorter side that it makes of this source.
    side: u32,
    /// True if it asks for more pixels than there are.
    beyond: bool,
    /// True if its bit rate is above the source's.
    above: bool,
}

/// The templates that suit a source.
#[must_use]
pub fn fits(info: &MediaInfo, templates: &Templates) -> Fits {
    let mut answer = Fits::default();
    let mut candidates = Vec::new();
    for template in templates.iter().filter(|template| !template.is_watermark()) {
        match candidate(template, info) {
            Ok(candidate) => candidates.push(candidate),
            Err(reason) => answer.left_out.push(LeftOut { template: template.name.clone(), reason }),
        }
    }
    let codecs: Vec<String> = candidates.iter().map(|candidate| candidate.facts.video_codec.clone()).collect();
    let place = |candidate: &Candidate<'_>| family(&candidate.facts);
    candidates.sort_by_key(|candidate| {
        let facts = &candidate.facts;
        let rate = if facts.video_codec.is_empty() { facts.audio_bitrate } else { facts.bitrate };
        let side = Reverse(if candidate.beyond { 0 } else { candidate.side });
        (candidate.purpose, side, candidate.above, place(candidate), Reverse(rate), candidate.template.name.clone())
    });
    // What asks for more than there is never enlarges it: where a codec has nothing smaller, its smallest does.
    let mut served: Vec<&String> = Vec::new();
    for codec in &codecs {
        let mut of_codec = candidates.iter().filter(|c| c.facts.video_codec == *codec);
        if codec.is_empty() || codec == "copy" || of_codec.any(|c| !c.beyond) {
            served.push(codec);
        }
    }
    let smallest = |candidate: &Candidate<'_>| {
        let of_codec = candidates.iter().filter(|c| c.facts.video_codec == candidate.facts.video_codec);
        of_codec.min_by_key(|c| (c.facts.short_side, c.template.name.clone())).map(|c| c.template.name.clone())
    };
    let mut largest: Vec<&str> = Vec::new();
    for candidate in &candidates {
        let (name, codec) = (&candidate.template.name, &candidate.facts.video_codec);
        let alone = !served.contains(&codec) && smallest(candidate).as_ref() == Some(name);
        if candidate.beyond && !alone {
            let reason =
                format!("asks for {}, and the source is smaller: {}", size_words(&candidate.facts), shape(info));
            answer.left_out.push(LeftOut { template: name.clone(), reason });
            continue;
        }
        let first = !largest.contains(&codec.as_str());
        largest.push(codec);
        let reason = reason(candidate, info, first);
        answer.fits.push(Fit { template: name.clone(), facts: candidate.facts.clone(), reason });
    }
    answer.templates = answer.fits.iter().map(|fit| fit.template.clone()).collect();
    answer.best = answer.templates.first().cloned();
    answer
}

/// Returns the candidate, or the reason why the template does not suit the source.
fn candidate<'a>(template: &'a Template, info: &MediaInfo) -> Result<Candidate<'a>, String> {
    let facts = template.facts();
    let (video, audio) = (info.video.first(), info.audio.first());
    let sound_only = facts.video_codec.is_empty();
    let mut candidate = Candidate { template, facts, purpose: Purpose::Copy, side: 0, beyond: false, above: false };
    match (sound_only, video, audio) {
        (true, _, Some(audio)) => {
            candidate.purpose = if video.is_some() { Purpose::SoundOfVideo } else { Purpose::Sound };
            sound(&mut candidate, audio, info)?;
        }
        (true, _, None) => return Err("the source has no sound".to_owned()),
        _ if candidate.facts.video_codec == "copy" => copy(&candidate, info)?,
        (false, None, _) => return Err("the source has no video".to_owned()),
        (false, Some(video), _) => picture(&mut candidate, video, info)?,
    }
    Ok(candidate)
}

fn picture(candidate: &mut Candidate<'_>, video: &VideoStream, info: &MediaInfo) -> Result<(), String> {
    let parameters = &candidate.template.parameters;
    let Some(asked) = asked(parameters) else { return Err("encodes no video".to_owned()) };
    let codec = candidate.facts.video_codec.as_str();
    candidate.purpose = match codec {
        _ if PREVIEWS.contains(&codec) => Purpose::Preview,
        "prores" => Purpose::Editors,
        _ => Purpose::Players,
    };
    candidate.side = if asked.size == Size::Source { video.short_side } else { candidate.facts.short_side };
    candidate.beyond = source::is_smaller(&asked, video.width, video.height);
    if candidate.beyond {
        let choice = if_lower(parameters, "resolution");
        if asked.upscale {
            return Err(format!("would enlarge {} to {}", shape(info), size_words(&candidate.facts)));
        }
        if choice.as_deref() == Some("fail") {
            return Err(format!("fails where the source has less than {}", size_words(&candidate.facts)));
        }
    }
    let Some(has) = source::video_rate(info).filter(|has| candidate.facts.bitrate > *has) else { return Ok(()) };
    candidate.above = true;
    let choice = if_lower(parameters, "video_bitrate");
    let average = !matches!(asked.rate_control, RateControl::Crf { .. });
    if choice.as_deref() == Some("fail") || average && choice.as_deref() != Some("keep_source") {
        return Err(format!("asks for {}, and the source has {}", rate(candidate.facts.bitrate), rate(has)));
    }
    Ok(())
}

fn sound(candidate: &mut Candidate<'_>, audio: &AudioStream, info: &MediaInfo) -> Result<(), String> {
    let lossless = is_lossless(&candidate.facts.audio_codec);
    if lossless && !is_lossless(&audio.codec) {
        return Err(format!("lossless, but the source is lossy ({}): the file would only grow", audio.codec));
    }
    if candidate.facts.audio_codec == "copy" {
        return copy(candidate, info);
    }
    let wanted = candidate.facts.audio_bitrate;
    let keeps = if_lower(&candidate.template.parameters, "audio_bitrate").as_deref() == Some("keep_source");
    match source::audio_rate(info).filter(|has| wanted > *has && !lossless && !keeps) {
        // Rates of one name differ by a little from file to file.
        Some(has) if wanted > has + has / 20 => {
            Err(format!("asks for {}, and the source has {}", rate(wanted), rate(has)))
        }
        _ => Ok(()),
    }
}

/// Returns whether the container holds the streams without an encode.
fn copy(candidate: &Candidate<'_>, info: &MediaInfo) -> Result<(), String> {
    let container = candidate.facts.container.as_str();
    if info.video.is_empty() && info.audio.is_empty() {
        return Err("the source has neither video nor sound".to_owned());
    }
    if info.format.name.split(',').any(|name| name == demuxer(container))
        && !(container == "mov" || container == "webm")
    {
        return Err(format!("the source is {container} already"));
    }
    if !info.video.is_empty() && candidate.facts.video_codec.is_empty() {
        return Ok(());
    }
    let streams = info.video.iter().map(|v| &v.codec).take(1).chain(info.audio.iter().map(|a| &a.codec));
    for codec in streams {
        if !holds(container, codec) {
            return Err(format!("a {container} file does not hold {codec}"));
        }
    }
    Ok(())
}

/// Returns whether a container usually holds a codec (libav's name), also one that cannot be encoded. The worker decides in
/// the end.
fn holds(container: &str, codec: &str) -> bool {
    let besides: &[&str] = match container {
        "mp4" => &["mpeg4", "mpeg2video", "alac"],
        "ts" => &["mpeg2video", "mpeg1video", "mp2"],
        "webm" => &["vp8"],
        "flv" => &["flv1"],
        _ => return true,
    };
    besides.contains(&codec) || Container::named(container).is_some_and(|container| container.encodes(codec))
}

/// A name of the demuxer of a container.
fn demuxer(container: &str) -> &str {
    match container {
        "mkv" => "matroska",
        "ts" => "mpegts",
        other => other,
    }
}

fn reason(candidate: &Candidate<'_>, info: &MediaInfo, first: bool) -> String {
    let mut parts = Vec::new();
    match (candidate.purpose, info.video.first()) {
        (Purpose::Copy, _) => {
            let container = &candidate.facts.container;
            parts.push(format!("a {container} file holds the streams as they are: nothing is lost"));
        }
        (Purpose::Sound, _) => parts.push("the source is sound only".to_owned()),
        (Purpose::SoundOfVideo, _) => parts.push("the sound alone".to_owned()),
        (_, Some(video)) => picture_reasons(candidate, video, info, first, &mut parts),
        (_, None) => {}
    }
    let channels = candidate.template.parameters.get("audio").and_then(|audio| encode::count(audio, "channels"));
    if let (Some(audio), Some(channels)) = (info.audio.first(), channels)
        && u32::from(audio.channels) > channels
    {
        parts.push(format!("{} channels become {channels}", audio.channels));
    }
    parts.join("; ")
}

fn picture_reasons(
    candidate: &Candidate<'_>,
    video: &VideoStream,
    info: &MediaInfo,
    first: bool,
    parts: &mut Vec<String>,
) {
    parts.push(if candidate.beyond {
        format!("the smallest of its codec; the output keeps the {} of the source", shape(info))
    } else if candidate.side == video.short_side {
        format!("has the size of the source, {}", shape(info))
    } else if first {
        format!("the largest of its codec that {} fills", shape(info))
    } else {
        "a smaller rung, for slower networks".to_owned()
    });
    match candidate.purpose {
        Purpose::Editors => parts.push("for editors, not for players".to_owned()),
        Purpose::Preview => parts.push("a preview".to_owned()),
        _ => {}
    }
    if let Some(has) = source::video_rate(info).filter(|_| candidate.above) {
        let wanted = rate(candidate.facts.bitrate);
        parts.push(format!("the source has only {}, so it will hardly need its {wanted}", rate(has)));
    }
    if let Some(hdr) = video.hdr {
        let name = match hdr {
            Hdr::Hdr10 => "HDR10",
            Hdr::Hdr10Plus => "HDR10+",
            Hdr::Hlg => "HLG",
            Hdr::DolbyVision => "Dolby Vision",
        };
        let words = candidate.template.parameters.get("video").and_then(|video| video.get("pix_fmt")?.scalar_text());
        let ten_bits = words.is_some_and(|format| format.contains("10")) || candidate.purpose == Purpose::Editors;
        if !ten_bits {
            parts.push(format!("{name} is mapped to standard range"));
        }
    }
}

/// The video that a template asks for.
fn asked(parameters: &Node) -> Option<VideoEncode> {
    let (work, _) = outputs(ActivityKind::Transcode, parameters, &Files::default(), 1);
    let Work::Pipeline(Pipeline { outputs, .. }) = work else { return None };
    outputs.into_iter().find_map(|output| match output {
        Output::Media(MediaOutput { video: Some(Video::Encode(video)), .. }) => Some(video),
        _ => None,
    })
}

fn if_lower(parameters: &Node, key: &str) -> Option<String> {
    parameters.get("if_source_lower")?.get(key)?.scalar_text()
}

/// The place of a codec among others of its kind.
fn family(facts: &Facts) -> usize {
    let place = |codec: &str, list: &[&str]| list.iter().position(|one| *one == codec).unwrap_or(list.len());
    if facts.video_codec.is_empty() { place(&facts.audio_codec, HEARD) } else { place(&facts.video_codec, PLAYED) }
}

/// Returns whether an audio codec, by Reelmill's or libav's name, loses nothing.
fn is_lossless(codec: &str) -> bool {
    LOSSLESS.contains(&codec) || codec.starts_with("pcm_")
}

/// `1280×720`, of the source.
fn shape(info: &MediaInfo) -> String {
    info.video.first().map_or_else(|| "no picture".to_owned(), |video| format!("{}×{}", video.width, video.height))
}

/// Parameters that a template sets.
fn size_words(facts: &Facts) -> String {
    format!("a short side of {}", facts.short_side)
}

/// `2.8 Mbit/s`, `400 kbit/s`.
pub(super) fn rate(bps: u64) -> String {
    if bps >= 1_000_000 && bps.is_multiple_of(100_000) || bps >= 10_000_000 {
        let tenths = bps / 100_000;
        return if tenths.is_multiple_of(10) {
            format!("{} Mbit/s", tenths / 10)
        } else {
            format!("{}.{} Mbit/s", tenths / 10, tenths % 10)
        };
    }
    format!("{} kbit/s", bps / 1_000)
}

#[cfg(test)]
mod tests;
