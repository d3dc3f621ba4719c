//! Holding a finished output against what was asked for.
//!
//! The file is opened again as if somebody else had made it: its streams, their size and length, every packet's time,
//! and whether the beginning and the end decode. **Invariant**: a wrong output is an error, never a warning, so that it
//! is a failed attempt and never a success. Deliberately absent: how good it looks.

mod samples;
#[cfg(test)]
mod tests;
mod webp;

use std::fs::File;
use std::path::Path;

use ffmpeg_next::Packet;
use reelmill::model::media::MediaInfo;
use reelmill::model::work::{Audio, Container, MediaOutput, Video};
use reelmill::worker::protocol::{Input, Source as Kind};

use self::samples::Samples;
use crate::error::MediaError;
use crate::source::{Opened, Source};
use crate::{libav, probe};

/// Longest difference that rounding of times in a container makes, in seconds.
const ROUNDING_S: f64 = 0.002;

/// Audio frames by which a track may be longer than its samples: one of priming, one of padding.
const AUDIO_SLACK_FRAMES: f64 = 2.0;

/// Properties that an output must have. Numbers that the pipeline cannot know are not set, and not checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// The video stream; absent: there must be none.
    pub video: Option<ExpectedVideo>,
    /// The audio streams, in order; empty: there must be none.
    pub audio: Vec<ExpectedAudio>,
    /// Number of subtitle streams.
    pub subtitles: usize,
}

/// A video stream that an output must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExpectedVideo {
    /// Width in pixels, as shown.
    pub width: u32,
    /// Height in pixels, as shown.
    pub height: u32,
    /// Number of frames.
    pub frames: Option<u64>,
    /// Duration in seconds; held within one frame.
    pub duration_s: Option<f64>,
}

/// An audio stream that an output must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExpectedAudio {
    /// Duration in seconds; held within two codec frames.
    pub duration_s: Option<f64>,
    /// How much of it is priming, in seconds: shown or not, as the container can tell.
    pub priming_s: f64,
}

/// Opens the finished output at `path`, checks it against its definition, and returns its media information.
pub fn verify(path: &Path, output: &MediaOutput, expected: &Expected) -> Result<MediaInfo, MediaError> {
    let wrong = |problem: String| MediaError::WrongOutput { file: output.file.clone(), problem };
    if output.container == Container::Webp {
        let bytes = std::fs::read(path).map_err(|source| MediaError::Scratch { path: path.to_owned(), source })?;
        return webp::check(&bytes, expected).map_err(wrong);
    }
    let source = source(path)?;
    let mut opened = source.open().map_err(|e| unreadable(e, &output.file))?;
    let info = probe::media_info(&mut opened).map_err(|e| unreadable(e, &output.file))?;
    check_streams(&info, output, expected).map_err(wrong)?;
    let tracks = read(source.open().map_err(|e| unreadable(e, &output.file))?, &info)?;
    check_tracks(&info, output, expected, tracks).map_err(wrong)?;
    Ok(info)
}

/// Reads the finished subtitle file at `path` again, which must hold `texts` of them; says its size in bytes.
pub fn texts(path: &Path, output: &MediaOutput, texts: u64) -> Result<u64, MediaError> {
    let bytes = std::fs::read(path).map_err(|source| MediaError::Scratch { path: path.to_owned(), source })?;
    let wrong = |problem: String| MediaError::WrongOutput { file: output.file.clone(), problem };
    let found = if output.container == Container::Ttml {
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        if !text.trim_end().ends_with("</tt>") {
            return Err(wrong("it is truncated".to_owned()));
        }
        text.matches("<p").count() as u64
    } else {
        let source = Source::text(bytes.as_slice().into());
        let mut opened = source.open().map_err(|e| unreadable(e, &output.file))?;
        let (mut packet, mut packets) = (Packet::empty(), 0);
        while opened.read(&mut packet)? {
            packets += 1;
        }
        packets
    };
    if found == texts {
        return Ok(bytes.len() as u64);
    }
    Err(wrong(format!("it has {found} cues instead of {texts}")))
}

/// A file in scratch as an input.
pub fn source(path: &Path) -> Result<Source, MediaError> {
    let scratch = |source| MediaError::Scratch { path: path.to_owned(), source };
    let file = File::open(path).map_err(scratch)?;
    let size_bytes = file.metadata().map_err(scratch)?.len();
    Ok(Source::new(file.into(), &Input { source: Kind::File, size_bytes, ext: String::new() }))
}

/// An output that does not even open is a wrong output, whatever its bytes look like.
fn unreadable(error: MediaError, file: &str) -> MediaError {
    match error {
        MediaError::SourceUnreadable => error,
        other => MediaError::WrongOutput { file: file.to_owned(), problem: format!("it cannot be opened: {other}") },
    }
}

fn check_streams(info: &MediaInfo, output: &MediaOutput, expected: &Expected) -> Result<(), String> {
    count("video", info.video.len(), usize::from(expected.video.is_some()))?;
    count("audio", info.audio.len(), expected.audio.len())?;
    count("subtitle", info.subtitles.len(), expected.subtitles)?;
    for (video, expected) in info.video.iter().zip(&expected.video) {
        if (video.width, video.height) != (expected.width, expected.height) {
            return Err(format!(
                "the picture is {}x{} instead of {}x{}",
                video.width, video.height, expected.width, expected.height
            ));
        }
        if let Some(Video::Encode(encode)) = &output.video {
            codec(&video.codec, encode.codec.info().libav)?;
        }
    }
    if let Some(Audio::Encode(encode)) = &output.audio {
        info.audio.iter().try_for_each(|audio| codec(&audio.codec, encode.codec.info().libav))?;
    }
    Ok(())
}

fn count(kind: &str, found: usize, expected: usize) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("it has {found} {kind} streams instead of {expected}")) }
}

fn codec(found: &str, expected: &str) -> Result<(), String> {
    // There are several kinds of PCM.
    let family = expected.ends_with('_') && found.starts_with(expected);
    if found == expected || family { Ok(()) } else { Err(format!("a stream is {found} instead of {expected}")) }
}

/// Reads every packet once.
fn read(mut opened: Opened, info: &MediaInfo) -> Result<Vec<Samples>, MediaError> {
    let mut tracks: Vec<Samples> = opened.demuxer().streams().map(|stream| Samples::new(&stream)).collect();
    if libav::demuxer_name(opened.demuxer()).starts_with("matroska") {
        for track in &mut tracks {
            track.stores_decoding_times = false;
        }
    }
    for video in &info.video {
        if let Some(track) = tracks.get_mut(video.index as usize) {
            track.frame_s = if video.frame_rate > 0.0 { 1.0 / video.frame_rate } else { 0.0 };
        }
    }
    let mut packet = Packet::empty();
    while opened.read(&mut packet)? {
        if let Some(track) = tracks.get_mut(packet.stream()) {
            track.add(&packet);
        }
    }
    Ok(tracks)
}

fn check_tracks(
    info: &MediaInfo,
    output: &MediaOutput,
    expected: &Expected,
    tracks: Vec<Samples>,
) -> Result<(), String> {
    let mut tracks: Vec<Option<Samples>> = tracks.into_iter().map(Some).collect();
    let mut take = |index: u32| tracks.get_mut(index as usize).and_then(Option::take).ok_or("a stream is missing");
    for (video, expected) in info.video.iter().zip(&expected.video) {
        let track = take(video.index)?;
        track.check_packets("video")?;
        if let Some(frames) = expected.frames.filter(|frames| *frames != track.packets) {
            return Err(format!("it has {} frames instead of {frames}", track.packets));
        }
        track.check_duration("video", expected.duration_s, track.frame_s.max(track.longest_s()) + ROUNDING_S)?;
        track.check_decodes("video", matches!(output.video, Some(Video::Encode(_))))?;
    }
    for (audio, expected) in info.audio.iter().zip(&expected.audio) {
        let track = take(audio.index)?;
        track.check_packets("audio")?;
        // In the middle between with priming and without.
        let (middle, around) = (expected.duration_s.map(|s| s - expected.priming_s / 2.0), expected.priming_s / 2.0);
        track.check_duration("audio", middle, around + AUDIO_SLACK_FRAMES * track.longest_s() + ROUNDING_S)?;
        track.check_decodes("audio", matches!(output.audio, Some(Audio::Encode(_))))?;
    }
    Ok(())
}
