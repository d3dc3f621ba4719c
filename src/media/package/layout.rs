//! Which streams of the renditions become which tracks.
//!
//! Video and audio of a rendition stay together where players of HLS can have them so; for DASH, or where there is audio to
//! choose from, every stream is a track of its own, and what several renditions say alike is taken once. **Invariant**: pure.

use reelmill::model::media::{AudioStream, MediaInfo, SubtitleStream};
use reelmill::model::work::Package;

use crate::language;

/// By how much the bit rates of two tracks of one sound may differ.
const SAME_RATE: f64 = 0.1;

/// What becomes of each rendition, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// One for each rendition.
    pub renditions: Vec<Planned>,
}

/// What becomes of a rendition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// Its tracks.
    pub tracks: Vec<Lanes>,
    /// Which of all tracks of audio alone, counted over all renditions, are its own sounds, the main one first.
    pub heard: Vec<usize>,
    /// Its subtitle streams.
    pub texts: Vec<usize>,
    /// Number of streams that are no part of the package.
    pub left_out: usize,
    /// Time of its clock that is the package's start, in microseconds.
    pub origin_us: i64,
}

/// Streams of one track.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    /// What the names of its files begin with.
    pub prefix: String,
    /// Indices of the streams in their file.
    pub streams: Vec<usize>,
}

/// Lays out renditions.
#[must_use]
pub fn plan(infos: &[MediaInfo], package: &Package) -> Layout {
    let with_video = infos.iter().any(|info| !info.video.is_empty());
    let choice = infos.iter().any(|info| info.audio.len() > 1 || info.video.is_empty() && !info.audio.is_empty());
    let choice = if with_video { choice } else { is_choice_of_sound(infos) };
    let separate = package.mpd.is_some() || package.separate_audio || choice;
    let mut heard: Vec<AudioStream> = Vec::new();
    let mut texts: Vec<SubtitleStream> = Vec::new();
    let shared_us = infos.iter().filter(|info| is_zero_based(info)).map(start_us).min().unwrap_or(0);
    let renditions = infos
        .iter()
        .map(|info| {
            let mut planned = if separate { apart(info, &mut heard) } else { together(info) };
            planned.origin_us = if is_zero_based(info) { shared_us } else { start_us(info) };
            planned.left_out += info.video.len().saturating_sub(1);
            let before = texts.len();
            for text in &info.subtitles {
                if !package.keep_subtitles || !text.text {
                    planned.left_out += usize::from(package.keep_subtitles);
                } else if !texts[..before].iter().any(|known| is_same_text(known, text)) {
                    planned.texts.push(text.index as usize);
                    texts.push(text.clone());
                }
            }
            planned
        })
        .collect();
    Layout { renditions }
}

/// Whether renditions without a picture hold sounds that listeners choose from: not one sound at several rates, which players
/// choose from.
fn is_choice_of_sound(infos: &[MediaInfo]) -> bool {
    let mut sounds = infos.iter().flat_map(|info| &info.audio);
    let first = sounds.next();
    let other = |first: &AudioStream, other: &AudioStream| {
        !is_same_language(first.language.as_deref(), other.language.as_deref()) || first.title != other.title
    };
    infos.iter().any(|info| info.audio.len() > 1) || first.is_some_and(|first| sounds.any(|sound| other(first, sound)))
}

/// Whether times in the file count from the start of what it is a part of: a picture that begins half a second into an MP4
/// does so beside the sound of another. In other containers (transport streams) clocks begin anywhere.
fn is_zero_based(info: &MediaInfo) -> bool {
    info.format.name.split(',').any(|name| matches!(name, "mov" | "mp4" | "matroska" | "webm"))
}

/// Start of a file's clock, in microseconds. What lies before zero only starts decoders where clocks count from zero; in
/// transport streams it is what comes before the clock wraps.
#[expect(clippy::cast_possible_truncation, reason = "a media time")]
fn start_us(info: &MediaInfo) -> i64 {
    let start_s = info.format.start_time_s.unwrap_or(0.0);
    let start_s = if info.format.name == "mpegts" { start_s } else { start_s.max(0.0) };
    (start_s * 1e6).round() as i64
}

/// The first video stream and the main audio stream as one track.
fn together(info: &MediaInfo) -> Planned {
    let video = info.video.first().map(|video| video.index as usize);
    let audio = main(&info.audio).map(|audio| audio.index as usize);
    let streams: Vec<usize> = video.into_iter().chain(audio).collect();
    let tracks = if streams.is_empty() { Vec::new() } else { vec![Lanes { prefix: String::new(), streams }] };
    let left_out = info.audio.len().saturating_sub(1);
    Planned { tracks, left_out, ..Planned::default() }
}

/// A track for each stream; audio that is among `heard` already is not taken again.
fn apart(info: &MediaInfo, heard: &mut Vec<AudioStream>) -> Planned {
    let mut planned = Planned::default();
    // Within one file nothing stands twice by accident.
    let before = heard.len();
    let lanes = |prefix: String, index: u32| Lanes { prefix, streams: vec![index as usize] };
    planned.tracks.extend(info.video.first().map(|video| lanes("video-".to_owned(), video.index)));
    for (n, audio) in (1..).zip(&info.audio) {
        let known = heard[..before].iter().position(|other| is_same_sound(other, audio));
        let place = known.unwrap_or(heard.len());
        if known.is_none() {
            heard.push(audio.clone());
            let prefix = if n == 1 { "audio-".to_owned() } else { format!("audio{n}-") };
            planned.tracks.push(lanes(prefix, audio.index));
        }
        let is_main = main(&info.audio).is_some_and(|main| main.index == audio.index);
        planned.heard.insert(if is_main { 0 } else { planned.heard.len() }, place);
    }
    planned
}

fn main(audio: &[AudioStream]) -> Option<&AudioStream> {
    audio.iter().find(|audio| audio.default).or(audio.first())
}

fn is_same_sound(one: &AudioStream, other: &AudioStream) -> bool {
    one.codec == other.codec
        && one.profile == other.profile
        && one.channels == other.channels
        && one.sample_rate == other.sample_rate
        && is_same_language(one.language.as_deref(), other.language.as_deref())
        && one.title == other.title
        && is_same_rate(one.bit_rate, other.bit_rate)
        && is_same_length(one.duration_s, other.duration_s)
}

fn is_same_text(one: &SubtitleStream, other: &SubtitleStream) -> bool {
    is_same_language(one.language.as_deref(), other.language.as_deref())
        && one.title == other.title
        && one.forced == other.forced
}

fn is_same_language(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => language::same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
fn is_same_rate(one: Option<u64>, other: Option<u64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.abs_diff(other) as f64 <= SAME_RATE * one.max(other) as f64,
        (one, other) => one == other,
    }
}

/// Renditions of one source differ by less than the padding of a codec.
fn is_same_length(one: Option<f64>, other: Option<f64>) -> bool {
    one.zip(other).is_none_or(|(one, other)| (one - other).abs() < 0.1)
}

#[cfg(test)]
mod tests {
    use reelmill::model::media::VideoStream;

    use super::*;

    fn info(video: u32, audio: &[(&str, u64)]) -> MediaInfo {
        let sound = |(n, (language, rate)): (u32, &(&str, u64))| AudioStream {
            index: video + n,
            codec: "aac".into(),
            channels: 2,
            language: Some((*language).to_owned()),
            bit_rate: Some(*rate),
            default: n == 0,
            ..AudioStream::default()
        };
        MediaInfo {
            video: (0..video).map(|index| VideoStream { index, ..VideoStream::default() }).collect(),
            audio: (0..).zip(audio).map(sound).collect(),
            ..MediaInfo::default()
        }
    }

    fn streams(layout: &Layout) -> Vec<Vec<Vec<usize>>> {
        layout.renditions.iter().map(|r| r.tracks.iter().map(|t| t.streams.clone()).collect()).collect()
    }

    #[test]
    fn one_sound_stays_with_its_picture_and_several_are_apart() {
        let hls = Package { master: Some("m.m3u8".into()), ..crate::package::tests::package(2) };
        let layout = plan(&[info(1, &[("en", 128_000)]), info(1, &[("en", 64_000)])], &hls);
        assert_eq!(streams(&layout), [vec![vec![0, 1]], vec![vec![0, 1]]]);
        let layout = plan(&[info(1, &[("en", 128_000)]), info(0, &[("de", 128_000)])], &hls);
        assert_eq!(streams(&layout), [vec![vec![0], vec![1]], vec![vec![0]]]);
        let layout = plan(&[info(0, &[("en", 128_000)]), info(0, &[("en", 64_000)])], &hls);
        assert_eq!(streams(&layout), [vec![vec![0]], vec![vec![0]]], "audio alone has nothing to be apart from");
        assert_eq!(layout.renditions[0].tracks[0].prefix, "");
        let layout = plan(&[info(0, &[("en", 128_000), ("de", 128_000)])], &hls);
        assert_eq!(streams(&layout), [vec![vec![0], vec![1]]], "languages are there to choose from");
    }

    #[test]
    fn player_fault_1_files_whose_clocks_count_from_zero_share_one_start() {
        let hls = crate::package::tests::package(3);
        let at = |name: &str, start_s: f64| {
            let mut info = info(1, &[]);
            (info.format.name, info.format.start_time_s) = (name.into(), Some(start_s));
            info
        };
        let origins = |infos: &[MediaInfo]| -> Vec<i64> {
            plan(infos, &hls).renditions.iter().map(|planned| planned.origin_us).collect()
        };
        let (mp4, mkv) = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm");
        assert_eq!(origins(&[at(mp4, 0.5), at(mkv, 0.0), at("mpegts", 1.4)]), [0, 0, 1_400_000]);
        assert_eq!(origins(&[at(mp4, 3600.5), at(mp4, 3600.0)]), [3_600_000_000; 2]);
        assert_eq!(origins(&[at(mp4, -0.02), at("ogg", -0.01)]), [0, 0]);
        assert_eq!(origins(&[at("mpegts", -3.5)]), [-3_500_000], "its clock wraps");
    }

    #[test]
    fn what_renditions_say_alike_is_taken_once() {
        let dash = Package { master: None, mpd: Some("m.mpd".into()), ..crate::package::tests::package(3) };
        let infos = [
            info(1, &[("en", 128_000), ("de", 128_000)]),
            info(1, &[("eng", 127_000), ("ger", 128_400)]),
            info(1, &[("en", 64_000)]),
        ];
        let layout = plan(&infos, &dash);
        assert_eq!(streams(&layout), [vec![vec![0], vec![1], vec![2]], vec![vec![0]], vec![vec![0], vec![1]]]);
        let heard: Vec<_> = layout.renditions.iter().map(|planned| planned.heard.as_slice()).collect();
        assert_eq!(heard, [&[0, 1][..], &[0, 1], &[2]]);
        assert_eq!(layout.renditions[0].tracks[2].prefix, "audio2-");
    }
}
