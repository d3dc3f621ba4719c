//! Media information as tables.

use maud::{Markup, html};

use super::activities;
use crate::console::format::{bit_rate, bytes, clock, count};
use crate::engine::ActivityState;
use crate::model::media::{AudioStream, MediaInfo, SubtitleStream, VideoStream};
use crate::model::plan::ActivityKind;
use crate::store::ExecutionRecord;

/// Draws the results of the analyses.
#[must_use]
pub fn analyses(record: &ExecutionRecord) -> Markup {
    let found = activities(record).filter_map(|(node, state)| match state {
        ActivityState::Succeeded { result, .. } if record.plan.graph[node].kind == ActivityKind::Analysis => {
            let info: MediaInfo = serde_json::from_value(result.as_ref().clone()).ok()?;
            Some((&record.plan.graph[node].name, info))
        }
        _ => None,
    });
    html! {
        @for (name, info) in found {
            section.panel {
                h2 { "Media information " small { (name) } }
                (info_table(&info))
            }
        }
    }
}

/// Formats media information in one line: `1280×720 h264 · aac · 0:18.250`.
#[must_use]
pub fn brief(info: &MediaInfo) -> String {
    let video = info.video.first().map(|video| format!("{}×{} {}", video.width, video.height, video.codec));
    let audio = info.audio.first().map(|audio| audio.codec.clone());
    let duration = info.format.duration_s.map(clock);
    let rate = info.format.bit_rate.map(bit_rate);
    video.into_iter().chain(audio).chain(duration).chain(rate).collect::<Vec<_>>().join(" · ")
}

fn info_table(info: &MediaInfo) -> Markup {
    let format = &info.format;
    html! {
        dl.facts {
            div { dt { "Container" } dd { (format.name) } }
            @if let Some(duration) = format.duration_s { div { dt { "Duration" } dd { (clock(duration)) } } }
            div { dt { "Size" } dd { (bytes(format.size_bytes)) } }
            @if let Some(rate) = format.bit_rate { div { dt { "Bit rate" } dd { (bit_rate(rate)) } } }
            @if let Some(loudness) = &info.loudness {
                div { dt { "Loudness" } dd { (loudness.integrated_lufs.map_or_else(|| "silence".to_owned(), |lufs| format!("{lufs:.1} LUFS"))) } }
            }
            @if !info.chapters.is_empty() { div { dt { "Chapters" } dd { (info.chapters.len()) } } }
        }
        (tags(info))
        div.scroll {
            table {
                thead { tr { th.number scope="col" { "#" } th scope="col" { "Stream" } th scope="col" { "Codec" } th scope="col" { "Details" } th.number scope="col" { "Bit rate" } } }
                tbody {
                    @for video in &info.video { (row(video.index, "video", &video.codec, &video_facts(video), video.bit_rate)) }
                    @for audio in &info.audio { (row(audio.index, "audio", &audio.codec, &audio_facts(audio), audio.bit_rate)) }
                    @for text in &info.subtitles { (row(text.index, "subtitles", &text.codec, &text_facts(text), None)) }
                    @for picture in &info.pictures {
                        (row(picture.index, "picture", &picture.codec, &[format!("{}×{}", picture.width, picture.height)], None))
                    }
                }
            }
        }
    }
}

/// Draws the tags of the container, folded: most are of use to programs only.
fn tags(info: &MediaInfo) -> Markup {
    let tags = &info.format.tags;
    html! {
        @if !tags.is_empty() {
            details { summary { (count(tags.len(), "tag")) }
                dl.facts { @for (name, value) in tags { div { dt { (name) } dd { (value) } } } }
            }
        }
    }
}

fn row(index: u32, kind: &str, codec: &str, facts: &[String], rate: Option<u64>) -> Markup {
    html! {
        tr { td.number { (index) } td { (kind) } td { (codec) } td { (facts.join(", ")) } td.number { (rate.map(bit_rate).unwrap_or_default()) } }
    }
}

fn video_facts(video: &VideoStream) -> Vec<String> {
    let mut facts = vec![format!("{}×{}", video.width, video.height), format!("{:.3} fps", video.frame_rate)];
    facts.extend(video.variable_frame_rate.then(|| "variable".to_owned()));
    facts.extend(video.profile.clone());
    facts.extend(video.pixel_format.clone());
    facts.extend(video.hdr.map(|hdr| format!("{hdr:?}")));
    facts.extend(video.interlaced.then(|| "interlaced".to_owned()));
    facts.extend((video.rotation != 0).then(|| format!("rotated by {}°", video.rotation)));
    facts
}

fn audio_facts(audio: &AudioStream) -> Vec<String> {
    let channels = audio.layout.clone().unwrap_or_else(|| format!("{} channels", audio.channels));
    let mut facts = vec![format!("{} Hz", audio.sample_rate), channels];
    facts.extend(audio.profile.clone());
    facts.extend(audio.language.clone());
    facts
}

fn text_facts(text: &SubtitleStream) -> Vec<String> {
    let kind = if text.text { "text" } else { "pictures" };
    std::iter::once(kind.to_owned()).chain(text.language.clone()).chain(text.title.clone()).collect()
}
